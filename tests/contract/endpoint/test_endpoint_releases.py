"""Releases as SQL sees them: on a folder and on S3, switched in one step, never mixed."""

import io

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from sqlglot import parse_one
from urllib3 import PoolManager

from lakehouse.adapters.s3_client import s3_client
from lakehouse.endpoint import soundness
from lakehouse.endpoint.config import EndpointConfig, S3Access
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import DamagedTableError
from lakehouse.endpoint.server import serve
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError
from lakehouse.ports import TableWrite
from lakehouse.tables.release import Release, View

USER, PASSWORD = "ada", "correct horse battery 1"


def numbers(*values):
    return pa.table({"n": pa.array(values, pa.int64())})


def test_a_new_release_is_visible_to_the_next_statement(own_lake, new_client):
    own_lake.publish(
        [own_lake.write("gold.numbers", numbers(1, 2))], {"kpi.total": "select sum(n) as s from lakehouse.gold.numbers"}
    )
    client = new_client(uri=own_lake.serve().uri)
    assert client.values("SELECT s FROM kpi.total") == [(3,)]
    second = own_lake.write("gold.numbers", numbers(10))
    assert client.values("SELECT s FROM kpi.total") == [(3,)], "rows that are not published must not be seen"
    own_lake.publish([second], {"kpi.twice": "select 2 * sum(n) as s from lakehouse.gold.numbers"})
    assert client.values("SELECT s FROM kpi.twice") == [(26,)]
    with pytest.raises(pa.ArrowInvalid, match="not found"):
        client.values("SELECT s FROM kpi.total")


def test_a_statement_that_was_planned_reads_the_release_there_is_when_its_rows_are_fetched(own_lake, new_client):
    own_lake.publish([own_lake.write("gold.numbers", numbers(1, 2))])
    client = new_client(uri=own_lake.serve().uri)
    count, every = (f"SELECT {what} FROM lakehouse.gold.numbers" for what in ("COUNT(*) AS n", "*"))
    planned, shaped = (client.info(sql).endpoints[0].ticket for sql in (count, every))
    wider = pa.table({"n": pa.array([3], pa.int64()), "extra": ["x"]})
    own_lake.publish([own_lake.write("gold.wider", wider)])
    assert client.flight.do_get(planned, client.options).read_all().to_pylist() == [{"n": 2}]
    again = client.info(count).endpoints[0].ticket
    with own_lake.catalog.load_table("gold.numbers").update_schema() as change:
        change.union_by_name(wider.schema)
    own_lake.publish([own_lake.write("gold.numbers", wider)])
    assert client.flight.do_get(again, client.options).read_all().to_pylist() == [{"n": 3}]
    with pytest.raises(flight.FlightUnavailableError, match="the tables changed after this statement was planned"):
        client.flight.do_get(shaped, client.options).read_all()
    assert client.fetch(every).num_columns == 2, "the session goes on"


@pytest.mark.parametrize("cache_bytes", [0, 10**9], ids=["scanned from files", "kept in memory"])
def test_rows_are_the_same_from_files_and_from_memory(own_lake, new_client, cache_bytes):
    values = pa.table({"n": pa.array([3, None, 1]), "t": pa.array([1_000_123, None, -1], pa.timestamp("us", tz="UTC"))})
    own_lake.publish([own_lake.write("gold.mixed", values)])
    client = new_client(uri=own_lake.serve(cache_bytes=cache_bytes, cache_table_bytes=cache_bytes).uri)
    table = client.fetch("SELECT n, t FROM lakehouse.gold.mixed ORDER BY n")
    assert table["n"].to_pylist() == [1, 3, None]
    assert table["t"].cast(pa.int64()).to_pylist() == [-1, 1000, None]


def test_a_table_whose_columns_changed_shows_the_pinned_ones(own_lake, new_client):
    first = own_lake.write("gold.wide", numbers(1))
    table = own_lake.catalog.load_table("gold.wide")
    with table.update_schema() as change:
        change.union_by_name(pa.schema([("n", pa.int64()), ("extra", pa.string())]))
    table.append(pa.table({"n": pa.array([2], pa.int64()), "extra": ["x"]}))
    table.delete("n = 1")
    own_lake.publish([first])
    client = new_client(uri=own_lake.serve().uri)
    assert client.fetch("SELECT * FROM lakehouse.gold.wide").to_pylist() == [{"n": 1}]
    own_lake.publish([own_lake.pointer("gold.wide")])
    assert client.fetch("SELECT * FROM lakehouse.gold.wide").to_pylist() == [{"n": 2, "extra": "x"}]


def test_a_table_without_rows_or_snapshot_is_empty(own_lake, new_client):
    own_lake.publish([own_lake.write("gold.numbers", numbers())])
    client = new_client(uri=own_lake.serve().uri)
    assert client.fetch("SELECT n FROM lakehouse.gold.numbers").to_pydict() == {"n": []}
    assert client.values("SELECT COUNT(*) FROM lakehouse.gold.numbers") == [(0,)]


def test_before_the_first_release_there_is_nothing_but_metadata(own_lake, new_client):
    client = new_client(uri=own_lake.serve().uri)
    assert client.values("SELECT 1") == [(1,)]
    with pytest.raises(pa.ArrowInvalid, match="not found"):
        client.values("SELECT * FROM lakehouse.gold.documents")


def test_a_table_whose_files_are_gone_is_unavailable_without_naming_paths(own_lake, new_client):
    own_lake.publish([own_lake.write("gold.numbers", numbers(1)), own_lake.write("gold.others", numbers(2))])
    for file in (own_lake.warehouse / "gold" / "numbers").rglob("*"):
        if file.is_file():
            file.unlink()
    client = new_client(uri=own_lake.serve().uri)
    with pytest.raises(flight.FlightUnavailableError) as caught:
        client.values("SELECT * FROM lakehouse.gold.numbers")
    assert "gold.numbers cannot be read" in str(caught.value)
    assert str(own_lake.warehouse) not in str(caught.value)
    assert client.values("SELECT n FROM lakehouse.gold.others") == [(2,)]


def test_tables_outside_the_allowed_roots_cannot_be_read(own_lake, new_client, tmp_path):
    own_lake.publish([own_lake.write("gold.numbers", numbers(1))])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    config = EndpointConfig(users={USER: PASSWORD}, roots=(str(elsewhere),), port=0)
    server = serve(config, own_lake.releases)
    try:
        with pytest.raises((pa.ArrowInvalid, flight.FlightError), match="cannot be read"):
            new_client(uri=server.uri).values("SELECT * FROM lakehouse.gold.numbers")
    finally:
        server.stop()


def test_no_users_and_a_taken_port_are_refused_at_the_start(own_lake, server):
    roots = (str(own_lake.warehouse),)
    with pytest.raises(UnknownSettingError, match="no users"):
        serve(EndpointConfig(users={"ada": ""}, roots=roots, port=0), own_lake.releases)
    with pytest.raises(ServiceUnavailableError, match="cannot listen"):
        serve(EndpointConfig(users={USER: PASSWORD}, roots=roots, port=server.port), own_lake.releases)


def test_files_that_come_back_are_read_without_a_new_release(own_lake, new_client, monkeypatch):
    monkeypatch.setattr("lakehouse.endpoint.catalogue.RETRY_SECONDS", 0.0)
    own_lake.publish([own_lake.write("gold.numbers", numbers(1))], {"kpi.n": "select n from lakehouse.gold.numbers"})
    folder = own_lake.warehouse / "gold" / "numbers"
    folder.rename(folder.with_name("away"))
    client = new_client(uri=own_lake.serve().uri)
    with pytest.raises(flight.FlightUnavailableError, match="try again later"):
        client.values("SELECT * FROM lakehouse.gold.numbers")
    folder.with_name("away").rename(folder)
    assert client.values("SELECT n FROM kpi.n") == [(1,)]
    assert ("kpi", "n") in client.values("SHOW TABLES")


@pytest.mark.servers
def test_tables_on_s3_are_served_and_only_from_their_bucket(seaweed, new_table, marks_of, new_client):
    tables, objects = seaweed.tables(), seaweed.objects()
    marks = new_table("_sql")
    tables.ensure(marks)
    tables.advance(tables.stage(TableWrite(marks, marks_of("ann", "bo"), "append"), "audit-sql", {}))
    pins = {marks.name: tables.pointer(marks.name)}
    views = {"kpi.marks": View("kpi.marks", f"select student from lakehouse.{marks.name}")}
    release = Release(number=1, created_at="2026-01-01T00:00:00.000+00:00", tables=pins, views=views)

    class OneRelease:
        def current(self):
            return release

    access = S3Access(objects.endpoint, objects.access_key, objects.secret_key)
    for cache_bytes in (0, 10**8):
        server = serve(
            EndpointConfig(
                users={USER: PASSWORD}, roots=("s3://icewh",), port=0, s3=access,
                cache_bytes=cache_bytes, cache_table_bytes=cache_bytes,
            ),
            OneRelease(),
        )  # fmt: skip
        try:
            assert new_client(uri=server.uri).values("SELECT student FROM kpi.marks ORDER BY 1") == [("ann",), ("bo",)]
        finally:
            server.stop()
    tables.close()


@pytest.mark.servers
@pytest.mark.parametrize("storage", ["seaweed", "minio"])
def test_what_changed_on_s3_is_seen_by_a_list_of_the_folder_and_by_a_look_at_each_file(
    storage, request, tmp_path, new_table, marks_of, monkeypatch
):
    server, marks = request.getfixturevalue(storage), new_table("_turned")
    objects = server.objects()
    tables = server.tables(tmp_path / "catalog.sqlite") if storage == "minio" else server.tables()
    tables.ensure(marks)
    for number, student in enumerate(("ann", "bo", "cy")):
        tables.advance(tables.stage(TableWrite(marks, marks_of(student), "append"), f"audit-{number}", {}))
    pin = tables.pointer(marks.name)
    tables.close()
    reader = server.keys["reader"] if storage == "minio" else (objects.access_key, objects.secret_key)
    config = EndpointConfig(
        users={}, roots=("s3://icewh",), s3=S3Access(objects.endpoint, *reader), cache_table_bytes=0
    )  # fmt: skip
    asked, told = [], soundness._told

    def look(paths, parts, values, of=None):
        asked.append(list(of or paths))
        return told(paths, parts, values, of)

    duck = Duck(config)
    try:
        shown = duck.pin(pin)
        query = parse_one(f"select count(*) as n, sum(mark) as marks from {shown.qualified}")
        monkeypatch.setattr(soundness, "_told", look)
        sound = duck.read(query).to_pylist()
        assert sound == [{"n": 3, "marks": 7.0}]
        assert asked == [list(shown.sealed)], "what is sound is asked about once and not hashed again"
        folder = shown.sealed[0].rpartition("/")[0]
        monkeypatch.setattr(soundness, "LISTED", 2)
        asked.clear()
        assert duck.read(query).to_pylist() == sound
        assert asked == [[f"{folder}/*"]], "one list, whose marks are those of the single files"
        with monkeypatch.context() as crowded:
            crowded.setattr(soundness, "CROWDED", 0)
            assert duck.read(query).to_pylist() == sound
        assert asked[1:] == [list(shown.sealed)], "no list of a folder that holds many other files"
        client = s3_client(objects.endpoint, objects.access_key, objects.secret_key, secure=False, pool=PoolManager())
        key = shown.sealed[1].removeprefix("s3://icewh/")
        body = client.get_object("icewh", key).read()
        turned = body[:20] + bytes([body[20] ^ 1]) + body[21:] + b"!"
        client.put_object("icewh", key, io.BytesIO(turned), len(turned))
        for listed in (2, 1000):
            monkeypatch.setattr(soundness, "LISTED", listed)
            with pytest.raises(DamagedTableError) as raised:
                duck.read(query)
            assert raised.value.path == shown.sealed[1]
        client.put_object("icewh", key, io.BytesIO(body), len(body))
        assert duck.read(query).to_pylist() == sound
    finally:
        duck.close()
