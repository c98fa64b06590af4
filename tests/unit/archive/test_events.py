"""Event logs of a submission: what is found in them, with their lines, and the rows they become."""

import gzip
import json
import uuid
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import zstandard

from lakehouse.archive.eds import load_description
from lakehouse.archive.event_contents import EventContent, EventFile
from lakehouse.archive.event_fields import moment_at
from lakehouse.archive.event_files import BATCH_LINES, LONGEST_LINE_BYTES
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.errors import SchemaError
from lakehouse.ports import DatasetVersion
from tests.kept_rows import kept

LOG = 'title: Answers\ndescription: Answers of pupils.\nxapi_version: "1.0.3"\n'
SUBJECTS = "subjects:\n  pupil: {description: A pupil., identifiers: [events/answers.actor]}\n"


def statement(number, **parts):
    return {
        "id": str(uuid.UUID(int=number + 1)),
        "actor": {"account": {"homePage": "https://school.example.org", "name": f"p{number % 7}"}},
        "verb": {"id": "https://example.org/verbs/answered"},
        "object": {"id": f"https://example.org/tasks/{number % 3}"},
        "timestamp": "2024-01-31T09:00:00+01:00",
        "result": {"score": {"scaled": 0.5, "raw": 5}, "success": True, "response": "7"},
        **parts,
    }


def lines(statements):
    return "".join(json.dumps(one) + "\n" for one in statements).encode()


@pytest.fixture
def log(dataset):
    folder = dataset / "events" / "answers"
    folder.mkdir(parents=True)
    (folder / "log.yaml").write_text(LOG, encoding="utf-8")
    with (dataset / "dataset.yaml").open("a", encoding="utf-8") as stream:
        stream.write(SUBJECTS)
    return folder


@pytest.fixture
def version():
    return DatasetVersion("lessons", "1", "a" * 40, "v1", "b" * 64, datetime(2024, 2, 1, tzinfo=UTC))


def _found(report):
    return {(finding.code, finding.place, finding.occurrences, finding.first_row) for finding in report.findings}


def _codes(report):
    return {f.code for f in report.findings if f.code.startswith(("STATEMENT", "LOG", "PERSONAL", "ACTORS", "FILE"))}


def test_a_good_log_is_accepted_and_counted(dataset, log, judged):
    (log / "a.jsonl").write_bytes(lines(statement(n) for n in range(20)) + b"\n")
    (log / "b.jsonl.gz").write_bytes(gzip.compress(lines(statement(n) for n in range(20, 30))))
    (log / "c.jsonl.zst").write_bytes(zstandard.compress(lines(statement(n) for n in range(30, 35))))
    report = judged(dataset)
    assert report.accepted
    assert _codes(report) == set()
    assert report.table_rows["answers"] == 35


def test_every_bad_statement_is_told_with_its_line_and_requirement(dataset, log, judged):
    bad = statement(1, verb={"id": "answered"})
    (log / "a.jsonl").write_bytes(lines([statement(0), bad]) + b"{\n\xff\n" + lines([statement(4, result=None)]))
    report = judged(dataset)
    told = [(f.place, f.first_row, f.message) for f in report.findings if f.code == "STATEMENT_INVALID"]
    assert [(place, row) for place, row, _ in told] == [
        ("events/answers/a.jsonl: line 2", 2),
        ("events/answers/a.jsonl: line 3", 3),
        ("events/answers/a.jsonl: line 4", 4),
        ("events/answers/a.jsonl: line 5", 5),
    ]
    assert told[0][2].startswith("The statement in row 2 breaks XAPI-00007: verb.id must be an IRI")
    assert "is not JSON" in told[1][2]
    assert "is not UTF-8" in told[2][2]
    assert "XAPI-00001" in told[3][2]
    assert report.table_rows["answers"] == 1


def test_a_statement_with_a_key_twice_is_refused_for_the_first_would_never_be_searched(dataset, log, judged):
    once = lines([statement(0)])
    (log / "a.jsonl").write_bytes(once.replace(b"{", b'{"id": "ann@school.org", ', 1))
    (told,) = [f.message for f in judged(dataset).findings if f.code == "STATEMENT_INVALID"]
    assert "a key that comes twice" in told
    assert "ann@" not in told


def test_many_bad_statements_are_told_up_to_a_hundred_and_counted(dataset, log, judged):
    total = BATCH_LINES + 50
    (log / "a.jsonl").write_bytes(b'{"actor": 1}\n' * total)
    report = judged(dataset)
    assert sum(finding.code == "STATEMENT_INVALID" for finding in report.findings) == 100
    assert ("STATEMENTS_INVALID_MORE", "events/answers", total - 100, None) in _found(report)


def test_ids_that_repeat_or_are_missing_and_missing_times_are_counted(dataset, log, judged):
    bare = statement(3)
    del bare["id"], bare["timestamp"]
    upper = statement(11) | {"id": statement(11)["id"].upper()}
    (log / "a.jsonl").write_bytes(lines([statement(11), upper, bare, bare]))
    found = _found(judged(dataset))
    place = "events/answers/a.jsonl"
    assert ("STATEMENT_ID_REPEATS", place, 1, 2) in found
    assert ("STATEMENT_ID_MISSING", place, 2, 3) in found
    assert ("STATEMENT_TIME_MISSING", place, 2, 3) in found


def test_a_log_without_statements_a_description_or_readable_bytes_is_refused(dataset, log, judged):
    (log / "a.jsonl").write_bytes(b"\n")
    assert _codes(judged(dataset)) == {"LOG_EMPTY"}
    (log / "a.jsonl").unlink()
    (log / "a.jsonl.gz").write_bytes(gzip.compress(lines([statement(0)]))[:-9])
    assert _codes(judged(dataset)) == {"LOG_NOT_UNPACKED"}
    (log / "log.yaml").unlink()
    assert _codes(judged(dataset)) == {"LOG_DESCRIPTION_MISSING"}


def test_an_empty_file_and_an_endless_line_are_refused(dataset, log, judged):
    (log / "empty.jsonl").write_bytes(b"")
    (log / "long.jsonl").write_bytes(b'"' + b"x" * (LONGEST_LINE_BYTES * 3) + b"\n" + lines([statement(0)]))
    report = judged(dataset)
    assert _codes(report) == {"FILE_EMPTY", "STATEMENT_INVALID"}
    assert report.table_rows["answers"] == 1


def test_persons_named_by_mail_address_are_refused_and_not_shown(dataset, log, judged):
    actors = [{"mbox": f"mailto:erika.mustermann{n}@realschool.de", "name": "Erika Mustermann"} for n in range(30)]
    (log / "a.jsonl").write_bytes(lines(statement(n, actor=actor) for n, actor in enumerate(actors)))
    report = judged(dataset)
    told = [f for f in report.findings if f.code == "PERSONAL_ACTOR"]
    assert "events/answers: mbox" in [finding.place for finding in told]
    assert not report.accepted
    assert "erika" not in report.to_json().lower()


SPOKEN_OF = "kid{}@west-school.net"


@pytest.mark.parametrize(
    "more",
    [
        {"context": {"extensions": {"http://x.org/sent-to": [{"to": SPOKEN_OF}]}}},
        {"result": {"extensions": {"http://x.org/note": f"ask {SPOKEN_OF}"}}},
        {"object": {"id": "http://x.org/1", "definition": {"name": {"en": f"Page of {SPOKEN_OF}"}}}},
        {"object": {"id": f"http://x.org/?of={SPOKEN_OF}"}},
        {"context": {"extensions": {"http://x.org/read-by": {SPOKEN_OF: 1}}}},
        {"verb": {"id": "http://x.org/asked", "display": {"en": f"asked {SPOKEN_OF}"}}},
    ],
)
def test_persons_are_found_wherever_a_statement_names_them(dataset, log, judged, more):
    some = [statement(n, **json.loads(json.dumps(more).replace("{}", str(n)))) for n in range(30)]
    (log / "a.jsonl").write_bytes(lines(some))
    report = judged(dataset)
    (told,) = [f for f in report.findings if f.code == "PERSONAL_ACTOR"]
    assert (told.place, told.occurrences) == ("events/answers: other parts", 30)


@pytest.mark.parametrize(
    ("kind", "told"), [("phone", "+49 170 55{:05}"), ("national_id", "AB{:06}C"), ("person_name", "Anna Garcia")]
)
def test_what_else_statements_say_does_not_thin_out_whom_they_name(tmp_path, kind, told):
    choices = [{"id": str(n), "description": {"en": "perhaps"}} for n in range(12)]
    task = {"id": "http://x.org/1", "definition": {"interactionType": "choice", "choices": choices}}
    some = [statement(n, object=task, context={"extensions": {"http://x.org/p": told.format(n)}}) for n in range(600)]
    (tmp_path / "a.jsonl").write_bytes(lines(some))
    seen = EventContent("answers", None, (EventFile("a.jsonl", tmp_path / "a.jsonl"),), "1.0.3").seen
    (found,) = [one for part, one in seen.suspicions if part == "other parts" and one.kind == kind]
    assert found.personal
    assert 300 <= found.count <= 600


def test_persons_whom_one_statement_names_often_are_one_statement(tmp_path):
    read_by = {f"kid{n}@west-school.net": 1 for n in range(50)}
    some = [
        statement(n, context={"extensions": {"http://x.org/p": read_by}}) if n == 7 else statement(n) for n in range(20)
    ]
    (tmp_path / "a.jsonl").write_bytes(lines(some))
    seen = EventContent("answers", None, (EventFile("a.jsonl", tmp_path / "a.jsonl"),), "1.0.3").seen
    (found,) = [one for part, one in seen.suspicions if one.kind == "email"]
    assert (found.count, found.share, found.rows[0]) == (1, 0.05, 7)


def test_an_account_that_is_a_number_is_none_at_a_bank(dataset, log, judged):
    actors = [{"account": {"homePage": "https://x.org", "name": str(28_400_000 + n)}} for n in range(30)]
    (log / "a.jsonl").write_bytes(lines(statement(n, actor=actor) for n, actor in enumerate(actors)))
    assert judged(dataset).accepted


def test_a_log_whose_actors_nobody_could_withdraw_from_is_told(dataset, log, judged):
    text = (dataset / "dataset.yaml").read_text(encoding="utf-8").replace(SUBJECTS, "")
    (dataset / "dataset.yaml").write_text(text, encoding="utf-8")
    (log / "a.jsonl").write_bytes(lines([statement(0)]))
    report = judged(dataset)
    assert report.accepted
    assert _codes(report) == {"ACTORS_UNDECLARED"}


def test_a_log_and_a_table_may_not_share_a_name(dataset, log, judged):
    log.rename(dataset / "events" / "rooms")
    (dataset / "events" / "rooms" / "a.jsonl").write_bytes(lines([statement(0)]))
    assert ("NAME_TAKEN_TWICE", "events/rooms", 1, None) in _found(judged(dataset))


def _tables(writes):
    return {write.table.name: write for write in writes}


def test_a_log_becomes_rows_of_bronze_and_silver(dataset, log, version):
    group = {"objectType": "Group", "member": [{"mbox": "mailto:a@example.org"}]}
    bare = statement(2, actor=group, object={"objectType": "StatementRef", "id": str(uuid.UUID(int=9))})
    del bare["id"], bare["result"], bare["timestamp"]
    (log / "a.jsonl").write_bytes(lines([statement(0), bare]))
    description = load_description(dataset)
    bronze = _tables(bronze_writes(dataset, description, version, kept))["bronze.lessons_answers"]
    assert [json.loads(text) for text in bronze.rows["statement"].to_pylist()] == [statement(0), bare]
    assert bronze.rows["_row_number"].to_pylist() == [1, 2]
    silver = _tables(silver_writes(dataset, description, version, kept))["silver.lessons_answers"]
    assert silver.table.key == ("statement_id", "dataset_version")
    first, second = silver.rows.to_pylist()
    assert (first["actor"], first["actor_home"], first["score_scaled"], first["success"], first["response"]) == (
        "p0",
        "https://school.example.org",
        0.5,
        True,
        "7",
    )
    assert first["happened_at"].isoformat() == "2024-01-31T08:00:00+00:00"
    assert (second["actor"], second["actor_kind"], second["object_type"]) == (None, "group", "StatementRef")
    assert uuid.UUID(second["statement_id"])
    assert silver.rows.schema.field("happened_at").type == pa.timestamp("us", tz="UTC")


def test_documents_and_statements_are_sifted_by_their_place_in_bronze(dataset, log, version):
    (log / "a.jsonl").write_bytes(lines([statement(0), statement(1)]))
    seen = {}

    def second_rows(table, placed):
        for rows, places in placed:
            seen[table.name] = places.to_pylist()
            yield rows.slice(1)

    silver = _tables(silver_writes(dataset, load_description(dataset), version, kept, second_rows))
    assert silver["silver.lessons_sheets"].rows["document_id"].to_pylist() == ["b"]
    assert silver["silver.lessons_answers"].rows["actor"].to_pylist() == ["p1"]
    assert "_row_number" not in silver["silver.lessons_answers"].rows.column_names
    for name, file in {"sheets": "texts/sheets/documents.jsonl", "answers": "events/answers/a.jsonl"}.items():
        assert seen[f"silver.lessons_{name}"] == [{"_source_file": file, "_row_number": row} for row in (1, 2)]


def test_the_rows_of_a_bad_log_are_refused(dataset, log, version):
    (log / "a.jsonl").write_bytes(b"{}\n")
    with pytest.raises(SchemaError, match="line 1 is no statement; validate"):
        bronze_writes(dataset, load_description(dataset), version, kept)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("20240131T0800Z", "2024-01-31T08:00:00+00:00"),
        ("2024-01-31T08:00:00,5", "2024-01-31T08:00:00.500000+00:00"),
        ("2024-01-31t08:00:00z", "2024-01-31T08:00:00+00:00"),
        ("2024-06-30T23:59:60Z", "2024-06-30T23:59:59+00:00"),
        ("2024-01-31", "2024-01-31T00:00:00+00:00"),
    ],
)
def test_every_accepted_way_to_write_a_moment_is_read(written, told):
    assert moment_at({"timestamp": written}, "timestamp").isoformat() == told
