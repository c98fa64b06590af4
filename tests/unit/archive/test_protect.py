import csv
import gzip
import json
import tempfile

import pyarrow as pa
import pytest
import yaml

from dagster_project.protecting import protect_path
from dagster_project.settings import load_settings
from lakehouse.archive.apart import Costs
from lakehouse.archive.privacy.apart import protect_in_child, suggest_in_child
from lakehouse.archive.privacy.json_lines import protected_statement
from lakehouse.archive.privacy.plan import Drop, Mask, Plan, as_yaml, read_plan
from lakehouse.archive.privacy.protect import protect
from lakehouse.archive.privacy.steps import Protector
from lakehouse.errors import ProtectionError, UnsafeArchiveError

DESCRIPTION = """\
eds_version: "1.0"
name: pupils
version: "1"
title: Pupils
description: Made-up pupils.
accumulates: snapshots
licence: CC0-1.0
provenance: {how_made: Made up}
"""
DICTIONARY = """\
description: Pupils.
grain: one row per pupil
primary_key: [pupil]
columns:
  pupil: {type: string, description: Number of the pupil, required: true}
  full_name: {type: string, description: Name}
  mail: {type: string, description: Address}
  born: {type: date, description: Date of birth}
  postcode: {type: string, description: Postcode}
  age: {type: integer, description: Age, unit: a, minimum: 0}
  note: {type: string, description: What teachers wrote}
"""
MARKS = """\
description: Marks.
grain: one row per mark
primary_key: [pupil]
columns:
  pupil: {type: string, description: Number of the pupil, references: pupils.pupil}
  mark: {type: integer, description: Mark}
"""
ROWS = [
    f"S{n},Zebedee Quagmire{n},zeb{n}@west-school.org,2009-03-{n:02d},SW1A {n % 3}AA,{14 + n % 3},"
    f'"See, zeb{n}@west-school.org"'
    for n in range(1, 21)
]
CANARIES = ("Quagmire", "@west-school.org", "2009-03", "SW1A")
PLAN = """\
protect: "1"
tables:
  pupils:
    pupil: {step: pseudonymise}
    full_name: {step: drop}
    mail: {step: mask}
    born: {step: generalise, to: year}
    postcode: {step: generalise, keep: 1}
    age: {step: generalise, width: 5}
    note: {step: redact}
  marks:
    pupil: {step: pseudonymise}
texts:
  letters: {step: redact}
"""


@pytest.fixture
def pupils(tmp_path):
    folder = tmp_path / "pupils"
    for table, dictionary in (("pupils", DICTIONARY), ("marks", MARKS)):
        (folder / "tables" / table).mkdir(parents=True)
        (folder / "tables" / table / "columns.yaml").write_text(dictionary)
    (folder / "dataset.yaml").write_text(DESCRIPTION)
    header = "pupil,full_name,mail,born,postcode,age,note"
    (folder / "tables/pupils/pupils.csv").write_text("\n".join([header, *ROWS]) + "\n")
    (folder / "tables/marks/marks.csv").write_text("pupil,mark\n" + "".join(f"S{n},{n % 6}\n" for n in range(1, 21)))
    letters = folder / "texts" / "letters"
    letters.mkdir(parents=True)
    (letters / "collection.yaml").write_text("title: Letters\ndescription: Made-up letters.\n")
    document = {"id": "a", "title": "Asking", "text": "Write to zeb1@west-school.org or call (212) 555-0123."}
    (letters / "letters.jsonl").write_text(json.dumps(document) + "\n")
    return folder


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def zstd_packed(body):
    return pa.Codec("zstd").compress(body, asbytes=True)


def zstd_unpacked(body):
    return pa.input_stream(pa.BufferReader(body), compression="zstd").read()


PROTECTOR = Protector(bytes(32))


def written(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_no_value_that_was_protected_stands_in_the_result(pupils, plan, tmp_path, judged):
    record = protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    for place, content in written(tmp_path / "out").items():
        for canary in CANARIES:
            assert canary.encode() not in content, place
    assert not any(canary in sentence for sentence in record.sentences() for canary in CANARIES)
    assert "pupils.mail: mask, 20 values" in record.sentences()
    made = yaml.safe_load((tmp_path / "out/dataset.yaml").read_text())["provenance"]["how_made"]
    assert made.startswith("Made up. Protected step by step: ")
    assert "pupils.full_name: drop, 20 values" in made
    report = judged(tmp_path / "out")
    assert [f.code for f in report.findings if f.level == "error"] == []


def test_what_a_killed_command_unpacked_goes_when_something_is_protected(pupils, plan, tmp_path, monkeypatch):
    from dagster_project.protecting import suggest_plan

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    left = tmp_path / "scratch/lakehouse-unpacked-killed_1"
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path / "home"), "LAKEHOUSE_STORAGE": "folder"})
    for verb in (lambda: suggest_plan(pupils), lambda: protect_path(settings, pupils, plan, tmp_path / "out")):
        left.mkdir(parents=True)
        (left / "names.csv").write_text("ann")
        verb()
        assert list((tmp_path / "scratch").iterdir()) == []


def test_the_command_says_what_was_changed_and_where_that_is_found_again(pupils, plan, tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path / "home"), "LAKEHOUSE_STORAGE": "folder"})
    told = protect_path(settings, pupils, plan, tmp_path / "out")
    assert "pupils.mail: mask, 20 values" in told
    assert told[-1].startswith(f"{tmp_path / 'out/dataset.yaml'} says so too, at provenance.how_made, and once it is")
    made = yaml.safe_load((tmp_path / "out/dataset.yaml").read_text())["provenance"]["how_made"]
    assert all(line in made for line in told[:-2])


def test_a_pseudonym_is_the_same_in_every_table_and_needs_the_key(pupils, plan, tmp_path):
    marks = pupils / "tables/marks/marks.csv"
    (pupils / "tables/marks/marks.csv.gz").write_bytes(gzip.compress(marks.read_bytes()))
    marks.unlink()
    protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    protect(pupils, read_plan(plan), tmp_path / "other", Protector(b"x" * 32))
    pupil_rows = (tmp_path / "out/tables/pupils/pupils.csv").read_text().splitlines()[1:]
    mark_rows = gzip.decompress((tmp_path / "out/tables/marks/marks.csv.gz").read_bytes()).decode().splitlines()[1:]
    assert [row.split(",")[0] for row in pupil_rows] == [row.split(",")[0] for row in mark_rows]
    assert len({row.split(",")[0] for row in pupil_rows}) == 20
    assert (
        written(tmp_path / "out")["tables/pupils/pupils.csv"] != written(tmp_path / "other")["tables/pupils/pupils.csv"]
    )


def test_doing_it_again_changes_nothing(pupils, plan, tmp_path):
    protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    before = written(tmp_path / "out")
    protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    assert written(tmp_path / "out") == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert PROTECTOR.pseudonym(PROTECTOR.pseudonym("S1")) == PROTECTOR.pseudonym("S1")


def test_another_folder_is_not_written_over(pupils, plan, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ProtectionError, match="holds something else"):
        protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    assert written(tmp_path / "out") == {}


def test_rows_that_few_share_lose_what_narrows_them_down(pupils, tmp_path):
    given = Plan.model_validate(
        {
            "protect": "1",
            "tables": {"pupils": {"postcode": {"step": "generalise", "keep": 6}}},
            "groups": {"pupils": {"columns": ["postcode", "age"], "least": 7}},
        }
    )
    record = protect(pupils, given, tmp_path / "out", PROTECTOR)
    rows = (tmp_path / "out/tables/pupils/pupils.csv").read_text().splitlines()[1:]
    kept = [row for row in rows if "SW1A" in row]
    assert (len(rows), len(kept)) == (20, 14)
    assert "pupils.age: suppress below 7, 6 values" in record.sentences()


def test_parquet_tables_are_protected_too(pupils, tmp_path):
    import pyarrow.parquet as pq

    (pupils / "tables/pupils/pupils.csv").unlink()
    pq.write_table(
        pa.table({"pupil": ["S1"], "mail": ["zeb1@west-school.org"]}), pupils / "tables/pupils/pupils.parquet"
    )
    given = Plan.model_validate({"protect": "1", "tables": {"pupils": {"mail": {"step": "mask"}}}})
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    assert pq.read_table(tmp_path / "out/tables/pupils/pupils.parquet").to_pylist() == [{"pupil": "S1", "mail": "***"}]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tables": {"nobody": {}}}, "a table 'nobody' that the dataset does not describe"),
        ({"texts": {"nobody": {"step": "redact"}}}, "a text collection 'nobody'"),
        ({"tables": {"pupils": {"nothing": {"step": "mask"}}}}, "pupils.nothing, which columns.yaml does not describe"),
        ({"tables": {"pupils": {"pupil": {"step": "mask"}}}}, "must take the same step on both"),
        ({"tables": {"marks": {"mark": {"step": "redact", "kinds": ["shoe"]}}}}, "which is no kind"),
        (
            {"tables": {"pupils": {"pupil": {"step": "mask"}}, "marks": {"pupil": {"step": "mask"}}}},
            "part of the primary key",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_said(pupils, tmp_path, changed, words):
    with pytest.raises(ProtectionError, match=words):
        protect(pupils, Plan.model_validate({"protect": "1", **changed}), tmp_path / "out", PROTECTOR)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("protect: [", "cannot be read"),
        ("protect: '2'", "protect"),
        ("protect: '1'\ntables: {a: {b: {step: burn}}}", "tables.a.b"),
        ("protect: '1'\ntables: {a: {b: {step: generalise}}}", "exactly one of"),
    ],
)
def test_a_plan_that_is_none_is_said(tmp_path, text, words):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ProtectionError, match=words):
        read_plan(tmp_path / "plan.yaml")
    with pytest.raises(ProtectionError, match="is no file"):
        read_plan(tmp_path / "none.yaml")


def test_a_broken_table_is_said_without_its_values(pupils, plan, tmp_path):
    file = pupils / "tables/pupils/pupils.csv"
    file.write_text(file.read_text() + "Quagmire,only two\n")
    with pytest.raises(ProtectionError, match="is no sound table") as caught:
        protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not (tmp_path / "out").exists()


def test_a_suggested_plan_makes_the_dataset_acceptable(pupils, tmp_path, judged):
    from dagster_project.protecting import suggest_plan

    text = suggest_plan(pupils)
    assert not any(canary in text for canary in CANARIES)
    assert not judged(pupils).accepted
    (tmp_path / "plan.yaml").write_text(text)
    given = read_plan(tmp_path / "plan.yaml")
    assert as_yaml(given) == text
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    report = judged(tmp_path / "out")
    assert [(f.code, f.message) for f in report.findings if f.level == "error"] == []


def test_codes_of_missing_values_stay(pupils, tmp_path):
    dictionary = (pupils / "tables/pupils/columns.yaml").read_text()
    coded = dictionary.replace("description: Address}", "description: Address, missing_codes: [refused]}")
    (pupils / "tables/pupils/columns.yaml").write_text(coded)
    path = pupils / "tables/pupils/pupils.csv"
    path.write_text(path.read_text().replace("zeb3@west-school.org,2009", "refused,2009"))
    given = Plan.model_validate({"protect": "1", "tables": {"pupils": {"mail": {"step": "pseudonymise"}}}})
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    rows = list(csv.DictReader((tmp_path / "out/tables/pupils/pupils.csv").read_text().splitlines()))
    assert [row["mail"] for row in rows if not row["mail"].startswith("p_")] == ["refused"]
    described = yaml.safe_load((tmp_path / "out/tables/pupils/columns.yaml").read_text())
    assert described["columns"]["mail"]["missing_codes"] == ["refused"]


def test_groups_of_an_empty_table_are_no_groups(pupils, tmp_path):
    path = pupils / "tables/pupils/pupils.csv"
    path.write_text(path.read_text().splitlines()[0] + "\nS1,,,,,,\n")
    given = Plan.model_validate({"protect": "1", "groups": {"pupils": {"columns": ["born", "postcode"], "least": 5}}})
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    (row,) = csv.reader((tmp_path / "out/tables/pupils/pupils.csv").read_text().splitlines()[1:])
    assert row == ["S1", *[""] * 6]


@pytest.mark.parametrize(
    ("ending", "pack", "unpack"),
    [("jsonl", bytes, bytes), ("jsonl.gz", gzip.compress, gzip.decompress),
     ("jsonl.zst", zstd_packed, zstd_unpacked)],
)  # fmt: skip
def test_json_lines_are_protected_as_other_tables_are(pupils, plan, tmp_path, ending, pack, unpack):
    path = pupils / "tables/pupils/pupils.csv"
    names = path.read_text().splitlines()[0].split(",")
    rows = [dict(zip(names, row.replace('"', "").split(",", 6), strict=True)) for row in ROWS]
    lines = [json.dumps({**row, "age": int(row["age"]), "mail": row["mail"] or None}) for row in rows]
    path.unlink()
    (pupils / f"tables/pupils/pupils.{ending}").write_bytes(pack("\n".join(lines).encode()))
    record = protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    text = unpack((tmp_path / f"out/tables/pupils/pupils.{ending}").read_bytes()).decode()
    assert not any(canary in text for canary in CANARIES)
    first = json.loads(text.splitlines()[0])
    assert (first["age"], first["born"], first["mail"]) == ("15-19", 2009, "***")
    assert first["pupil"] == PROTECTOR.pseudonym("S1")
    assert "full_name" not in first
    assert "pupils.mail: mask, 20 values" in record.sentences()


def test_rows_of_json_lines_that_few_share_lose_what_narrows_them_down(pupils, tmp_path):
    path = pupils / "tables/pupils/pupils.csv"
    path.unlink()
    rows = [{"pupil": f"S{n}", "born": "2009-01-01" if n else "2001-01-01", "age": 9} for n in range(6)]
    path.with_name("pupils.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = Plan.model_validate({"protect": "1", "groups": {"pupils": {"columns": ["born"], "least": 5}}})
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    written_rows = [json.loads(x) for x in (tmp_path / "out/tables/pupils/pupils.jsonl").read_text().splitlines()]
    assert [row["born"] for row in written_rows] == [None] + ["2009-01-01"] * 5


def test_a_line_that_is_no_object_is_named_without_its_words(pupils, plan, tmp_path):
    path = pupils / "tables/pupils/pupils.csv"
    path.unlink()
    path.with_name("pupils.jsonl").write_text('{"pupil": "S1"}\n["Quagmire"]\n')
    with pytest.raises(ProtectionError, match=r"pupils\.jsonl:2 is no JSON object") as told:
        protect(pupils, read_plan(plan), tmp_path / "out", PROTECTOR)
    assert "Quagmire" not in str(told.value)


STATEMENT = {
    "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
    "actor": {"objectType": "Agent", "name": "Zebedee Quagmire", "mbox": "mailto:Zeb1@west-school.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
    "object": {"id": "http://west-school.org/quiz/1", "objectType": "Activity"},
    "context": {"instructor": {"account": {"homePage": "http://moodle.west-school.org", "name": "zquagmire"}}},
    "result": {
        "response": "mail zeb1@west-school.org",
        "score": {"raw": 7},
        "extensions": {"http://west-school.org/phone": 2125550123, "phone": 2125550124},
    },
    "timestamp": "2020-01-01T00:00:00Z",
}


def test_people_in_event_logs_get_pseudonyms_and_their_words_and_numbers_are_masked(pupils, tmp_path):
    log = pupils / "events" / "clicks"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text('title: Clicks\ndescription: Made-up statements.\nxapi_version: "1.0.3"\n')
    (log / "clicks.jsonl.gz").write_bytes(gzip.compress((json.dumps(STATEMENT) + "\n").encode()))
    steps = {"actor": {"step": "pseudonymise"}, "*": {"step": "redact"}}
    given = Plan.model_validate({"protect": "1", "events": {"clicks": steps}})
    record = protect(pupils, given, tmp_path / "out", PROTECTOR)
    text = gzip.decompress((tmp_path / "out/events/clicks/clicks.jsonl.gz").read_bytes()).decode()
    for canary in ("Quagmire", "quagmire", "@west-school.org", "2125550124"):
        assert canary not in text
    statement = json.loads(text)
    assert statement["actor"]["account"]["name"] == PROTECTOR.pseudonym("zeb1@west-school.org")
    assert statement["result"]["score"] == {"raw": 7}
    assert statement["timestamp"] == STATEMENT["timestamp"]
    assert "events/clicks.actor: pseudonymise, 1 values" in record.sentences()


def test_one_part_of_the_statements_is_masked_or_dropped():
    steps = {"result.response": Mask(step="mask"), "context": Drop(step="drop")}
    changed, counts = protected_statement(json.loads(json.dumps(STATEMENT)), steps, PROTECTOR)
    assert changed["result"]["response"] == "***"
    assert "context" not in changed
    assert changed["actor"] == STATEMENT["actor"]
    assert counts == {"result.response": 1, "context": 1}


def test_titles_and_numbers_of_documents_are_masked_too(pupils, tmp_path):
    path = pupils / "texts/letters/letters.jsonl"
    document = {"id": "a", "title": "From zeb1@west-school.org", "text": "Hello.", "phone": 2125550123, "year": 2020}
    path.write_text(json.dumps(document) + "\n")
    given = Plan.model_validate({"protect": "1", "texts": {"letters": {"step": "redact"}}})
    protect(pupils, given, tmp_path / "out", PROTECTOR)
    written_one = json.loads((tmp_path / "out/texts/letters/letters.jsonl").read_text())
    assert written_one == {**document, "title": "From <email>", "phone": "<phone>"}


def test_a_child_writes_the_same_and_what_is_there_already_is_compared(pupils, plan, tmp_path):
    steps = read_plan(plan)
    record = protect_in_child(pupils, steps, tmp_path / "far" / "out", PROTECTOR)
    assert record == protect(pupils, steps, tmp_path / "near", PROTECTOR)
    assert written(tmp_path / "far" / "out") == written(tmp_path / "near")
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["out"]
    (tmp_path / "near" / "more.txt").write_text("x")
    with pytest.raises(ProtectionError, match="holds something else"):
        protect_in_child(pupils, steps, tmp_path / "near", PROTECTOR)


def test_files_that_cost_too_much_end_the_child(pupils, plan, tmp_path):
    costs = Costs(wall_seconds=0.001)
    with pytest.raises(UnsafeArchiveError, match=r"protecting .* took more than 0\.001 s; split it"):
        protect_in_child(pupils, read_plan(plan), tmp_path / "out", PROTECTOR, costs)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UnsafeArchiveError, match=r"looking for personal data in .* took more than 0\.001 s"):
        suggest_in_child(pupils, costs)
