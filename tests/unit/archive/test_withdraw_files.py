"""Taking a person out of files of every format, and out of running text."""

import gzip
import json
import unicodedata
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lakehouse.archive.eds import load_description
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.withdraw import files, mentions
from lakehouse.archive.withdraw.beside import beside
from lakehouse.archive.withdraw.contents import remove_from_folder
from lakehouse.archive.withdraw.finding import find, read_content
from lakehouse.archive.withdraw.matching import masked
from lakehouse.archive.withdraw.mentions import with_mentions
from lakehouse.archive.withdraw.plan import Plan, PlannedVersion, Removal
from lakehouse.archive.withdraw.rows import Cleaning
from lakehouse.masking import Mask

PERSON = "zq77@example.org"
DATASET = """\
eds_version: "1.0"
name: d
version: "1"
title: T
description: D.
accumulates: waves
subjects:
  student:
    description: S.
    identifiers: [a.who, events/log.actor]
"""
COLUMNS = """\
description: A.
grain: one row
columns:
  who: {type: string, description: W.}
  note: {type: string, description: N.}
"""


def statement(who, **more):
    return {"actor": {"mbox": f"mailto:{who}"}, "verb": {"id": "http://x/did"}, "object": {"id": "http://x/1"}, **more}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tables" / "a").mkdir(parents=True)
    (tmp_path / "events" / "log").mkdir(parents=True)
    (tmp_path / "dataset.yaml").write_text(DATASET)
    (tmp_path / "tables" / "a" / "columns.yaml").write_text(COLUMNS)
    (tmp_path / "events" / "log" / "log.yaml").write_text('title: L\ndescription: L.\nxapi_version: "1.0.3"\n')
    return tmp_path


def clean(folder, removal, mask=Mask((PERSON,))):  # noqa: B008 - never changed
    planned = PlannedVersion("d", "1", "c" * 40, "e" * 64, removal, load_description(folder))
    return remove_from_folder(folder, planned, mask)


ROWS = Removal(columns={"a": {"who": (PERSON,)}}, actors=(PERSON,))
CSV = f'who,note\r\nann,"two\r\nlines, ""said"""\r\n{PERSON},x\r\nbo,like {PERSON.upper()}\r\n'
LEFT = 'who,note\r\nann,"two\r\nlines, ""said"""\r\nbo,like [withdrawn]\r\n'


def test_a_csv_file_keeps_the_bytes_of_every_other_row(folder):
    path = folder / "tables" / "a" / "a.csv"
    path.write_bytes(CSV.encode())
    clean(folder, ROWS)
    assert path.read_bytes() == LEFT.encode()


def test_a_cell_as_long_as_validation_takes_is_no_hindrance(folder):
    path = folder / "tables" / "a" / "a.csv"
    long = "x" * 200_000
    path.write_text(f"who,note\n{PERSON},a\nbo,{long}\n")
    clean(folder, ROWS)
    assert path.read_text() == f"who,note\nbo,{long}\n"


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_packed_files_stay_packed(folder, ending):
    path = folder / "tables" / "a" / f"a.csv{ending}"
    pack, unpack = {
        ".gz": (gzip.compress, gzip.decompress),
        ".zst": (zstandard.compress, lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
    }[ending]
    path.write_bytes(pack(CSV.encode()))
    clean(folder, ROWS)
    assert unpack(path.read_bytes()) == LEFT.encode()


def test_tabs_json_lines_and_parquet(folder):
    table = folder / "tables" / "a"
    (table / "a.tsv").write_text(f"who\tnote\nann\tx\n{PERSON}\ty\n")
    (table / "b.jsonl").write_text('{"who": "ann", "note": "x"}\n' + json.dumps({"who": PERSON, "note": "y"}) + "\n")
    pq.write_table(pa.table({"who": ["ann", PERSON], "note": [f"by {PERSON}", "y"]}), table / "c.parquet")
    clean(folder, ROWS)
    assert (table / "a.tsv").read_text() == "who\tnote\nann\tx\n"
    assert (table / "b.jsonl").read_text() == '{"who": "ann", "note": "x"}\n'
    assert pq.read_table(table / "c.parquet").to_pylist() == [{"who": "ann", "note": "by [withdrawn]"}]


def test_what_a_parquet_file_says_beside_its_rows_is_masked(folder):
    path = folder / "tables" / "a" / "a.parquet"
    told = {"labels": json.dumps([PERSON, "bo"]), "made by": "a tool"}
    field = pa.field("who", pa.string(), metadata={"remark": f"first is {PERSON}"})
    schema = pa.schema([field, pa.field("note", pa.string())], told)
    pq.write_table(pa.table({"who": ["ann"], "note": ["x"]}, schema=schema), path)
    clean(folder, Removal())
    assert PERSON.encode() not in path.read_bytes()
    left = pq.read_table(path)
    assert left.to_pylist() == [{"who": "ann", "note": "x"}]
    assert json.loads(left.schema.metadata[b"labels"]) == ["[withdrawn]", "bo"]
    assert left.schema.metadata[b"made by"] == b"a tool"


def test_what_does_not_hold_the_person_is_not_touched(folder):
    path = folder / "tables" / "a" / "a.csv.gz"
    path.write_bytes(gzip.compress(b"who,note\nann,x\n"))
    before, old = path.read_bytes(), clean(folder, Removal())
    assert path.read_bytes() == before
    assert clean(folder, ROWS) == old


def test_statements_of_the_person_go_and_those_of_others_lose_the_person(folder):
    path = folder / "events" / "log" / "log.jsonl"
    me = {"mbox": f"mailto:{PERSON}"}
    alone = {"actor": {"objectType": "Group", "member": [{"account": {"homePage": "http://x", "name": PERSON}}]}}
    together = {"actor": {"objectType": "Group", "member": [me, {"mbox": "mailto:di@x.org"}]}}
    lines = [
        statement("ann@x.org"),
        statement(PERSON.upper()),
        statement("bo@x.org", context={"instructor": me, "team": {"objectType": "Group", "member": [me]}}),
        {**statement("x"), **alone},
        {**statement("x"), **together},
        {**statement("ed@x.org"), "object": {"objectType": "Agent", **me}},
        statement("cy@x.org", result={"response": f"ask {PERSON}"}),
        statement("fo@x.org", context={"extensions": {"http://x/seen-by": [me]}}),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "tables" / "a" / "a.csv").write_text("who,note\nann,x\n")
    removal, values = find(read_content(folder, load_description(folder)), "student", PERSON)
    assert (removal.rows, removal.blanked) == ({"log": 3}, {"log": 3})
    assert values == {PERSON, PERSON.upper()}
    clean(folder, removal)
    assert PERSON not in path.read_text().lower()
    left = [json.loads(line) for line in path.read_text().splitlines()]
    ann, bo, di, cy, fo = left
    assert (ann, bo["context"]) == (lines[0], {})
    assert di["actor"]["member"] == [{"mbox": "mailto:di@x.org"}]
    assert cy["result"]["response"] == "ask [withdrawn]"
    assert fo["context"]["extensions"] == {"http://x/seen-by": [{"mbox": "[withdrawn]"}]}


def test_rows_of_an_event_table_go_by_actor_and_by_statement(folder):
    planned = PlannedVersion("d", "1", "c" * 40, "e" * 64, Removal(actors=(PERSON,)), load_description(folder))
    plan = Plan("w", PERSON, "student", "", "", "", (PERSON,), (planned,))
    cleaning = Cleaning(plan, Mask((PERSON,)))
    rows = pa.table(
        {
            "actor": [f"mailto:{PERSON}", "mailto:ann@x.org", "mailto:bo@x.org"],
            "statement": ["{}", json.dumps(statement(PERSON)), json.dumps(statement("bo@x.org"))],
            "_dataset_version": ["1", "1", "1"],
        }
    )
    cleaned = cleaning.of("bronze.d_log")(rows)
    assert (cleaned.removed, cleaned.rows["actor"].to_pylist()) == (2, ["mailto:bo@x.org"])
    assert cleaned.rows["statement"].to_pylist() == [json.dumps(statement("bo@x.org"))]
    assert not cleaning.of("silver.other")(rows).removed


def test_rows_of_silver_go_by_pseudonym_and_statements_about_the_person_by_id(folder):
    removal = Removal(actors=(PERSON,), statements={"log": ("id-2",)}, columns={"a": {"who": (PERSON,)}})
    planned = PlannedVersion("d", "1", "c" * 40, "e" * 64, removal, load_description(folder))
    plan = Plan.from_json(Plan("w", PERSON, "student", "", "", "", (PERSON,), (planned,)).to_json())
    made = Pseudonyms(b"k" * 32)
    cleaning = Cleaning(plan, Mask((PERSON,)), pseudonyms=made)
    mine, bo, old = made.text(f"mailto:{PERSON}"), made.text("mailto:bo@x.org"), f"mailto:{PERSON}"
    columns = {"actor": [mine, None, bo, old, None], "statement_id": [f"id-{n}" for n in range(1, 6)]}
    for more in ({}, {"statement": [None, None, None, json.dumps(statement(PERSON)), None]}):
        rows = pa.table({**columns, **more, "dataset_version": ["1"] * 5}, schema=None)
        cleaned = cleaning.of("silver.d_log")(rows)
        assert (cleaned.removed, cleaned.rows["statement_id"].to_pylist()) == (3, ["id-3", "id-5"])
    table = pa.table({"who": [made.text(PERSON), f" {made.text(PERSON)}", PERSON, made.text("ann")]})
    rows = table.append_column("dataset_version", pa.array(["1"] * 4)).append_column("note", pa.array([""] * 4))
    assert cleaning.of("silver.d_a")(rows).rows["who"].to_pylist() == [made.text("ann")]


@pytest.mark.parametrize(
    ("removal", "left"),
    [
        (Removal(documents={"essays": {"id": (PERSON,)}}), ["d/essays/bo@1", f"d/tales/{PERSON}@1"]),
        (Removal(documents={"essays": {"title": ("Of Zq",)}}), [f"d/tales/{PERSON}@1"]),
        (Removal(whole=True), []),
    ],
)
def test_passages_of_documents_that_go_leave_the_predictions_of_models_that_never_learned_from_them(
    folder, removal, left
):
    about = load_description(folder)
    kept = PlannedVersion("d", "2", "d" * 40, "f" * 64, Removal(), about)
    changed = PlannedVersion("d", "1", "c" * 40, "e" * 64, removal, about)
    plan = Plan("w", PERSON, "", "", "", "", (PERSON,), (changed, kept))
    mine, others = Pseudonyms(b"k" * 32).text(PERSON), ["d/essays/zq@2", "e/essays/zq@1"]
    ids = [f"d/essays/{PERSON}@1", f"d/essays/{mine}@1", "d/essays/bo@1", f"d/tales/{PERSON}@1", *others]
    rows = pa.table(
        {
            "model_version": ["gpt-0001"] * len(ids),
            "document_id": ids,
            "dataset": [name[0] for name in ids],
            "passage": [f"of {name[2:]}" for name in ids],
        }
    )
    cleaned = Cleaning(plan, Mask(()), pseudonyms=Pseudonyms(b"k" * 32)).of("gold.predictions")(rows)
    assert (cleaned.removed, cleaned.rows["document_id"].to_pylist()) == (len(ids) - len(left) - 2, [*left, *others])


def test_what_is_only_joined_with_a_value_is_counted_and_left(folder):
    (folder / "tables" / "a" / "a.csv").write_text("who,note\nx,of zq77@example.organic\ny,by zq77@example.org\n")
    (folder / "events" / "log" / "l.jsonl").write_text("")
    (folder / "README.md").write_text("Asks azq77@example.org.\n")
    told = with_mentions(read_content(folder, load_description(folder)), Removal(), Mask((PERSON,)))
    assert (told.mentions, told.near) == ({"a": 1}, {"a": 1, "descriptions": 1})


def test_json_and_yaml_that_spell_the_person_by_escapes_are_written_anew(folder):
    name = "O'Neill+x@example.org"
    spelled = '{"by": "O\\u0027Neill\\u002Bx@example.org", "at": "https:\\/\\/x.org\\/1"}'
    said = "it by O''Neill+x@example.org"
    (folder / "dataset.yaml").write_text(DATASET.replace("title: T", f"title: '{said}'"))
    (folder / "tables" / "a" / "a.csv").write_text("who,note\n")
    (folder / "events" / "log" / "l.jsonl").write_text(
        json.dumps(statement("b@example.org"))[:-1] + ', "context": ' + spelled + "}\n"
    )
    (folder / "note.json").write_text(f"[\n {spelled},\n 1\n]\n")
    told = with_mentions(read_content(folder, load_description(folder)), Removal(), Mask((name,)))
    assert told.mentions == {"descriptions": 2, "log": 1}
    clean(folder, Removal(), Mask((name,)))
    assert load_description(folder).title == "it by withdrawn"
    assert json.loads((folder / "note.json").read_text())[0] == {"by": "withdrawn", "at": "https://x.org/1"}
    (line,) = (folder / "events" / "log" / "l.jsonl").read_text().splitlines()
    assert json.loads(line)["context"] == {"by": "[withdrawn]", "at": "https://x.org/1"}


def test_a_mask_blanks_bytes_in_place_and_renames_hashes():
    assert Mask(("11391",)).blank(b"\xff who = 11391\n") == b"\xff who = #####\n"
    mask = Mask((), {"a" * 40: "b" * 40})
    assert mask.text(f"commit {'a' * 40}, folder {'a' * 12}, other {'a' * 13}") == (
        f"commit {'b' * 40}, folder {'b' * 12}, other {'a' * 13}"
    )


def test_files_that_are_no_data_lose_the_person_too(folder):
    texts = folder / "texts" / "said"
    (texts / "deep").mkdir(parents=True)
    (texts / "collection.yaml").write_text("title: S\ndescription: S.\n")
    (texts / "picture.png").write_bytes(bytes(range(256)))
    words = (folder / "tables" / "a" / "note.txt", texts / "deep" / "more.txt", folder / "extra.csv")
    for path in words:
        path.write_text(f"x\n{PERSON}\n")
    (folder / "extra.csv.gz").write_bytes(gzip.compress(f"x\n{PERSON}\n".encode()))
    (folder / "wide.csv").write_bytes(f"x\n{PERSON}\n".encode("utf-16"))
    with zipfile.ZipFile(folder / "book.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("sheet.xml", f"<c>{PERSON}</c>" * 9)
    for name in (f"{PERSON}.txt", f"{PERSON.upper()}.txt"):
        (folder / name).write_text("nothing")
    told = with_mentions(read_content(folder, load_description(folder)), ROWS, Mask((PERSON,)))
    assert (dict(told.mentions), told.unread) == ({"descriptions": 4, "files": 2}, ("texts/said/picture.png",))
    clean(folder, ROWS)
    assert [path.read_text() for path in words] == ["x\nwithdrawn\n"] * 3
    assert gzip.decompress((folder / "extra.csv.gz").read_bytes()) == b"x\nwithdrawn\n"
    left = sorted(path.name for path in folder.iterdir() if path.is_file())
    assert left == ["1_withdrawn.txt", "dataset.yaml", "extra.csv", "extra.csv.gz", "withdrawn.txt"]


def test_what_parquet_says_beside_its_rows_is_counted_in_fields_of_fields_too(folder):
    inner = pa.field("inner", pa.string(), metadata={"by": PERSON})
    schema = pa.schema([pa.field("outer", pa.struct([inner]))], metadata={"made_for": PERSON})
    path = folder / "tables" / "a" / "more.parquet"
    pq.write_table(pa.table({"outer": [{"inner": "x"}]}, schema=schema), path)
    assert mentions._beside_rows(path, Mask((PERSON,))) == 2


def test_parquet_without_a_place_and_texts_under_false_names_are_looked_into(folder):
    for name, value in (("hers", PERSON), ("other", "nobody")):
        pq.write_table(pa.table({"x": [[{"deep": value}]]}), folder / f"{name}.parquet", compression="zstd")
        (folder / f"{name}.bak").write_bytes(gzip.compress(f"x\n{value}\n".encode()))
        (folder / f"{name}.csv").write_bytes(f"x\n{value}\n".encode("utf-16"))
        (folder / f"{name}.txt").write_bytes(f"\xe9 {value}\n".encode("latin-1"))
    (folder / "cut.parquet").write_bytes((folder / "other.parquet").read_bytes()[:-9])
    found = beside(folder, Mask((PERSON,)))
    assert {path.name for path in found.holding} == {"hers.parquet", "hers.bak", "hers.csv", "hers.txt"}
    assert {path.name for path in found.unread} == {"other.txt", "cut.parquet"}


def test_what_parquet_without_a_place_says_of_fields_of_fields_is_looked_at(folder):
    inner = pa.field("inner", pa.string(), metadata={"by": PERSON})
    pq.write_table(
        pa.table({"outer": [{"inner": "x"}]}, schema=pa.schema([pa.field("outer", pa.struct([inner]))])),
        folder / "hers.parquet",
    )
    assert [path.name for path in beside(folder, Mask((PERSON,))).holding] == ["hers.parquet"]


@pytest.mark.parametrize(
    ("page", "holds"), [("Ann&#32;G&auml;rdiner, Ann Gärdiner", True), ("Ann Gärdiner &amp; co", False)]
)
def test_a_page_that_spells_a_person_in_entities_is_taken_out(folder, page, holds):
    path = folder / "page.html"
    path.write_text(page)
    found = beside(folder, Mask(("Ann Gärdiner",)))
    assert (path in found.holding, path in found.words) == (holds, not holds)


NAME = Mask(("Ann Gardiner",))


def test_a_name_that_is_broken_over_two_lines_goes(folder):
    readme, essay = folder / "README.md", folder / "texts" / "said" / "essay.txt"
    essay.parent.mkdir(parents=True)
    (essay.parent / "collection.yaml").write_text("title: S\ndescription: S.\n")
    for path in (readme, essay):
        path.write_text("Thanks to Ann\nGardiner, and to\r\nall others.\n", newline="")
    told = with_mentions(read_content(folder, load_description(folder)), Removal(), NAME)
    assert dict(told.mentions) == {"descriptions": 1, "said": 1}
    clean(folder, Removal(), NAME)
    assert readme.read_bytes() == b"Thanks to withdrawn, and to\r\nall others.\n"
    assert essay.read_bytes() == b"Thanks to [withdrawn], and to\r\nall others.\n"


@pytest.mark.parametrize("size", range(1, 40))
def test_no_value_is_cut_where_a_large_text_is(tmp_path, monkeypatch, size):
    monkeypatch.setattr(files, "PASSAGE_CHARACTERS", size)
    monkeypatch.setattr(files, "LONGEST_VALUE", 13)
    path = tmp_path / "long.txt"
    path.write_text(text := "a\nb Ann\nGardiner c\nAnn\n\nGardiner\nd\n" * 3)
    passages = list(files.passages_of(path, NAME))
    assert ("".join(passages), sum(map(NAME.count, passages))) == (text, 6)


def test_a_long_line_is_not_looked_through_for_each_line_after_it(tmp_path, monkeypatch):
    text = "x" * (3 * files.LONGEST_VALUE) + "\n" + "and more\n" * 200
    (tmp_path / "a.txt").write_text(text)
    monkeypatch.setattr(files, "PASSAGE_CHARACTERS", 2 * files.LONGEST_VALUE)
    seen = []
    plain = Mask.line_before
    monkeypatch.setattr(Mask, "line_before", lambda mask, text, at: (seen.append(at), plain(mask, text, at))[1])
    assert "".join(files.passages_of(tmp_path / "a.txt", Mask((PERSON,)))) == text
    assert len(seen) == 1


@pytest.mark.parametrize("damage", ["packed bytes", "name"])
def test_a_damaged_office_file_is_told_as_unread(folder, damage):
    path = folder / "book.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as book:
        book.writestr("blätt.xml", bytes(range(256)) * 90)
    body = bytearray(path.read_bytes())
    if damage == "name":
        body = body.replace("ä".encode(), b"\xff\xff")
    else:
        body[60:90] = b"\xff" * 30
    path.write_bytes(body)
    assert beside(folder, Mask((PERSON,))).unread == (path,)


def test_packed_parquet_and_marks_before_lines_are_no_way_around(folder):
    table = folder / "tables" / "a"
    rows = pa.table({"who": ["ann", PERSON, "bo"], "note": ["a", "b", f"like {PERSON}"]})
    packed = pa.BufferOutputStream()
    pq.write_table(rows, packed)
    (table / "a.parquet.gz").write_bytes(gzip.compress(packed.getvalue().to_pybytes()))
    (table / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps({"who": PERSON, "note": ""}).encode() + b"\n")
    log = folder / "events" / "log" / "a.jsonl"
    log.write_bytes(b"\xef\xbb\xbf" + json.dumps(statement(PERSON)).encode() + b"\n")
    removal, _ = find(read_content(folder, load_description(folder)), "student", PERSON)
    assert dict(removal.rows) == {"a": 2, "log": 1}
    clean(folder, removal)
    left = pq.read_table(pa.BufferReader(gzip.decompress((table / "a.parquet.gz").read_bytes())))
    assert left.to_pylist() == [{"who": "ann", "note": "a"}, {"who": "bo", "note": "like [withdrawn]"}]
    assert (table / "b.jsonl").read_bytes() == log.read_bytes() == b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "said",
    [unicodedata.normalize("NFD", "Zoë Müller"), "Zoë\u00a0Müller", "Zoë  Müller", "Zoë\\nMüller", "zoë\nmüller"],
)
def test_a_name_is_masked_however_its_letters_and_gaps_are_written(said):
    mask = Mask(("Zoë Müller",))
    assert mask.text(f"says {said}.") == "says [withdrawn]."
    cells, count = masked(pa.array([f"says {said}.", "nobody"]), mask)
    assert (cells.to_pylist(), count) == (["says [withdrawn].", "nobody"], 1)


def test_rows_of_a_version_go_although_a_later_one_renamed_the_column(folder):
    earlier = load_description(folder)
    columns = (folder / "tables" / "a" / "columns.yaml").read_text().replace("  who: {", "  name: {formerly: [who], ")
    (folder / "tables" / "a" / "columns.yaml").write_text(columns)
    versions = (
        PlannedVersion("d", "1", "c" * 40, "e" * 64, Removal(columns={"a": {"who": (PERSON,)}}), earlier),
        PlannedVersion("d", "2", "d" * 40, "f" * 64, Removal(), load_description(folder)),
    )
    plan = Plan("r", PERSON, "student", "", "", "", (PERSON,), versions)
    rows = pa.table({"name": [PERSON, "ann", "bo"], "note": ["", "", ""], "dataset_version": ["1", "1", "2"]})
    cleaned = Cleaning(plan, Mask((PERSON,))).of("silver.d_a")(rows)
    assert (cleaned.removed, sorted(cleaned.rows["name"].to_pylist())) == (1, ["ann", "bo"])
