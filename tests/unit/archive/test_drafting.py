"""Drafts of description files: what the data show is written down, what only a person knows is marked and refused."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from lakehouse.archive import drafting, joining
from lakehouse.archive.dated import Dated
from lakehouse.archive.drafting import draft_here
from lakehouse.archive.drafting_apart import FILL_IN, Draft, Mark, draft_in_child
from lakehouse.archive.guessing import ColumnLook
from lakehouse.archive.validate import validate
from lakehouse.errors import UnreadableSubmissionError, UnsafeArchiveError

ROWS = "".join(
    f"{n},{n / 2},{'abc'[n % 3]},2024-01-{n % 28 + 1:02},{'true' if n % 2 else 'false'},{'NA' if n == 7 else n},0{n}\n"
    for n in range(1, 31)
)
MARKS = "pupil_id,points,class,held_on,passed,hours,postcode\n" + ROWS


def drafted(source, into):
    into.mkdir()
    found = draft_here(str(source), str(into), progress=lambda _: None)
    for place, text in found["files"].items():
        (into / place).parent.mkdir(parents=True, exist_ok=True)
        (into / place).write_text(text)
    return into, found


def columns(folder, table="marks"):
    return yaml.safe_load((folder / f"tables/{table}/columns.yaml").read_text())


@pytest.fixture
def marks(tmp_path):
    path = tmp_path / "marks.csv"
    path.write_text(MARKS)
    return path


def test_what_the_data_show_is_written_down(marks, tmp_path):
    folder, _found = drafted(marks, tmp_path / "new")
    told = columns(folder)
    types = {name: column["type"] for name, column in told["columns"].items()}
    assert types == {
        "pupil_id": "integer",
        "points": "number",
        "class": "string",
        "held_on": "date",
        "passed": "boolean",
        "hours": "integer",
        "postcode": "string",
    }
    assert told["primary_key"] == ["pupil_id"]
    assert told["columns"]["class"]["levels"] == ["a", "b", "c"]
    assert told["columns"]["hours"]["missing_codes"] == ["NA"]
    assert "required" not in told["columns"]["hours"]
    assert told["columns"]["points"]["required"] is True
    assert (folder / "tables/marks/marks.csv").read_text() == MARKS
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.yaml", "tables"]


def fill_in(folder):
    """Do what a person would: say what is marked as theirs to say."""
    for path in folder.rglob("*.yaml"):
        text = path.read_text().replace('grain: ""', "grain: one row per thing").replace('title: ""', "title: Marks")
        path.write_text(text.replace('description: ""', "description: Said.").replace("# licence:", "licence:"))


@pytest.mark.parametrize("name", ["marks.csv", "marks.csv.gz", "marks.tsv", "marks.parquet", "marks.jsonl"])
def test_a_draft_is_refused_until_a_person_has_filled_it_in(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"pupil_id": [1, 2, 3], "points": [0.5, 1.5, 2.5]}), path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps({"pupil_id": n, "points": n / 2}) + "\n" for n in range(3)))
    else:
        body = (MARKS.replace(",", "\t") if name.endswith(".tsv") else MARKS).encode()
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    folder, _ = drafted(path, tmp_path / "new")
    before = validate(folder, submission="marks@1", content_sha256="0" * 64)
    assert not before.accepted
    assert {f.place.split(":")[0] for f in before.findings if f.level == "error"} >= {"dataset.yaml"}
    fill_in(folder)
    after = validate(folder, submission="marks@1", content_sha256="0" * 64)
    assert after.accepted, after.as_text()


def test_a_folder_of_bare_files_gets_a_table_for_each(tmp_path):
    bare = tmp_path / "School data 2024"
    (bare / "more").mkdir(parents=True)
    (bare / "Pupils.csv").write_bytes("Pupil ID;Größe\n1;1,5\n2;x\n".encode("cp1252"))
    (bare / "more" / "rooms.csv").write_text("room;size\n1;2\n")
    (bare / "notes.docx").write_bytes(b"PK")
    folder, found = drafted(bare, tmp_path / "new")
    assert sorted(path.name for path in (folder / "tables").iterdir()) == ["pupils", "rooms"]
    assert list(columns(folder, "pupils")["columns"]) == ["pupil_id", "grosse"]
    assert columns(folder, "rooms")["delimiter"] == ";"
    assert yaml.safe_load((folder / "dataset.yaml").read_text())["name"] == "school_data_2024"
    assert any("notes.docx" in note for note in found["notes"])
    assert any("Pupil ID" in note for note in found["notes"])
    fill_in(folder)
    report = validate(folder, submission="x@1", content_sha256="0" * 64)
    assert not [f for f in report.findings if f.level == "error"], report.as_text()


def test_what_a_dataset_has_stays_and_only_what_lacks_is_drafted(dataset):
    (dataset / "tables/rooms/columns.yaml").unlink()
    (dataset / "texts/sheets/collection.yaml").unlink()
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    draft = draft_in_child(dataset, None)
    assert sorted(draft.files) == ["tables/rooms/columns.yaml", "texts/sheets/collection.yaml"]
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before
    assert [(mark.line, mark.field) for mark in draft.to_fill_in("texts/sheets/collection.yaml")] == [
        (2, "title"),
        (3, "description"),
    ]


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "2"], "integer"),
        (["0", "1"], "integer"),
        (["1", "2.5"], "number"),
        (["007", "12"], "string"),
        (["0.5", "0"], "number"),
        (["2024-02-29", "2024-03-01"], "date"),
        (["2024-02-29", "29.02.2024"], "string"),
        (["2024-02-29T08:00:00Z", "2024-02-29 08:00"], "datetime"),
        (["true", "False"], "boolean"),
        (["", ""], "string"),
        (["NA", "NA"], "string"),
        (["9" * 30, "1"], "number"),
        (["1", "x"], "string"),
    ],
)
def test_types_are_told_by_all_cells(tmp_path, cells, type_):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    folder, _ = drafted(path, tmp_path / "new")
    assert columns(folder, "t")["columns"]["b"]["type"] == type_


@pytest.mark.parametrize(
    ("odd", "asked"),
    [(["four hundred"], True), ([f"word {n}" for n in range(40)], False), (["007", "x"], False), ([], False)],
)
def test_a_column_of_numbers_with_a_mistake_in_it_is_asked_about(tmp_path, odd, asked):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["enrolled", *map(str, range(100, 200)), *odd]) + "\n")
    folder, _ = drafted(path, tmp_path / "new")
    text = (folder / "tables/t/columns.yaml").read_text()
    said = 'type: string  # CHECK: 100 of 101 values are numbers, and "four hundred" is none: is this a mistake?'
    assert (said in text) is asked
    assert ("is none" in text) is asked
    yaml.safe_load(text)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["2024-01-31", "2024-02-01", "2023-02-30"],
            '2 of 3 values are dates, and "2023-02-30" is no day there is: is',
        ),
        (["2024-01-31", "2024-02-01", "soon"], '2 of 3 values are dates, and "soon" is no date: is this a mistake?'),
        (["2024-01-31T08:00", "2024-01-31 25:00"], '1 of 2 values are dates, and "2024-01-31 25:00" is no day there'),
        (["31.01.2024", "01.02.2024"], 'dates are written like "31.01.2024": write all of them like 2024-12-31, then'),
        (
            ["2024-01-31", "01/31/2024", "2023-02-30"],
            'dates are written in 2 ways, "2024-01-31", "01/31/2024", and "20',
        ),
        (["2024-01-31", "2024-01-31T08:00"], 'dates are written in 2 ways, "2024-01-31", "2024-01-31T08:00": write'),
        (["3. März 2024", "Feb 3, 2024"], 'dates are written in 2 ways, "3. M\\u00e4rz 2024", "Feb 3, 2024": write'),
        (["2024-01-31", "x", "y"], ""),
        (["2024-01-31", "2024-02-01"], ""),
        (["1.2.3", "room 4"], ""),
    ],
)
def test_what_looks_like_dates_and_is_not_is_said_in_the_draft_and_to_whoever_asked(tmp_path, cells, said):
    path = tmp_path / "t.csv"
    path.write_text("seen\n" + "".join(f'"{cell}"\n' for cell in cells))
    folder, found = drafted(path, tmp_path / "new")
    text = (folder / "tables/t/columns.yaml").read_text()
    noted = [note for note in found["notes"] if note.startswith("tables/t, seen: ")]
    assert [note[: len(f"tables/t, seen: {said}")] for note in noted] == ([f"tables/t, seen: {said}"] if said else [])
    assert (f"type: string  # CHECK: {said}" in text) is bool(said)
    yaml.safe_load(text)


def test_dates_in_a_later_part_of_a_column_are_looked_at_too():
    look = ColumnLook()
    for cells in (["2024-01-31"] * 3, ["x"], ["2023-02-30", "2023-02-30"]):
        look.add(pa.array(cells))
    assert look.guess().dated == Dated({"date": (5, "2024-01-31")}, 2, "2023-02-30", 1, "x")


def test_a_number_that_may_stand_for_nothing_is_asked_about(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{n},{-99 if n == 3 else n}\n" for n in range(10)))
    folder, _ = drafted(path, tmp_path / "new")
    assert f'# missing_codes: ["-99"]  # {FILL_IN}' in (folder / "tables/t/columns.yaml").read_text()


@pytest.mark.parametrize("rows", ["1,1\n1,2\n", "1,1\n,2\n2,2\n"])
def test_no_key_is_proposed_that_repeats_or_is_empty(tmp_path, rows):
    path = tmp_path / "t.csv"
    path.write_text("a,a_id\n" + "".join(f"{line.split(',')[0]},1\n" for line in rows.splitlines()))
    folder, _ = drafted(path, tmp_path / "new")
    assert "primary_key" not in columns(folder, "t")


def test_names_and_values_from_outside_write_no_yaml_of_their_own(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"a: b # {x}","c\n- d"\n' + '"x"" : [y","&z"\n' * 20)
    folder, _ = drafted(path, tmp_path / "new")
    told = columns(folder, "t")["columns"]
    assert list(told) == ["a_b_x", "c_d"]
    assert told["a_b_x"]["levels"] == ['x" : [y']


def test_there_must_be_a_table(tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "x.docx").write_bytes(b"x")
    with pytest.raises(UnreadableSubmissionError, match="holds no CSV"):
        drafted(tmp_path / "bare", tmp_path / "new")


def test_a_place_that_is_no_description_is_not_believed(dataset, monkeypatch):
    from lakehouse.archive import drafting_apart

    for place in ("../dataset.yaml", "/etc/dataset.yaml", "tables/rooms/rooms.csv"):
        monkeypatch.setattr(drafting_apart, "do_apart", lambda *_, place=place: {"files": {place: "x"}, "notes": []})
        with pytest.raises(UnsafeArchiveError):
            draft_in_child(dataset, None)


def test_what_is_to_be_filled_in_is_told_with_its_line():
    text = f'# head: {FILL_IN}\ntitle: ""  # {FILL_IN}: so\nname: x\n# keywords: []  # {FILL_IN}\n'
    assert Draft({"dataset.yaml": text}, ()).to_fill_in("dataset.yaml") == [
        Mark(2, "title", "so", asked=True),
        Mark(4, "keywords", "", asked=False),
    ]


@pytest.fixture
def school(tmp_path):
    """Files that refer to each other: rooms, lessons in them, marks of pupils in lessons, and a file about nothing."""
    bare = tmp_path / "school"
    bare.mkdir()
    (bare / "rooms.csv").write_text("room_id,share,pct_used\n" + "".join(f"{n},{n / 40},{n * 3}\n" for n in range(30)))
    lessons = "".join(f"l{n},{n % 30},{n * 7 % 11}%\n" for n in range(60))
    (bare / "lessons.csv").write_text("lesson,room_id,fill\n" + lessons)
    marks = "".join(f"{p},l{n},{(p * n) % 5}\n" for p in range(9) for n in range(40))
    (bare / "marks.csv").write_text("pupil_no,lesson_id,mark\n" + marks)
    (bare / "other.csv").write_text("size,seen\n" + "".join(f"{n % 7},{n % 5}\n" for n in range(35)))
    folder, _ = drafted(bare, tmp_path / "new")
    return folder


def test_references_are_proposed_where_names_and_all_values_say_so(school):
    lessons, marks = columns(school, "lessons")["columns"], columns(school, "marks")["columns"]
    assert lessons["room_id"]["references"] == "rooms.room_id"
    assert marks["lesson_id"]["references"] == "lessons.lesson"
    assert ["references" in one for one in (*columns(school, "other")["columns"].values(), marks["mark"])] == [
        False
    ] * 3
    assert "# CHECK: all 30 different values stand there" in (school / "tables/lessons/columns.yaml").read_text()


def test_keys_of_several_columns_are_proposed_and_asked_about_where_names_say_nothing(school):
    assert columns(school, "marks")["primary_key"] == ["pupil_no", "lesson_id"]
    assert "primary_key" not in columns(school, "other")
    asked = (school / "tables/other/columns.yaml").read_text()
    assert f"# primary_key: [size, seen]  # {FILL_IN}: together they never repeat in these 35 rows" in asked


def test_percent_is_proposed_as_a_unit(school):
    rooms = columns(school, "rooms")["columns"]
    assert (rooms["pct_used"]["unit"], rooms["share"]["unit"]) == ("%", "1")
    assert "every value ends in %: write the numbers alone" in (school / "tables/lessons/columns.yaml").read_text()


def test_a_value_that_is_not_there_or_room_that_is_not_left_gives_no_reference(tmp_path, monkeypatch):
    bare = tmp_path / "two"
    bare.mkdir()
    (bare / "rooms.csv").write_text("room\n" + "".join(f"r{n}\n" for n in range(30)))
    (bare / "uses.csv").write_text("use,room\n" + "".join(f"{n},r{n % 31}\n" for n in range(90)))
    folder, found = drafted(bare, tmp_path / "missing")
    said = "1 of 31 different values are not in rooms.room"
    text = (folder / "tables/uses/columns.yaml").read_text()
    assert f"    # references: rooms.room  # {FILL_IN}: {said}; mend the data" in text
    assert "r30" not in text
    assert f'tables/uses, room: {said}: "r30"; mend them or add their rows' in found["notes"]
    (bare / "uses.csv").write_text("use,room\n" + "".join(f"{n},r{n % 61}\n" for n in range(90)))
    folder, found = drafted(bare, tmp_path / "half")
    assert "references" not in (folder / "tables/uses/columns.yaml").read_text()
    assert found["notes"] == []
    (bare / "uses.csv").write_text("use,place\n" + "".join(f"{n},r{n % 30}\n" for n in range(90)))
    folder, _ = drafted(bare, tmp_path / "texts")
    assert f"# references: rooms.room  # {FILL_IN}" in (folder / "tables/uses/columns.yaml").read_text()
    monkeypatch.setattr(joining, "MOST_VALUES", 20)
    monkeypatch.setattr(drafting, "Room", lambda: joining.Room(20))
    folder, _ = drafted(bare, tmp_path / "full")
    assert "references" not in (folder / "tables/uses/columns.yaml").read_text()


def test_codes_for_nothing_are_no_values_of_a_reference_and_a_column_of_the_own_table_is_told_by_its_key(tmp_path):
    bare = tmp_path / "two"
    bare.mkdir()
    (bare / "rooms.csv").write_text("room_id,near_room_id,room\n" + "".join(f"{n},{n // 2},{n}\n" for n in range(30)))
    (bare / "uses.csv").write_text("use,room_id\n" + "".join(f"{n},{n if n % 3 else 'NA'}\n" for n in range(30)))
    folder, _ = drafted(bare, tmp_path / "new")
    assert columns(folder, "uses")["columns"]["room_id"]["references"] == "rooms.room_id"
    rooms = columns(folder, "rooms")["columns"]
    assert rooms["near_room_id"]["references"] == "rooms.room_id"
    assert "references" not in rooms["room"]


def test_more_rows_than_are_tried_give_no_key_of_several_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(joining, "MOST_ROWS", 10)
    bare = tmp_path / "marks.csv"
    bare.write_text("pupil_no,lesson_no\n" + "".join(f"{p},{n}\n" for p in range(9) for n in range(9)))
    folder, _ = drafted(bare, tmp_path / "new")
    assert "primary_key" not in columns(folder)


def test_a_table_with_a_key_of_its_own_takes_no_room_for_rows_from_the_others(tmp_path, monkeypatch):
    bare = tmp_path / "two"
    bare.mkdir()
    (bare / "lessons.csv").write_text("lesson_id,seen\n" + "".join(f"{n},{n % 2}\n" for n in range(9)))
    (bare / "marks.csv").write_text("pupil_no,item_no\n" + "".join(f"{n % 3},{n // 3}\n" for n in range(9)))
    monkeypatch.setattr(drafting, "Room", lambda: joining.Room(cells=18))
    folder, _ = drafted(bare, tmp_path / "new")
    assert columns(folder, "lessons")["primary_key"] == ["lesson_id"]
    assert columns(folder)["primary_key"] == ["pupil_no", "item_no"]
