"""Clients other people wrote, unchanged: the endpoint must be a Dremio to them."""

import json
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.adapters import dremio
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.errors import LoginError, PermanentError, QueryError, ServiceUnavailableError

USER, PASSWORD = "ada", "correct horse battery 1"
PROJECT = Path(__file__).parents[3]
SUPERSET_PYTHON = PROJECT / ".lakehouse" / "superset-venv" / "bin" / "python"
MANY = "SELECT a.document_id FROM lakehouse.gold.documents a, lakehouse.gold.documents b"
SLOW = (
    f"SELECT COUNT(*) FROM {', '.join(f'lakehouse.gold.documents d{n}' for n in range(6))} "
    "WHERE d0.byte_count + d1.byte_count + d2.byte_count <> d5.byte_count"
)
GRAINS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
SUBMISSIONS = '"lakehouse"."archive"."submissions"'
# What Superset 6.1 sends, by the contract's section 6; each must give at least one row.
SUPERSET = [
    *(
        f"SELECT DATE_TRUNC('{grain}', validated_at) AS __timestamp, COUNT(*) AS \"count\" FROM {SUBMISSIONS} "
        f"GROUP BY DATE_TRUNC('{grain}', validated_at) ORDER BY \"count\" DESC LIMIT 1000"
        for grain in GRAINS
    ),
    f"SELECT COUNT(*) AS label_a1b2c3 FROM {SUBMISSIONS} WHERE validated_at >= "
    "TO_TIMESTAMP('2026-01-01 00:00:00.000', 'YYYY-MM-DD HH24:MI:SS.FFF') AND validated_at < "
    "TO_TIMESTAMP('2026-02-01 00:00:00.000', 'YYYY-MM-DD HH24:MI:SS.FFF')",
    f"SELECT dataset AS dataset, SUM(row_count) AS label_a FROM {SUBMISSIONS} AS s JOIN (SELECT dataset AS dataset__, "
    f"SUM(row_count) AS mme_inner__ FROM {SUBMISSIONS} GROUP BY dataset ORDER BY mme_inner__ DESC LIMIT 5) AS "
    "series_limit ON dataset = dataset__ GROUP BY dataset ORDER BY label_a DESC LIMIT 100",
    f"SELECT DISTINCT dataset AS column_values FROM {SUBMISSIONS} LIMIT 1000",
    f"SELECT submission AS submission FROM {SUBMISSIONS} WHERE LOWER(dataset) LIKE LOWER('%COLLEGE%') AND verdict IN "
    "('accepted', 'refused') AND dataset IS NOT NULL LIMIT 10",
    'SELECT document_id, "text" FROM "lakehouse.gold".documents LIMIT 100',
    'SELECT "drifted" AS drifted FROM "lakehouse"."gold"."drift" WHERE drifted = TRUE LIMIT 10',
    f"SELECT * FROM (SELECT dataset, error_count FROM {SUBMISSIONS}) AS virtual_table LIMIT 1",
    f"SELECT COUNT(*) AS n FROM {SUBMISSIONS} WHERE CAST(validated_at AS DATE) >= TO_DATE('2026-01-01', 'YYYY-MM-DD')",
    f'SELECT AVG(fair_score) AS "AVG(fair_score)", MAX(validated_at) AS latest FROM {SUBMISSIONS}',
    f"SELECT TO_DATE(row_count) AS d FROM {SUBMISSIONS} WHERE row_count > 0 LIMIT 3",
    'SELECT CURRENT_TIMESTAMP() AS "now"',
    f"SELECT submission FROM {SUBMISSIONS} WHERE 1 = 0",
]


@pytest.fixture(scope="module")
def superset(server, tmp_path_factory):
    """Everything the dashboards' driver sees, asked in one process of its own environment."""
    if not SUPERSET_PYTHON.exists():
        pytest.skip("the dashboards' environment .lakehouse/superset-venv is not installed")
    statements = tmp_path_factory.mktemp("sql") / "statements.sql"
    statements.write_text("\n".join(SUPERSET))
    script = Path(__file__).with_name("superset_dialect_script.py")
    done = subprocess.run(
        [SUPERSET_PYTHON, script, f"{server.host}:{server.port}", USER, PASSWORD, statements],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_sqlalchemy_dremio_lists_and_describes(superset):
    assert {"kpi", "lakehouse.gold", "INFORMATION_SCHEMA", "sys"} <= set(superset["schemas"])
    assert superset["tables"] == ["best_years", "outcomes_by_year"]
    assert superset["has_table"] is True
    assert superset["columns"]["validated_at"] == "TIMESTAMP"
    assert superset["columns"]["row_count"] == "BIGINT"


@pytest.mark.parametrize("number", range(len(SUPERSET)), ids=[sql[:60] for sql in SUPERSET])
def test_what_superset_sends_is_answered(superset, number):
    answer = superset["rows"][number]
    assert len(answer["rows"]) == 0 if "1 = 0" in SUPERSET[number] else len(answer["rows"]) > 0
    assert len(set(answer["names"])) == len(answer["names"])


def test_superset_grains_add_up(superset):
    for number in range(len(GRAINS)):
        assert sum(int(count) for _, count in superset["rows"][number]["rows"]) == 40


@pytest.fixture(scope="module")
def flightsql(server):
    """Everything flightsql-dbapi sees, asked in the dashboards' environment: it needs SQLAlchemy 1.4."""
    if not SUPERSET_PYTHON.exists():
        pytest.skip("the dashboards' environment .lakehouse/superset-venv is not installed")
    script = Path(__file__).with_name("flightsql_dbapi_script.py")
    done = subprocess.run(
        [SUPERSET_PYTHON, script, server.host, str(server.port), USER, PASSWORD],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_flightsql_dbapi_logs_in_and_reads_rows(flightsql):
    assert flightsql["rows"] == flightsql["sqlalchemy"] == [["test", 13], ["train", 14], ["validation", 13]]
    assert flightsql["names"] == ["split", "n"]
    assert flightsql["none"] == []


def test_flightsql_dbapi_lists_schemas_tables_and_columns(flightsql):
    assert {"kpi", "INFORMATION_SCHEMA"} <= set(flightsql["schemas"])
    assert flightsql["tables"] == ["best_years", "outcomes_by_year"]
    assert flightsql["columns"] == ["year", "institutions", "mean_earnings"]
    assert set(flightsql["types"]) == {"VIEW"}
    assert flightsql["dialect"] == ["datafusion", flightsql["tables"]]


def test_flightsql_dbapi_is_told_what_was_wrong_and_goes_on(flightsql):
    assert flightsql["unknown"][0] == flightsql["bound"][0] == "ArrowInvalid"
    assert "did you mean lakehouse.gold.documents?" in flightsql["unknown"][1]
    assert "bound parameter" in flightsql["bound"][1]
    assert flightsql["login"][0] == "FlightUnauthenticatedError"
    assert "invalid username or password" in flightsql["login"][1]
    assert flightsql["after"] == [[7]]


def test_dremio_simple_query_reads(server):
    from dremio_simple_query.connectv2 import DremioConnection

    connection = DremioConnection(location=server.uri, username=USER, password=PASSWORD)
    table = connection.toArrow("SELECT COUNT(*) AS n FROM lakehouse.gold.documents").read_all()
    assert table.to_pylist() == [{"n": 40}]
    connection.client.close()


@pytest.fixture
def adbc(server):
    options = {"username": USER, "password": PASSWORD}
    with adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection:
        yield connection


def test_adbc_queries_over_flight_sql(adbc):
    with adbc.cursor() as cursor:
        cursor.execute("SELECT split, COUNT(*) AS n FROM lakehouse.gold.documents GROUP BY split ORDER BY split")
        assert cursor.fetch_arrow_table().to_pydict() == {"split": ["test", "train", "validation"], "n": [13, 14, 13]}
        cursor.execute("SELECT 1 AS n WHERE 1 = 0")
        assert cursor.fetchall() == []


def test_adbc_lists_tables_views_and_columns(adbc):
    found = adbc.adbc_get_objects(depth="all", db_schema_filter="kpi").read_all().to_pylist()
    (schema,) = found[0]["catalog_db_schemas"]
    names = {table["table_name"]: table for table in schema["db_schema_tables"]}
    assert names["best_years"]["table_type"] == "VIEW"
    assert [column["column_name"] for column in names["outcomes_by_year"]["table_columns"]] == [
        "year", "institutions", "mean_earnings",
    ]  # fmt: skip
    assert adbc.adbc_get_table_types() == ["TABLE", "SYSTEM_TABLE", "VIEW"]
    assert adbc.adbc_get_info()["vendor_version"] == "25.2.0"
    schema = adbc.adbc_get_table_schema("documents", db_schema_filter="lakehouse.gold")
    assert schema.field("byte_count").type == pa.int64()


def test_adbc_meets_the_same_refusals(adbc):
    with adbc.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="not found"):
            cursor.execute("SELECT * FROM nope")
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="bound parameter"):
            cursor.execute("SELECT ?", [1])
        with pytest.raises(adbc_driver_manager.Error):
            cursor.executescript("DROP TABLE lakehouse.gold.documents")


@pytest.fixture
def queries(server):
    queries = DremioQueries(server.uri, USER, PASSWORD)
    yield queries
    queries.close()


def test_the_adapter_fetches_and_pings(queries):
    queries.ping()
    assert queries.fetch("SELECT COUNT(*) AS n FROM lakehouse.gold.documents").to_pylist() == [{"n": 40}]


def test_the_adapter_keeps_one_session(queries):
    queries.fetch("USE lakehouse.gold")
    assert queries.fetch("SELECT COUNT(*) AS n FROM documents").to_pylist() == [{"n": 40}]


def test_the_adapter_says_what_the_server_said(queries):
    with pytest.raises(QueryError, match=r"did you mean lakehouse\.gold\.documents\?$"):
        queries.fetch("SELECT * FROM lakehouse.gold.document")
    with pytest.raises(QueryError, match="divide by zero"):
        queries.fetch("SELECT 1/0")


def test_the_adapter_names_a_refused_login_and_an_absent_server(server):
    with pytest.raises(LoginError, match="check the SQL user and password"):
        DremioQueries(server.uri, USER, "wrong").ping()
    with pytest.raises(ServiceUnavailableError, match="lakehouse up"):
        DremioQueries("grpc://127.0.0.1:1", USER, PASSWORD).ping()


def test_the_adapter_logs_in_again_when_its_token_has_expired_and_stays_in_its_session(queries):
    queries.fetch("USE lakehouse.gold")
    queries._token = (b"authorization", b"Bearer forgotten")
    assert queries.fetch("SELECT COUNT(*) AS n FROM documents").to_pylist() == [{"n": 40}]
    queries._told.cookies["SESSION_ID"] = "forgotten"
    queries.ping()


def test_the_adapter_needs_one_call_where_a_statement_is_its_own_ticket(queries, server, monkeypatch):
    queries.ping()
    monkeypatch.delattr(type(server._flight), "get_flight_info")
    assert queries.fetch("SELECT 1 AS n").to_pylist() == [{"n": 1}]
    with pytest.raises(QueryError, match="not found"):
        queries.fetch("SELECT * FROM nope")


@pytest.mark.parametrize(
    ("limit", "said"), [({"result_rows": 10}, "more than 10 rows; add a LIMIT"), ({"result_bytes": 100}, "larger than")]
)
def test_the_adapter_calls_a_result_that_is_too_large_an_error_of_the_statement(own_server, limit, said):
    server = own_server(**limit)
    queries = DremioQueries(server.uri, USER, PASSWORD)
    with pytest.raises(QueryError, match=said) as told:
        queries.fetch("SELECT document_id FROM lakehouse.gold.documents")
    assert isinstance(told.value, PermanentError)
    queries.close()


def test_every_client_is_told_which_limit_it_met_and_goes_on(own_server, new_client):
    server = own_server(statement_seconds=0.5, result_rows=1000)
    client, queries = new_client(uri=server.uri), DremioQueries(server.uri, USER, PASSWORD)
    large, slow = "more than 1000 rows; add a LIMIT or aggregate", r"longer than 0\.5 seconds; ask for less at a time"
    with pytest.raises(flight.FlightUnavailableError, match=large):
        client.fetch(MANY)
    with pytest.raises(flight.FlightTimedOutError, match=slow):
        client.fetch(SLOW)
    assert client.values("SELECT 1") == [(1,)]
    with pytest.raises(QueryError, match=large):
        queries.fetch(MANY)
    with pytest.raises(ServiceUnavailableError, match=f"did not finish in time: .* {slow}$"):
        queries.fetch(SLOW)
    queries.ping()
    queries.close()
    options = {"username": USER, "password": PASSWORD}
    with (
        adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for sql, said, code in ((MANY, large, "IO"), (SLOW, slow, "TIMEOUT")):
            cursor.execute(sql)
            with pytest.raises(adbc_driver_manager.OperationalError, match=said) as told:
                cursor.fetchall()
            assert told.value.status_code == adbc_driver_manager.AdbcStatusCode[code]
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_an_adbc_connection_is_refused_once_its_token_has_expired_and_a_new_one_is_not(server, client):
    tokens, options = server.gate._tokens, {"username": USER, "password": PASSWORD}
    others = set(tokens._owners)
    with adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection:
        for token in set(tokens._owners) - others:
            tokens.drop(token)
        for _ in range(2):
            with (
                connection.cursor() as cursor,
                pytest.raises(adbc_driver_manager.Error, match="has expired; log in again") as told,
            ):
                cursor.execute("SELECT 1")
            assert told.value.status_code == adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED
    _, bearer = client.flight.authenticate_basic_token(USER, PASSWORD)
    for again in (options, {"adbc.flight.sql.authorization_header": bearer.decode()}):
        with (
            adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=again, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]


def test_an_adbc_connection_that_is_used_outlives_its_first_token(own_server):
    server, passed = own_server(), [0.0]
    tokens, options = server.gate._tokens, {"username": USER, "password": PASSWORD}
    tokens._clock = lambda: time.monotonic() + passed[0]
    with adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection:
        for hours in (0, 13, 26, 39, 52):
            passed[0] = hours * 3600.0
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchall() == [(1,)], f"after {hours} hours"


@pytest.mark.parametrize("reset", [True, False])
def test_the_adapter_tells_an_engine_that_went_away_while_its_port_is_still_open(reset):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with accepted:
                    accepted.recv(64)
                    if reset:  # closing with nothing lingering resets the connection, as a killed process does
                        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        threading.Thread(target=hang_up, daemon=True).start()
        queries = DremioQueries(f"grpc://127.0.0.1:{listening.getsockname()[1]}", USER, PASSWORD)
        queries._token = (b"authorization", b"Bearer of before")
        with pytest.raises(ServiceUnavailableError, match="`lakehouse up`"):
            queries.ping()
        queries.close()
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("call", ["sending_headers", "received_headers"])
def test_a_signal_that_comes_while_arrow_calls_the_adapter_stops_the_statement(server, monkeypatch, call):
    queries = DremioQueries(server.uri, USER, PASSWORD)
    queries.ping()
    arrows = getattr(dremio._Call, call)

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return arrows(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(dremio._Call, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            queries.fetch(SLOW)
    assert queries.fetch("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    queries.close()


def test_the_adapter_tells_an_engine_that_cannot_from_one_that_is_away(own_server):
    server = own_server(memory_limit="16MB")
    queries = DremioQueries(server.uri, USER, PASSWORD)
    with pytest.raises(
        ServiceUnavailableError, match=r"^the SQL engine at .* did not do it: .* needs more memory"
    ) as told:
        queries.fetch(
            "SELECT COUNT(*) FROM (SELECT DISTINCT a.document_id, b.document_id AS x, c.document_id AS y, "
            "d.document_id AS z FROM lakehouse.gold.documents a, lakehouse.gold.documents b, "
            "lakehouse.gold.documents c, lakehouse.gold.documents d) AS t"
        )
    assert "lakehouse up" not in str(told.value)
    server.stop()
    with pytest.raises(ServiceUnavailableError, match=r"no SQL engine answers at .* `lakehouse up`"):
        queries.fetch("SELECT 1")
    queries.close()
