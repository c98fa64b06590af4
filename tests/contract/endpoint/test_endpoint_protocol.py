"""The protocol as Dremio's clients meet it: logins, headers, sessions, errors, types, names."""

import base64
import datetime as dt

import pyarrow as pa
import pyarrow.flight as flight
import pytest

USER, PASSWORD = "ada", "correct horse battery 1"
OUTCOMES = "lakehouse.silver.college_scorecard_outcomes"


class Headers(flight.ClientMiddlewareFactory):
    """Remembers what the server sends."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def start_call(self, info):
        return Seen(self.seen)


class Seen(flight.ClientMiddleware):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def received_headers(self, headers):
        self.seen.append({name.lower(): values for name, values in headers.items()})


def ask(client, sql, *headers):
    options = flight.FlightCallOptions(headers=list(headers))
    info = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), options)
    return client.do_get(info.endpoints[0].ticket, options).read_all()


def basic(user, password):
    return b"authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def test_a_handshake_gives_a_bearer_token(client):
    assert client.values("SELECT 1") == [(1,)]


def test_a_password_may_come_with_any_call(server):
    with flight.FlightClient(server.uri) as client:
        assert ask(client, "SELECT 1", basic(USER, PASSWORD)).to_pylist() == [{"EXPR$0": 1}]


@pytest.mark.parametrize("header", [None, (b"authorization", b"Bearer nonsense"), (b"authorization", b"Basic !!")])
def test_a_call_without_a_valid_login_is_refused(server, header):
    with flight.FlightClient(server.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        ask(client, "SELECT 1", *([header] if header else []))


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (USER, ""), ("", "")])
def test_a_wrong_password_is_refused_in_dremios_words(server, user, password):
    with flight.FlightClient(server.uri) as client, pytest.raises(flight.FlightUnauthenticatedError) as caught:
        client.authenticate_basic_token(user, password)
    assert f"Unable to authenticate user {user}" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_expired_token_is_refused(own_lake):
    server = own_lake.serve(token_seconds=0.0)
    with flight.FlightClient(server.uri) as client:
        token = client.authenticate_basic_token(USER, PASSWORD)
        with pytest.raises(flight.FlightUnauthenticatedError, match="has expired; log in again"):
            ask(client, "SELECT 1", token)


def test_a_statement_is_its_own_ticket_wherever_its_lines_end(client):
    for sql in ("SELECT 1 AS n", "SELECT 1 AS n, 'twenty letters.'\nAS m"):
        assert client.flight.do_get(flight.Ticket(sql), client.options).read_all()["n"].to_pylist() == [1]
    assert len(sql.partition("\n")[0]) == 32, "as long as the key of a plan"


def test_every_response_carries_the_token_again(server):
    headers = Headers()
    with flight.FlightClient(server.uri, middleware=[headers]) as client:
        token = client.authenticate_basic_token(USER, PASSWORD)
        ask(client, "SELECT 1", token)
    assert len(headers.seen) >= 3
    assert all(seen["authorization"][0].startswith("Bearer ") for seen in headers.seen if seen)


def test_the_session_remembers_the_default_schema(server):
    headers = Headers()
    with flight.FlightClient(server.uri, middleware=[headers]) as client:
        token = client.authenticate_basic_token(USER, PASSWORD)
        ask(client, "USE lakehouse.gold", token)
        cookie = next(seen["set-cookie"][0] for seen in headers.seen if "set-cookie" in seen)
        assert cookie.startswith("SESSION_ID=")
        assert ask(client, "SELECT COUNT(*) AS n FROM documents", token, (b"cookie", cookie.encode())).num_rows == 1
        with pytest.raises(pa.ArrowInvalid, match="not found"):
            ask(client, "SELECT COUNT(*) AS n FROM documents", token)


def test_an_unknown_session_is_refused(server):
    with flight.FlightClient(server.uri) as client:
        token = client.authenticate_basic_token(USER, PASSWORD)
        with pytest.raises(flight.FlightUnauthenticatedError, match="UserSession is not available in the cache"):
            ask(client, "SELECT 1", token, (b"cookie", b"SESSION_ID=gone"))


def test_the_schema_header_sets_the_default_schema(new_client):
    client = new_client(headers=[(b"schema", b'lakehouse."gold"')])
    assert client.values("SELECT COUNT(*) FROM documents") == [(40,)]


@pytest.mark.parametrize(
    ("quoting", "sql"),
    [
        (b"BACK_TICK", "SELECT `document_id` AS `a\"b`, '`x`' FROM `lakehouse`.`gold`.documents LIMIT 1 -- `\"`"),
        (b"bracket", "SELECT [document_id] AS [a\"b], '[x]' FROM [lakehouse].[gold].documents LIMIT 1 /* [\"] */"),
        (b"DOUBLE_QUOTE", 'SELECT "document_id" AS "a""b", \'"\' FROM lakehouse.gold.documents LIMIT 1'),
    ],
)
def test_the_quoting_header_says_how_names_are_quoted(new_client, quoting, sql):
    client = new_client(headers=[(b"quoting", quoting)])
    rows = client.fetch(sql)
    assert rows.column_names == ['a"b', "EXPR$1"]
    assert rows["EXPR$1"].to_pylist() == [sql.split("'")[1]]


@pytest.mark.parametrize(
    ("headers", "sql", "said"),
    [
        ([(b"quoting", b"BACK_TICK")], 'SELECT 1 AS "a"', 'a " at line 1; this session quotes names otherwise'),
        ([(b"quoting", b"BRACKET")], "SELECT ARRAY[1] AS a", "PARSE ERROR"),
        ([(b"quoting", b"SMART")], "SELECT 1", "the header takes DOUBLE_QUOTE, BACK_TICK, BRACKET"),
        ([(b"supports_complex_types", b"false")], "SELECT ARRAY[1] AS a", "column a is list"),
    ],
)
def test_what_a_header_rules_out_is_refused(new_client, headers, sql, said):
    with pytest.raises(pa.ArrowInvalid, match=said):
        new_client(headers=headers).fetch(sql)


def test_an_unknown_schema_header_only_makes_the_first_lookup_miss(new_client):
    client = new_client(headers=[(b"schema", b"dremio")])
    assert client.values("SELECT COUNT(*) FROM lakehouse.gold.documents") == [(40,)]


@pytest.mark.parametrize(
    "name",
    [
        '"lakehouse"."gold"."documents"',
        '"lakehouse.gold".documents',
        "lakehouse.gold.documents",
        'LAKEHOUSE."Gold".DOCUMENTS',
        '"lakehouse.gold"."documents" AS d',
    ],
)
def test_both_dotted_forms_name_the_same_table_without_case(client, name):
    assert client.values(f"SELECT COUNT(*) FROM {name}") == [(40,)]


@pytest.mark.parametrize(
    "column", ["documents.split", '"lakehouse.gold".documents.split', "lakehouse.gold.documents.split", "SPLIT"]
)
def test_columns_may_carry_the_path_of_their_table(client, column):
    table = '"lakehouse.gold".documents' if column.startswith('"') else "lakehouse.gold.documents"
    rows = client.values(f"SELECT {column} FROM {table} GROUP BY {column} ORDER BY {column}")
    assert rows == [("test",), ("train",), ("validation",)]


def test_a_with_query_hides_a_table_of_the_same_name(new_client):
    client = new_client(headers=[(b"schema", b"lakehouse.gold")])
    sql = "WITH documents AS (SELECT * FROM documents LIMIT 3) SELECT COUNT(*) FROM documents"
    assert client.values(sql) == [(3,)]


def test_views_are_queried_like_tables_and_may_read_views(client):
    years = client.values("SELECT institutions FROM kpi.outcomes_by_year ORDER BY institutions")
    assert sum(count for (count,) in years) == 40
    assert client.values("SELECT COUNT(*) FROM kpi.best_years") == client.values(
        "SELECT COUNT(*) FROM kpi.outcomes_by_year"
    )


def test_an_unknown_table_names_the_nearest_one(client):
    with pytest.raises(
        pa.ArrowInvalid, match=r"lakehouse\.gold\.document' not found: did you mean lakehouse\.gold\.documents"
    ):
        client.info("SELECT * FROM lakehouse.gold.document")


@pytest.mark.parametrize("asked", ["txt", "d.txt", "upper(txt)"])
def test_an_unknown_column_names_the_nearest_one(client, asked):
    with pytest.raises(pa.ArrowInvalid, match=r'VALIDATION ERROR: .*"txt".* Did you mean text\?'):
        client.info(f"SELECT {asked} FROM lakehouse.gold.documents AS d")


def test_a_column_that_is_near_to_none_is_only_named(client):
    with pytest.raises(pa.ArrowInvalid, match=r'VALIDATION ERROR: Referenced column "qqqqqqqq"') as caught:
        client.info("SELECT qqqqqqqq FROM (SELECT 1 AS own_name) AS s")
    assert "Did you mean" not in str(caught.value)


def test_a_broken_view_says_why_and_breaks_nothing_else(client):
    with pytest.raises(pa.ArrowInvalid, match=r"kpi\.broken does not work: .*lakehouse\.gold\.absent"):
        client.info("SELECT * FROM kpi.broken")
    assert client.values("SELECT 1") == [(1,)]


def test_statements_are_planned_when_info_is_asked(client):
    with pytest.raises(pa.ArrowInvalid, match="PARSE ERROR"):
        client.info("SELEC 1")
    info = client.info("SELECT 1 AS a")
    assert (info.total_records, info.total_bytes, len(info.endpoints), info.endpoints[0].locations) == (-1, -1, 1, [])
    assert (
        client.flight.get_schema(flight.FlightDescriptor.for_command(b"SELECT 1 AS a"), client.options).schema
        == info.schema
    )


def test_an_empty_result_is_one_empty_batch(client):
    stream = client.stream("SELECT unitid, state_abbr FROM " + OUTCOMES + " WHERE 1 = 0")
    batch = stream.read_chunk().data
    assert (batch.num_rows, batch.schema.names) == (0, ["unitid", "state_abbr"])
    with pytest.raises(StopIteration):
        stream.read_chunk()


def test_a_duplicate_name_is_numbered(client):
    assert client.fetch("SELECT 1 AS a, 2 AS a, 3 AS a").column_names == ["a", "a0", "a1"]


WIRE = [
    ("TRUE", pa.bool_(), True),
    ("1", pa.int32(), 1),
    ("10000000000", pa.int64(), 10**10),
    ("COUNT(*)", pa.int64(), 1),
    ("SUM(CAST(5 AS BIGINT))", pa.int64(), 5),
    ("CAST(1.5 AS FLOAT)", pa.float32(), 1.5),
    ("1.5E0", pa.float64(), 1.5),
    ("CAST(1.25 AS DECIMAL(10, 2))", pa.decimal128(10, 2), None),
    ("'x'", pa.string(), "x"),
    ("DATE '2024-02-29'", pa.date64(), dt.date(2024, 2, 29)),
    ("CAST('10:11:12' AS TIME)", pa.time32("ms"), dt.time(10, 11, 12)),
    ("TIMESTAMP '2024-02-29 01:02:03.456'", pa.timestamp("ms"), dt.datetime(2024, 2, 29, 1, 2, 3, 456000)),  # noqa: DTZ001
    ("CURRENT_TIMESTAMP()", pa.timestamp("ms"), None),
    ("CURRENT_DATE", pa.date64(), None),
    ("ARRAY_AGG(1)", pa.list_(pa.field("$data$", pa.int32())), [1]),
    ("NULL", pa.int32(), None),
]


@pytest.mark.parametrize(("expression", "kind", "value"), WIRE, ids=[name for name, _, _ in WIRE])
def test_a_value_travels_in_its_wire_type(client, expression, kind, value):
    table = client.fetch(f"SELECT {expression} AS v")
    assert table.schema.field("v").type == kind
    assert value is None or table["v"].to_pylist() == [value]


def test_an_instant_travels_in_utc_without_a_zone_cut_to_milliseconds(client):
    table = client.fetch("SELECT validated_at FROM lakehouse.archive.submissions ORDER BY 1 LIMIT 2")
    assert table.schema.field("validated_at").type == pa.timestamp("ms")
    assert table["validated_at"].to_pylist() == [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, 7)]  # noqa: DTZ001


TABLES = 'INFORMATION_SCHEMA."TABLES"'
METADATA = [
    ("SELECT 1", [(1,)]),
    ("SELECT version FROM sys.version", [("25.2.0",)]),
    ("SHOW TABLES IN kpi LIKE 'outcomes%'", [("kpi", "outcomes_by_year")]),
    ("SHOW SCHEMAS LIKE 'lakehouse.g%'", [("lakehouse.gold",)]),
    ("-- all of them\nSHOW DATABASES LIKE 'SYS';", [("sys",)]),
    (f"SELECT COUNT(*) FROM {TABLES} WHERE TABLE_NAME = 'documents' AND TABLE_SCHEMA = 'lakehouse.gold'", [(1,)]),
    (f"SELECT TABLE_NAME FROM {TABLES} WHERE TABLE_SCHEMA = 'kpi'", [("best_years",), ("outcomes_by_year",)]),
    (f"select table_type from {TABLES.lower()} where table_name = 'best_years'", [("VIEW",)]),
    (
        "SELECT DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_NAME = 'submissions' AND COLUMN_NAME = 'fair_score'",
        [("DOUBLE",)],
    ),
    ("SELECT COUNT(*) FROM INFORMATION_SCHEMA.VIEWS WHERE VIEW_DEFINITION LIKE '%mean_earnings > 0'", [(1,)]),
    ("USE lakehouse", [(True, "Default schema changed to [lakehouse]")]),
    ("select count(*) from information_schema.schemata where schema_name = 'sys'", [(1,)]),
]


@pytest.mark.parametrize(("sql", "expected"), METADATA, ids=[sql for sql, _ in METADATA])
def test_metadata_is_answered(client, sql, expected):
    assert client.values(sql) == expected


@pytest.mark.parametrize("header", [b"kpi", b"KPI"])
def test_tables_are_those_of_the_schema_in_use(new_client, header):
    client = new_client(headers=[(b"schema", header)])
    assert {schema for schema, _ in client.values("SHOW TABLES")} == {"kpi"}
    assert {schema for schema, _ in client.values("SHOW TABLES IN lakehouse.gold")} == {"lakehouse.gold"}


@pytest.mark.parametrize("header", [b"", b"dremio"])
def test_without_a_schema_that_there_is_all_tables_are_shown(new_client, header):
    client = new_client(headers=[(b"schema", header)])
    assert {"kpi", "lakehouse.gold"} < {schema for schema, _ in client.values("SHOW TABLES")}


@pytest.mark.parametrize("sql", ["SHOW TABLES IN gold", "USE gold"])
def test_a_schema_that_is_not_there_is_refused_with_the_nearest(client, sql):
    with pytest.raises(pa.ArrowInvalid, match=r"Invalid schema 'gold': did you mean lakehouse\.gold\?"):
        client.values(sql)


@pytest.mark.parametrize(
    "name", ['"lakehouse.gold"."documents"', "lakehouse.gold.documents", "TABLE lakehouse.gold.documents"]
)
def test_describe_lists_columns_with_dremios_words(client, name):
    rows = client.fetch(f"DESCRIBE {name}").to_pylist()
    assert [row["COLUMN_NAME"] for row in rows][:2] == ["document_id", "dataset"]
    assert {row["COLUMN_NAME"]: row["DATA_TYPE"] for row in rows}["byte_count"] == "BIGINT"
    assert list(rows[0])[:3] == ["COLUMN_NAME", "DATA_TYPE", "IS_NULLABLE"]


def test_calls_dremio_does_not_offer_are_unimplemented(client):
    with pytest.raises(pa.ArrowNotImplementedError):
        client.flight.get_flight_info(flight.FlightDescriptor.for_path("a"), client.options)
    with pytest.raises(pa.ArrowNotImplementedError):
        list(client.flight.do_action(flight.Action("Shutdown", b""), client.options))
    with pytest.raises(pa.ArrowNotImplementedError):
        list(client.flight.list_flights(options=client.options))


def test_a_fault_of_the_gate_itself_shows_no_traceback(own_server, monkeypatch):
    server = own_server()

    def fails(*_given):
        raise RuntimeError("a secret of /this/machine")

    monkeypatch.setattr(server.gate, "login", fails)
    with flight.FlightClient(server.uri) as client, pytest.raises(flight.FlightInternalError) as caught:
        client.authenticate_basic_token("ada", "correct horse battery 1")
    assert "the endpoint failed (RuntimeError); its log says why" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("Traceback", ".py", "secret"))
