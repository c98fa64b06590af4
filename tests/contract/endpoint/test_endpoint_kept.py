"""Rows of large tables that are handed out again: the same, for who may see them, and never once they are gone."""

import datetime as dt
import decimal
import gc
import threading
import time
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as flight
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.archive.eds import Description
from lakehouse.archive.terms import terms_rows
from lakehouse.definition import Column, TableDefinition
from lakehouse.endpoint import catalogue, executor
from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.reading import read
from lakehouse.endpoint.server import serve
from lakehouse.errors import ServiceUnavailableError
from lakehouse.policy.statements import StatementLog
from lakehouse.policy.users import UsersFile
from lakehouse.ports import Cleaned, DatasetVersion, TableWrite
from tests.waiting import wait_until

# As tables are read that are too large for engines to keep; nothing is read ahead, which would keep them at any time.
FROM_FILES = {"cache_bytes": 0, "cache_table_bytes": 0, "ahead_bytes": 0}
KINDS = pa.table(
    {
        "n": pa.array([3, None, -1], pa.int64()),
        "t": pa.array([1_000_123, None, -1], pa.timestamp("us", tz="UTC")),
        "d": pa.array([dt.date(2026, 1, 31), None, dt.date(1900, 1, 1)]),
        "price": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")], pa.decimal128(9, 2)),
        "word": ["é", None, ""],
        "words": pa.array([["a", None], None, []], pa.list_(pa.string())),
        "both": pa.array([{"x": 1, "y": "z"}, None, {"x": None, "y": ""}]),
        "raw": pa.array([b"\x00\xff", None, b""], pa.binary()),
        "yes": [True, None, False],
    }
)
READS = [
    "SELECT * FROM lakehouse.gold.kinds",
    'SELECT * FROM "lakehouse"."gold"."kinds" AS k',
    "SELECT word, n, word FROM lakehouse.gold.kinds",
    "SELECT K.t, k.* FROM lakehouse.gold.kinds AS k",
    "SELECT both, words FROM lakehouse.gold.kinds LIMIT 2",
    "SELECT * FROM lakehouse.gold.kinds LIMIT 0",
]
WHOLE = READS[0]


def test_rows_that_were_read_whole_come_again_without_their_files(own_lake, new_client):
    own_lake.publish([own_lake.write("gold.kinds", KINDS)])
    server = own_lake.serve(**FROM_FILES)
    client = new_client(uri=server.uri)
    read = [client.fetch(sql) for sql in READS[1:]]
    assert server.kept_bytes > 0, "the second of them reads everything"
    for file in own_lake.warehouse.rglob("*.parquet"):
        file.unlink()
    again = [client.fetch(sql) for sql in READS[1:]]
    assert [(one.schema, one.to_pylist()) for one in again] == [(one.schema, one.to_pylist()) for one in read]
    assert client.fetch(WHOLE).to_pylist() == read[0].to_pylist()
    with pytest.raises(flight.FlightUnavailableError, match="cannot be read now"):
        client.fetch("SELECT n FROM lakehouse.gold.kinds WHERE n > 0")


def test_nothing_is_kept_of_small_tables_views_parts_other_snapshots_and_half_read_statements(own_lake, new_client):
    first = own_lake.write("gold.kinds", KINDS)
    own_lake.publish([own_lake.write("gold.kinds", KINDS)], {"kpi.all": WHOLE.lower()})
    server = own_lake.serve(**FROM_FILES)
    client = new_client(uri=server.uri)
    for sql in (
        f"{WHOLE} WHERE yes",
        f"{WHOLE} LIMIT 2",
        "SELECT n FROM lakehouse.gold.kinds",
        "SELECT * FROM kpi.all",
        f"{WHOLE} AT SNAPSHOT '{first.snapshot_id}'",
        f"SELECT * FROM ({WHOLE}) AS k",
    ):
        client.fetch(sql)
        assert server.kept_bytes == 0, sql
    in_memory = own_lake.serve()
    new_client(uri=in_memory.uri).fetch(WHOLE)
    assert in_memory.kept_bytes == 0
    refused = own_lake.serve(**FROM_FILES, result_rows=5)
    with pytest.raises(flight.FlightUnavailableError, match="more than 5 rows"):
        new_client(uri=refused.uri).fetch(WHOLE)
    assert refused.kept_bytes == 0


def test_rows_of_a_large_table_that_engines_hold_are_kept_too(own_lake, new_client, monkeypatch):
    monkeypatch.setattr("lakehouse.endpoint.duck.LARGE_BYTES", 0)
    own_lake.publish([own_lake.write("gold.kinds", KINDS)])
    server = own_lake.serve()
    client = new_client(uri=server.uri)
    first = client.fetch(WHOLE)
    assert server.kept_bytes > 0
    again = client.fetch(WHOLE)
    assert (again.schema, again.to_pylist()) == (first.schema, first.to_pylist())


def kept_lake(own_lake, new_client, **options):
    """Serve a table whose rows are kept; return its server, two clients and a statement that reads it."""
    own_lake.publish([own_lake.write("gold.kinds", KINDS)])
    server = own_lake.serve(**FROM_FILES, **options)
    client, other = new_client(uri=server.uri), new_client(uri=server.uri)
    assert client.fetch(WHOLE).num_rows == KINDS.num_rows
    assert server.kept_bytes > 0
    return server, client, other


def test_rows_that_a_release_left_out_are_gone_while_its_catalogue_is_being_built(own_lake, new_client, monkeypatch):
    server, client, other = kept_lake(own_lake, new_client)
    building, go_on = threading.Event(), threading.Event()
    build = catalogue.build

    def slowly(*given):
        building.set()
        assert go_on.wait(60.0)
        return build(*given)

    monkeypatch.setattr(catalogue, "build", slowly)
    planned = other.info(WHOLE).endpoints[0].ticket
    own_lake.publish([own_lake.write("gold.kinds", KINDS.slice(1))])
    builder = threading.Thread(target=client.fetch, args=("SELECT 1",))
    builder.start()
    try:
        assert building.wait(60.0)
        assert server.kept_bytes == 0
        for file in own_lake.warehouse.rglob("*.parquet"):
            file.unlink()
        with pytest.raises(flight.FlightUnavailableError, match="cannot be read now"):
            other.flight.do_get(planned, other.options).read_all()
    finally:
        go_on.set()
        builder.join()


def test_rows_that_a_release_left_out_are_gone_where_its_catalogue_cannot_be_built(own_lake, new_client, monkeypatch):
    server, client, _ = kept_lake(own_lake, new_client)

    def fails(*_given):
        raise ServiceUnavailableError("the metadata of a table cannot be read; start the storage")

    monkeypatch.setattr(catalogue, "build", fails)
    own_lake.publish([own_lake.write("gold.kinds", KINDS.slice(1))])
    with pytest.raises(flight.FlightError):
        client.fetch(WHOLE)
    assert server.kept_bytes == 0
    monkeypatch.undo()
    assert client.fetch(WHOLE).num_rows == 2 * KINDS.num_rows - 1


def test_nothing_is_handed_out_again_while_the_release_log_cannot_be_read(own_lake, new_client, monkeypatch):
    server, client, _ = kept_lake(own_lake, new_client)

    def fails():
        raise ServiceUnavailableError("the release log cannot be read; start the storage")

    monkeypatch.setattr(server.catalogues, "_newest", fails)
    assert client.fetch(WHOLE).num_rows == KINDS.num_rows, "from its files, of the last release that was read"
    assert server.kept_bytes == 0
    monkeypatch.undo()
    client.fetch(WHOLE)
    assert server.kept_bytes > 0, "kept again, though no newer release came"


def test_a_statement_that_waited_for_its_place_gets_no_rows_that_went_meanwhile(own_lake, new_client):
    server, _, other = kept_lake(own_lake, new_client, concurrent_statements=1, queue_seconds=60.0)
    held = server._duck.pool.lend("ada", idle=lambda: None)
    with held:
        planned = other.info(WHOLE).endpoints[0].ticket
        late = other.flight.do_get(planned, other.options)
        wait_until(lambda: server.waiting == 1)
        own_lake.publish([own_lake.write("gold.kinds", KINDS.slice(1))])
        for file in own_lake.warehouse.rglob("*.parquet"):
            file.unlink()
    with pytest.raises(flight.FlightUnavailableError, match="cannot be read now"):
        late.read_all()
    assert server.kept_bytes == 0


@pytest.mark.parametrize("options", [FROM_FILES, {}], ids=["kept by the endpoint", "held by engines"])
def test_a_withdrawal_leaves_nothing_of_the_rows_that_were_kept(own_lake, new_client, options):
    """A real withdrawal of one person, by the adapter that the archive uses, after everybody's rows were kept."""
    tables = IcebergTables.local(own_lake.warehouse)
    people = TableDefinition(
        name="silver.people", grain="one row per person", key=("name",), columns=(Column("name", pa.string(), "Name."),)
    )
    tables.ensure(people)
    tables.advance(tables.stage(TableWrite(people, pa.table({"name": ["ann", "bo"]})), "audit", {"lakehouse.key": "0"}))
    own_lake.publish([tables.pointer("silver.people")])
    server = own_lake.serve(**options)
    client = new_client(uri=server.uri)
    everybody = "SELECT * FROM lakehouse.silver.people"
    assert sorted(client.values(everybody)) == [("ann",), ("bo",)]
    with_both = server.kept_bytes
    assert with_both > 0 or not options
    planned = client.info(everybody).endpoints[0].ticket

    def without_bo(rows):
        kept = rows.filter(pc.not_equal(rows["name"], "bo"))
        return Cleaned(kept, removed=rows.num_rows - kept.num_rows, changed=kept.num_rows < rows.num_rows)

    tables.rewrite("silver.people", without_bo, "r1", lambda key: key)
    tables.sweep("silver.people")
    own_lake.publish([tables.pointer("silver.people")])
    assert client.flight.do_get(planned, client.options).read_all().to_pylist() == [{"name": "ann"}]
    assert client.values(everybody) == [("ann",)]
    assert server.kept_bytes <= with_both
    assert bool(server.kept_bytes) is bool(options), "kept again where it was"
    tables.close()


POLICY = """\
tables:
  course_students: {masks: {postcode: {first: 2}}, rows: {office: {region: [Wales]}, steward: all}}
roles: {steward: [registered, restricted, identifiers, rows], office: [rows]}
users:
  root: {roles: [steward], purposes: [research], default_purpose: research}
  wales: {roles: [office], purposes: [research], default_purpose: research}
"""
COLUMN = {"type": "string", "description": "A column."}
STUDENTS = pa.table(
    {
        "student": ["1", "2"],
        "region": ["Wales", "Kent"],
        "postcode": ["CF10 1AA", "ME1 1XX"],
        "dataset_version": ["1", "1"],
    }
)


def course_terms():
    columns = {name: COLUMN for name in ("student", "region", "postcode")}
    students = {"name": "students", "description": "T.", "grain": "one row", "columns": columns}
    fields = {"eds_version": "1.0", "name": "course", "version": "1", "title": "T", "description": "D"}
    more = {"accumulates": "waves", "licence": "CC-BY-4.0", "tables": {"students": students}}
    saved = DatasetVersion("course", "1", "c" * 40, "v1", "0" * 64, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return terms_rows(Description.model_validate({**fields, **more}), saved)


def test_rows_that_one_may_see_are_not_handed_to_another(own_lake, new_client, tmp_path):
    own_lake.publish(
        [own_lake.write("silver.course_students", STUDENTS), own_lake.write("archive.terms", course_terms())]
    )
    policy = UsersFile(tmp_path / "policy.yaml", "lakehouse")
    policy.path.write_text(POLICY)
    passwords = {"root": "pass-root", "wales": "pass-wales"}
    config = EndpointConfig(
        users=passwords, roots=(str(own_lake.warehouse),), port=0, poll_seconds=0.0, warm_engines=1, **FROM_FILES
    )
    server = serve(config, own_lake.releases, AccessRules(policy.current, lambda _denied: None))
    try:
        root, wales = (new_client(uri=server.uri, user=name, password=passwords[name]) for name in passwords)
        sql = "SELECT student, region, postcode FROM lakehouse.silver.course_students"
        before = wales.values(sql)
        assert before == [("1", "Wales", "CF")]
        everything = root.fetch("SELECT * FROM lakehouse.silver.course_students")
        assert everything.num_rows == 2
        assert everything["postcode"].to_pylist() == ["CF10 1AA", "ME1 1XX"]
        assert server.kept_bytes > 0
        assert wales.values(sql) == before
        assert wales.values(sql.replace("student, region, postcode", "*"))[0][:3] == before[0]
        assert wales.values(sql + " LIMIT 5") == before
    finally:
        server.stop()


def test_a_result_that_is_too_large_gives_its_place_back_though_its_error_is_recorded(own_lake, new_client, tmp_path):
    own_lake.publish([own_lake.write("gold.kinds", KINDS)])
    policy = UsersFile(tmp_path / "policy.yaml", "lakehouse")
    policy.path.write_text(POLICY)
    rules = AccessRules(policy.current, lambda _: None, StatementLog(tmp_path / "statements", lambda: 1, read))
    config = EndpointConfig(
        users={"root": "pass-root"}, roots=(str(own_lake.warehouse),), port=0, result_rows=2, **FROM_FILES
    )
    server = serve(config, own_lake.releases, rules)
    gc.disable()  # which would find the engine some time, too
    try:
        client = new_client(uri=server.uri, user="root", password="pass-root")
        for _ in range(2):
            with pytest.raises(flight.FlightUnavailableError, match="more than 2 rows"):
                client.fetch(WHOLE)
            wait_until(lambda: server.running == 0)
            assert server.kept_bytes == 0
    finally:
        gc.enable()
        server.stop()


def test_kept_rows_are_bounded_like_all_others(own_lake, new_client, monkeypatch):
    # Some 36 MB go into the buffers of the transport though nobody reads them; this must be far more than that.
    rows = pa.table({"t": [f"{number:0>2500}" for number in range(40_000)]})
    own_lake.publish([own_lake.write("gold.wide", rows)])
    server = own_lake.serve(
        **FROM_FILES, concurrent_statements=1, waiting_statements=1, queue_seconds=600.0, statement_seconds=300.0
    )
    client, other = new_client(uri=server.uri), new_client(uri=server.uri)
    wide = "SELECT * FROM lakehouse.gold.wide"
    assert client.fetch(wide).equals(rows)
    assert server.kept_bytes > 100_000_000
    stuck = client.stream(wide)
    stuck.read_chunk()
    assert server.running == 1, "it takes a place, though no engine works for it"
    planned = other.info(wide).endpoints[0].ticket
    waiting = other.flight.do_get(planned, other.options)
    wait_until(lambda: server.waiting == 1)
    later = time.monotonic() + 301.0
    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: later))
    with pytest.raises(flight.FlightTimedOutError):
        stuck.read_all()
    monkeypatch.undo()
    assert waiting.read_all().num_rows == 40_000, "once the other one's time is over"
    cancelled = client.stream(wide)
    cancelled.read_chunk()
    cancelled.cancel()
    wait_until(lambda: server.running == 0)
    assert client.fetch(wide + " LIMIT 3")["t"].to_pylist() == rows["t"].to_pylist()[:3]
