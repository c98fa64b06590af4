"""Another program's database in PostgreSQL: the person is masked in every text, and deleted rows leave its files."""

import psycopg
import pytest

from lakehouse.adapters.traces import DatabaseTraces, FileTraces
from lakehouse.errors import ServiceUnavailableError
from lakehouse.masking import Mask

pytestmark = pytest.mark.servers

PERSON, OTHER = "ZQX7731PLANTED", "AAA1111OTHER"
MASK = Mask((PERSON,))


@pytest.fixture
def asked(postgres):
    """A database of its own, as a connection to it."""
    with psycopg.connect(postgres.uri, password=postgres.password, autocommit=True) as server:
        server.execute("drop database if exists pages with (force)")
        server.execute("create database pages")
    address = postgres.uri.replace("/postgres", "/pages")
    with psycopg.connect(address, password=postgres.password, autocommit=True) as connection:
        connection.execute("create table events (id int primary key, said text, at timestamp, body bytea)")
        yield connection


@pytest.fixture
def traces(postgres, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text(f"*:*:*:*:{postgres.password}\n")
    passwords.chmod(0o600)
    address = postgres.uri.replace("/postgres", "/pages").replace("postgresql:", "postgresql+psycopg2:")
    return DatabaseTraces("the pages' database", f"{address}?passfile={passwords}")


def put(connection, number, said, body=b""):
    connection.execute("insert into events values (%s, %s, now(), %s)", (number, said, body))


def test_the_person_is_masked_in_texts_in_json_and_in_bytes_and_nobody_else(asked, traces):
    put(asked, 1, f"hello {PERSON}", f"bytes of {PERSON}".encode())
    put(asked, 2, f'{{"rows": [["{PERSON}", 3], ["{OTHER}", 4]]}}')
    put(asked, 3, f"hello {OTHER}")
    assert traces.clear(MASK) == {"events": 2}
    rows = asked.execute("select said, body from events order by id").fetchall()
    assert [said for said, _ in rows] == [
        "hello [withdrawn]",
        f'{{"rows": [["[withdrawn]", 3], ["{OTHER}", 4]]}}',
        f"hello {OTHER}",
    ]
    assert rows[0][1] == b"bytes of " + b"#" * len(PERSON)
    assert traces.clear(MASK) == {}


def test_the_person_is_masked_in_json_columns_and_in_lists(asked, traces):
    asked.execute("create table logs (id int primary key, said json, more jsonb, words text[])")
    said = f'{{"rows": [["{PERSON}", 3]]}}'
    asked.execute("insert into logs values (1, %s, %s, %s)", (said, said, [f"hello {PERSON}", OTHER]))
    assert traces.clear(MASK) == {"logs": 1}
    masked = {"rows": [["[withdrawn]", 3]]}
    assert asked.execute("select said, more, words from logs").fetchone() == (
        masked,
        masked,
        ["hello [withdrawn]", OTHER],
    )


def test_rows_that_were_deleted_or_changed_are_in_no_file_of_the_database(asked, traces, postgres):
    put(asked, 1, f"first {PERSON}")
    put(asked, 2, f"second {PERSON}")
    asked.execute("checkpoint")
    asked.execute("delete from events where id = 2")
    assert holding(postgres) != []
    traces.clear(MASK)
    asked.execute("checkpoint")  # files that are no longer anybody's go then
    assert holding(postgres) == []


def test_the_statistics_of_the_database_forget_the_person_too(asked, traces, postgres):
    asked.execute("alter table events set (autovacuum_enabled = false)")
    for number in range(60):
        put(asked, number, f"hello {PERSON if number % 3 == 0 else OTHER}")
    asked.execute("analyze")
    assert PERSON in common_values(asked)
    assert traces.clear(MASK) == {"events": 20}
    asked.execute("checkpoint")
    assert PERSON not in common_values(asked)
    assert "[withdrawn]" in common_values(asked)
    assert holding(postgres) == []


def test_statistics_of_a_table_whose_rows_were_all_deleted_forget_the_person(asked, traces, postgres):
    asked.execute("alter table events set (autovacuum_enabled = false)")
    for number in range(60):
        put(asked, number, f"hello {PERSON if number % 3 == 0 else OTHER}")
    asked.execute("analyze")
    assert PERSON in common_values(asked)
    asked.execute("delete from events")
    traces.clear(MASK)
    asked.execute("checkpoint")
    assert asked.execute("select from pg_stats where tablename = 'events' and attname = 'said'").fetchall() == []
    assert holding(postgres) == []


def common_values(connection):
    asked = "select most_common_vals::text from pg_stats where tablename = 'events' and attname = 'said'"
    return connection.execute(asked).fetchone()[0]


def holding(postgres):
    files = (path for path in (postgres.folder / "data" / "base").rglob("*") if path.is_file())
    return [path for path in files if PERSON.encode() in path.read_bytes()]


def test_a_row_that_somebody_changes_meanwhile_is_found_too(asked, traces, monkeypatch):
    put(asked, 1, f"old {PERSON}")
    text, changes = Mask.text, [1]

    def slow(self, value):
        if changes:
            changes.pop()
            asked.execute("update events set said = said || ' and new'")
        return text(self, value)

    monkeypatch.setattr(Mask, "text", slow)
    traces.clear(MASK)
    assert asked.execute("select said from events").fetchall() == [("old [withdrawn] and new",)]


def test_files_and_databases_are_told_together(asked, traces, tmp_path):
    put(asked, 1, PERSON)
    home = tmp_path / "home"
    home.mkdir()
    (home / "server.log").write_text(f"asked by {PERSON}\n")
    cleared = FileTraces(home, databases=[traces]).clear(MASK)
    assert cleared.changed == {"server.log": 1, "the pages' database events": 1}
    (unsearched,) = cleared.unsearched
    assert unsearched.startswith("the pages' database: PostgreSQL's log of changes (WAL), its replicas and backups")


def test_a_database_that_is_away_ends_the_withdrawal_with_what_to_do():
    away = DatabaseTraces("the pages' database", "postgresql+psycopg2://lake@127.0.0.1:1/pages")
    with pytest.raises(ServiceUnavailableError, match=r"the pages' database is away .* withdraw again"):
        away.clear(MASK)
