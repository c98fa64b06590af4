"""Hostile statements, and statements that nobody waits for any more."""

import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from tests.waiting import wait_until

BIG = "lakehouse.gold.documents"
HOSTILE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_parquet('s3://icewh/x')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM \"data.csv\"",
    "SELECT * FROM glob('/*')",
    "SELECT read_text('/etc/passwd')",
    "SELECT \"read_text\"('/etc/passwd')",
    "SELECT main.getenv('HOME')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_version()",
    "SELECT * FROM iceberg_scan('/tmp')",
    "SELECT * FROM pins.t_0",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.character_sets",
    "SELECT * FROM range(10)",
    "SELECT * FROM TABLE(range(10))",
    "SELECT * FROM UNNEST([1, 2])",
    "SELECT * FROM query('select 1')",
    "SELECT * FROM query_table('t')",
    "SELECT nextval('x')",
    "SELECT error('x')",
    "SELECT pg_sleep(10)",
    "SELECT COLUMNS('.*') FROM lakehouse.gold.documents",
    "SELECT 1; DROP TABLE lakehouse.gold.documents",
    "SELECT 1; SELECT 2",
    "DROP TABLE lakehouse.gold.documents",
    "DELETE FROM lakehouse.gold.documents",
    "INSERT INTO lakehouse.gold.documents VALUES (1)",
    "UPDATE lakehouse.gold.documents SET title = 'x'",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "ALTER TABLE lakehouse.gold.documents ADD COLUMN x INT",
    "COPY lakehouse.gold.documents TO '/tmp/stolen.csv'",
    "EXPORT DATABASE '/tmp/stolen'",
    "ATTACH '/tmp/x.db' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "EXECUTE x",
    "PREPARE x AS SELECT 1",
    "BEGIN",
    "VACUUM",
    "CHECKPOINT",
    "EXPLAIN PLAN FOR SELECT 1",
    "SHOW FUNCTIONS",
    "DESCRIBE SELECT 1",
    "DESCRIBE \"/etc/passwd\"",
    "USE main",
    "SELECT * INTO x FROM lakehouse.gold.documents",
    "WITH x AS (DELETE FROM lakehouse.gold.documents RETURNING *) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT * FROM x",
    "SELECT * FROM lakehouse.gold.documents TABLESAMPLE (10 PERCENT)",
    "SELECT * FROM lakehouse.gold.documents AT SNAPSHOT '1'",
    "SELECT * FROM lakehouse.gold.documents FOR UPDATE",
    "SELECT (SELECT read_text('/etc/passwd'))",
    "SELECT CASE WHEN TRUE THEN getenv('HOME') END",
    "SELECT 1 ORDER BY getenv('HOME')",
    "SELECT 1 LIMIT (SELECT 1)",
    "SELECT $1",
    "SELECT ?",
    "FROM lakehouse.gold.documents SELECT getenv('x')",
    "PIVOT lakehouse.gold.documents ON split",
    "",
    ";",
    "'",
    "SELECT '",
    "SELECT \x00",
    "SELECT " + "(" * 500 + "1" + ")" * 500,
    "SELECT " + "-" * 1 + " + ".join(["1"] * 60_000),
    "SELECT '" + "x" * 1_100_000 + "'",
]  # fmt: skip


@pytest.mark.parametrize("sql", HOSTILE, ids=[f"{number}-{sql[:40]!r}" for number, sql in enumerate(HOSTILE)])
def test_a_hostile_statement_is_refused_and_the_server_lives(client, sql):
    with pytest.raises((pa.ArrowInvalid, flight.FlightError)) as caught:
        client.fetch(sql)
    text = str(caught.value)
    assert isinstance(caught.value, pa.ArrowInvalid), text
    assert "Traceback" not in text
    assert ".py" not in text
    assert "root:" not in text
    assert client.values("SELECT 1") == [(1,)]


SIX = " CROSS JOIN ".join(f"{BIG} d{number}" for number in range(6))
ENDLESS = f"SELECT COUNT(*) FROM {SIX} WHERE d0.byte_count + d1.byte_count + d2.byte_count <> d5.byte_count"
MANY_ROWS = f"SELECT a.* FROM {BIG} a CROSS JOIN {BIG} b CROSS JOIN {BIG} c CROSS JOIN {BIG} d"


@pytest.fixture
def running(server):
    return lambda: server.running


def test_a_statement_that_takes_too_long_is_stopped(lake, new_client, own_server):
    server = own_server(statement_seconds=0.5)
    client = new_client(uri=server.uri)
    started = time.monotonic()
    with pytest.raises(flight.FlightTimedOutError, match=r"longer than 0\.5 seconds"):
        client.fetch(ENDLESS)
    assert time.monotonic() - started < 5
    wait_until(lambda: not server.running, seconds=10)
    assert client.values("SELECT 1") == [(1,)]


def test_an_abandoned_stream_is_interrupted(client, running):
    stream = client.stream(MANY_ROWS)
    stream.read_chunk()
    assert running()
    stream.cancel()
    wait_until(lambda: not running(), seconds=10)


def test_a_cancelled_statement_without_rows_is_interrupted(client, running):
    stream = client.stream(ENDLESS)
    wait_until(running, seconds=10)
    stream.cancel()
    wait_until(lambda: not running(), seconds=10)


def test_too_many_statements_at_once_are_told_to_come_again(new_client, own_server):
    server = own_server(concurrent_statements=1, queue_seconds=0.2)
    first, second = new_client(uri=server.uri), new_client(uri=server.uri)
    stream = first.stream(MANY_ROWS)
    stream.read_chunk()
    with pytest.raises(flight.FlightUnavailableError, match="try again later"):
        second.fetch("SELECT COUNT(*) FROM " + BIG)
    stream.cancel()
    wait_until(lambda: not server.running, seconds=10)
    assert second.values("SELECT 1") == [(1,)]


def test_a_statement_that_needs_too_much_memory_is_refused(new_client, own_server):
    server = own_server(memory_limit="60MB")
    client = new_client(uri=server.uri)
    tables = " CROSS JOIN ".join(f"{BIG} d{number}" for number in range(4))
    with pytest.raises(flight.FlightUnavailableError, match="more memory"):
        client.fetch(f"SELECT LISTAGG(d0.text || d1.text || d2.text, ',') FROM {tables}")
    assert client.values("SELECT 1") == [(1,)]


def test_many_clients_at_once_get_their_own_answers(new_client):
    clients = [new_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: clients[n % 4].values(f"SELECT COUNT(*) + {n} FROM {BIG}"), range(40)))
    assert answers == [[(40 + n,)] for n in range(40)]
