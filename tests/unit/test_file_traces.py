"""Another program's SQLite database, while that program runs: the person is masked, and nothing else is harmed."""

import json
import sqlite3

import pytest

from lakehouse.adapters import traces
from lakehouse.adapters.traces import FileTraces
from lakehouse.errors import ServiceUnavailableError
from lakehouse.masking import Mask

PERSON = "ZQX7731PLANTED"
MASK = Mask((PERSON,))


def database(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table logs (id integer primary key, said json, words text)")
    connection.execute("insert into logs values (1, ?, ?)", (json.dumps({"who": PERSON}), f"hello {PERSON}"))
    return connection


def test_texts_and_json_are_masked_and_the_log_of_changes_is_emptied(tmp_path):
    connection = database(tmp_path / "superset.db")
    assert PERSON.encode() in (tmp_path / "superset.db-wal").read_bytes()
    assert FileTraces(tmp_path).clear(MASK).changed == {"superset.db": 1}
    assert connection.execute("select said, words from logs").fetchall() == [
        ('{"who": "[withdrawn]"}', "hello [withdrawn]")
    ]
    assert all(PERSON.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    connection.close()


def test_what_sqlalchemy_does_not_know_of_a_database_is_cleared_without_a_warning(tmp_path):
    connection = database(tmp_path / "dagster.db")
    connection.execute("create table tags (tag string, size integer, at datetime, note text(1, 2))")
    connection.execute("insert into tags values (?, 7, '2026-01-01 10:00:00', '')", (f"of {PERSON}",))
    connection.execute("create index by_length on logs (length(words))")
    assert FileTraces(tmp_path).clear(MASK).changed == {"dagster.db": 2}  # warnings are errors here
    assert connection.execute("select * from tags").fetchall() == [("of [withdrawn]", 7, "2026-01-01 10:00:00", "")]
    connection.close()


def test_a_log_that_somebody_reads_is_not_touched_and_the_next_call_empties_it(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "WAIT_SECONDS", 0.1)
    writer = database(tmp_path / "superset.db")
    reader = sqlite3.connect(tmp_path / "superset.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select * from logs").fetchall()
    with pytest.raises(ServiceUnavailableError, match="its log of changes is still read"):
        FileTraces(tmp_path).clear(MASK)
    writer.execute("insert into logs (words) values ('later')")
    reader.execute("commit")
    FileTraces(tmp_path).clear(MASK)
    assert writer.execute("select words from logs").fetchall() == [("hello [withdrawn]",), ("later",)]
    assert all(PERSON.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    writer.close()
    reader.close()


def test_rows_that_were_deleted_leave_no_page_in_which_cells_stand_side_by_side(tmp_path):
    address = "anna.schmidt@example.org"
    connection = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    connection.execute("pragma secure_delete = off")
    connection.execute("create table people (id integer primary key, name text, mail text, town text)")
    rows = [("user", address, "berlin")] * 50
    connection.executemany("insert into people (name, mail, town) values (?, ?, ?)", rows)
    connection.execute("delete from people")
    connection.close()
    assert f"user{address}berlin".encode() in (tmp_path / "runs.db").read_bytes()
    FileTraces(tmp_path).clear(Mask((address,)))
    assert address.encode() not in (tmp_path / "runs.db").read_bytes()


def test_a_file_of_settings_is_told_and_not_changed(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"users:\n  {PERSON}: {{}}\n")
    cleared = FileTraces(tmp_path, owned=[policy], told=[policy]).clear(MASK)
    assert policy.read_text() == f"users:\n  {PERSON}: {{}}\n"
    assert list(cleared.skipped) == ["policy.yaml"]
    policy.write_text("users: {}\n")
    assert not FileTraces(tmp_path, owned=[policy], told=[policy]).clear(MASK).skipped
