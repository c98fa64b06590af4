"""Hostile statements and hostile clients: each refused or bounded, told nothing, and everybody else served."""

import base64
import contextlib
import gc
import os
import socket
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint import flight_sql
from lakehouse.endpoint import turns as lanes
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve

USERS = {"ada": "pass-ada-7391", "bob": "pass-bob-2846"}
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1024**2


@pytest.fixture(scope="module")
def abuse(load):
    return load("abuse")


@pytest.fixture(scope="module")
def target(lake):
    config = EndpointConfig(
        users=USERS, roots=(str(lake.warehouse),), port=0, poll_seconds=0.0, statement_seconds=2.0,
        memory_limit="150MB",
        address_space_bytes=2500 * MIB, warm_engines=1, concurrent_statements=3, statements_per_user=2,
        result_bytes=64 * MIB, session_seconds=600.0,
    )  # fmt: skip
    server = serve(config, lake.releases)
    yield server
    server.stop()


@pytest.fixture
def ada(target, new_client):
    return new_client(uri=target.uri, user="ada", password=USERS["ada"])


@pytest.fixture
def bob(target, new_client):
    return new_client(uri=target.uri, user="bob", password=USERS["bob"])


def private(text, lake):
    """Return what a client must never read and did."""
    secrets = [*USERS.values(), str(lake.warehouse), str(Path.home()), "Traceback", ".py", "site-packages", "root:"]
    return [secret for secret in secrets if secret in text]


def resident(pids=("self",)):
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES for pid in pids)


def quiet(target, seconds=60.0):
    deadline = time.monotonic() + seconds
    while target.running or target.waiting:
        assert time.monotonic() < deadline, "a statement is left running"
        time.sleep(0.05)


def test_every_hostile_statement_is_refused_by_name_and_tells_nothing(abuse, target, ada, bob, lake):
    assert len(abuse.REFUSED) >= 60
    accepted, leaked = [], []
    for sql in abuse.REFUSED:
        try:
            ada.fetch(sql)
            accepted.append(sql[:80])
        except pa.ArrowInvalid as error:
            leaked += [(sql[:80], found) for found in private(str(error).replace(sql, ""), lake)]
    assert (accepted, leaked) == ([], [])
    assert bob.values("SELECT 1") == [(1,)]
    quiet(target)


def test_what_only_a_limit_can_end_is_ended_and_others_go_on(abuse, target, ada, bob, lake):
    before = resident()
    for sql in abuse.BOUNDED:
        with contextlib.suppress(flight.FlightUnavailableError, flight.FlightTimedOutError, pa.ArrowInvalid):
            ada.fetch(sql)
        assert bob.values("SELECT 7/2") == [(3,)], sql
    quiet(target)
    gc.collect()
    assert resident() - before < 300 * MIB
    assert len(target.engines) <= 4


def test_large_statements_wait_for_each_other_and_small_ones_do_not(own_server, new_client):
    client = new_client(uri=own_server(queue_seconds=0.2).uri)
    large = "SELECT 1 AS a WHERE 1 IN (" + "1," * lanes.LARGE_TEXT + "1)"
    with contextlib.ExitStack() as turns:
        for number in range(lanes.LARGE_AT_ONCE):
            turns.enter_context(lanes.turn(large, str(number), 60))
        with pytest.raises(flight.FlightUnavailableError, match="of more than 10,000 characters are being read"):
            client.fetch(large)
        assert client.values("SELECT 7/2") == [(3,)]
    assert client.values(large) == [(1,)]


def called(client, body, how="info", headers=()):
    options = flight.FlightCallOptions(headers=[*client.options_headers, *headers], timeout=60)
    if how == "info":
        return client.flight.get_flight_info(flight.FlightDescriptor.for_command(body), options)
    if how == "schema":
        return client.flight.get_schema(flight.FlightDescriptor.for_command(body), options)
    if how == "get":
        return client.flight.do_get(flight.Ticket(body), options).read_all()
    if how == "put":
        writer, _ = client.flight.do_put(
            flight.FlightDescriptor.for_command(body), pa.schema([("a", "int32")]), options
        )
        writer.write_batch(pa.record_batch({"a": pa.array([1], "int32")}))
        return writer.close()
    if how == "exchange":
        writer, reader = client.flight.do_exchange(flight.FlightDescriptor.for_command(body), options)
        with writer:
            writer.done_writing()
            return reader.read_all()
    if how == "flights":
        return list(client.flight.list_flights(body, options))
    return list(client.flight.do_action(flight.Action(how, body), options))


STATEMENT = flight_sql.pack("CommandStatementQuery", query="SELECT 1")
PREFIX = b"\n/type.googleapis.com/arrow.flight.protocol.sql."
EXCHANGES = [
    ("get", b""),
    ("get", b"\x00" * 1000),
    ("get", os.urandom(1000)),
    ("get", b"f" * 32 + b"\nSELECT * FROM read_text('/etc/passwd')"),
    ("get", b"0" * 32 + b"\n" + b"\n" * 1000),
    ("get", b"../../../../etc/passwd"),
    ("get", flight_sql.pack("TicketStatementQuery", statement_handle=b"forged")),
    ("get", flight_sql.pack("TicketStatementQuery", statement_handle=os.urandom(40))),
    ("get", flight_sql.pack("CommandPreparedStatementQuery", prepared_statement_handle=b"\xff" * 64)),
    ("get", flight_sql.pack("CommandGetPrimaryKeys")),
    ("get", STATEMENT[:-4]),
    ("info", STATEMENT[:10]),
    ("info", STATEMENT[:-4]),
    ("info", PREFIX + b"CommandStatementQuery\x12\xff\xff\xff\xff\x7f"),
    ("info", PREFIX + b"CommandStatementSubstraitPlan"),
    ("info", flight_sql.pack("CommandStatementUpdate", query="DROP TABLE x")),
    ("info", flight_sql.pack("ActionClosePreparedStatementRequest")),
    ("info", flight_sql.pack("CommandPreparedStatementQuery", prepared_statement_handle=b"")),
    ("info", b"\xff\xfe" * 5000),
    ("info", b"SELECT '" + b"x" * 20_000_000 + b"'"),
    ("schema", os.urandom(64)),
    ("schema", b""),
    ("put", b"INSERT INTO x VALUES (1)"),
    ("put", flight_sql.pack("CommandStatementUpdate", query="DROP TABLE x")),
    ("put", flight_sql.pack("CommandPreparedStatementQuery", prepared_statement_handle=b"x")),
    ("exchange", b"SELECT 1"),
    ("flights", b"%"),
    ("CreatePreparedStatement", b""),
    ("CreatePreparedStatement", os.urandom(100)),
    ("CreatePreparedStatement", flight_sql.pack("CommandGetTables")),
    ("CancelQuery", b""),
    ("Shutdown", b"x" * 100_000),
    ("SetSessionOptions", os.urandom(100)),
]
BEARER, COOKIE = b"authorization", b"cookie"


def token(text):
    return [(BEARER, text)]


LOGINS = [
    token(b"Bearer"),
    token(b"Bearer " + b"A" * 43),
    token(b"Bearer null"),
    token(b"Bearer ' OR '1'='1"),
    token(b"_dremionull"),
    token(b"Basic !!!!"),
    token(b"Basic " + base64.b64encode(b"ada")),
    token(b"Basic " + base64.b64encode(b"ada:")),
    token(b"Basic " + base64.b64encode(b"ada\x00:pass-ada-7391")),
    token(b"Basic " + base64.b64encode(b"\xff\xfe:x")),
    token(b"Basic " + base64.b64encode(b"ada:" + b"x" * 4000)),
    token(b"Digest username=ada"),
]


@pytest.fixture
def raw(ada):
    (ada.options_headers,) = ([ada.flight.authenticate_basic_token("ada", USERS["ada"])],)
    return ada


def test_every_hostile_exchange_is_refused_and_tells_nothing(target, raw, bob, lake):
    answered, leaked = [], []
    for how, body in EXCHANGES:
        try:
            called(raw, body, how)
            answered.append((how, body[:40]))
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            text = str(error)
            leaked += [(how, body[:40], found) for found in private(text, lake)]
            if isinstance(error, flight.FlightInternalError):
                answered.append((how, body[:40], text[:200]))
    assert (answered, leaked) == ([], [])
    assert bob.values("SELECT 1") == [(1,)]


def test_every_forged_login_and_cookie_is_refused(target, raw, bob, lake):
    for headers in LOGINS:
        with flight.FlightClient(target.uri) as client, pytest.raises(flight.FlightUnauthenticatedError) as caught:
            client.get_flight_info(
                flight.FlightDescriptor.for_command(b"SELECT 1"), flight.FlightCallOptions(headers=headers)
            )
        assert private(str(caught.value), lake) == []
    for cookie in (
        b"SESSION_ID=x",
        b"SESSION_ID=../..; SESSION_ID=y",
        b'SESSION_ID="\\"',
        b"=;=;SESSION_ID==",
    ):
        with pytest.raises(flight.FlightUnauthenticatedError):
            called(raw, b"SELECT 1", headers=[(COOKIE, cookie)])
    # Another user's session is not theirs to use.
    session = target.gate.session("bob", None, ())
    with pytest.raises(flight.FlightUnauthenticatedError):
        called(raw, b"SELECT 1", headers=[(COOKIE, f"SESSION_ID={session.id}".encode())])
    # Many headers, and long ones: refused by the transport or simply not read.
    for flood in ([(f"x-{n}".encode(), b"y") for n in range(2000)], [(b"x-long", b"y" * 1_000_000)]):
        with contextlib.suppress(pa.ArrowException, flight.FlightError):
            called(raw, b"SELECT 1", headers=flood)
    for schema in (b'"' * 999, b"." * 999, b"a" * 4000, b"';--"):
        assert called(raw, b"SELECT 1", headers=[(b"schema", schema)]).endpoints
    assert bob.values("SELECT 1") == [(1,)]


def test_connections_that_are_not_flight_harm_nobody(target, bob):
    hello = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 9000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        os.urandom(4096),
        b"",
    ]
    open_ones = []
    for turn in range(60):
        connection = socket.create_connection((target.host, target.port))
        with contextlib.suppress(OSError):
            connection.sendall(hello[turn % len(hello)])
        open_ones.append(connection)
    assert bob.values("SELECT 1") == [(1,)]
    for connection in open_ones:
        connection.close()
    assert bob.values("SELECT 1") == [(1,)]


MANY = "SELECT a.* FROM lakehouse.gold.documents a, lakehouse.gold.documents b, lakehouse.gold.documents c"


def test_readers_that_stop_keep_neither_engines_nor_others(target, ada, bob):
    stuck = [ada.stream(MANY) for _ in range(2)]
    assert bob.values("SELECT 1") == [(1,)]
    quiet(target)
    for stream in stuck:
        stream.cancel()
    assert ada.values("SELECT 1") == [(1,)]


def test_a_thousand_abandoned_streams_leave_nothing_behind(target, ada, bob):
    ticket = ada.info("SELECT document_id FROM lakehouse.gold.documents").endpoints[0].ticket
    for stream in [ada.flight.do_get(ticket, ada.options) for _ in range(20)]:
        stream.cancel()
    quiet(target)
    gc.collect()
    before, engines = resident(), len(target.engines)
    for turn in range(1000):
        stream = ada.flight.do_get(ticket, ada.options)
        if turn % 3 == 0:
            stream.read_chunk()
        if turn % 2 == 0:
            stream.cancel()
        del stream
    quiet(target)
    gc.collect()
    assert resident() - before < 150 * MIB
    assert len(target.engines) <= max(engines, 4)
    assert bob.values("SELECT COUNT(*) FROM lakehouse.gold.documents") == [(40,)]
