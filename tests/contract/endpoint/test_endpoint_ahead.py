"""Large tables that are read before anyone asks: ready for who comes first, bounded, and gone with their release."""

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint import ahead
from lakehouse.tables.release import Release
from tests.waiting import wait_until

AHEAD = {"cache_bytes": 0, "cache_table_bytes": 0, "ahead_bytes": 1_000_000}  # no engine holds tables in memory
ROWS = pa.table({"n": pa.array(range(1000), pa.int64()), "word": [f"word {n}" for n in range(1000)]})
WHOLE = "SELECT * FROM lakehouse.gold.{}"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(ahead, "LOOK_SECONDS", 0.05)


def remove_files(lake):
    for file in lake.warehouse.rglob("*.parquet"):
        file.unlink()


def test_who_asks_first_gets_rows_that_are_ready_and_later_releases_are_read_too(own_lake, new_client):
    own_lake.publish([own_lake.write("gold.words", ROWS)])
    server = own_lake.serve(**AHEAD, kept_seconds=0.0)
    wait_until(lambda: server.kept_tables == 1)
    before = server.kept_bytes
    own_lake.publish([own_lake.write("gold.words", ROWS.slice(500))])
    wait_until(lambda: server.kept_bytes > before and server.kept_tables == 1)
    server._duck.kept.tidy()  # as each second: at a `kept_seconds` of 0, rows that somebody asked for are dropped
    client = new_client(uri=server.uri)
    whole, part = WHOLE.format("words"), WHOLE.format("words") + " WHERE n >= 0"
    for sql in (whole, part):
        client.info(sql)  # plans are remembered
    remove_files(own_lake)
    assert client.fetch(whole).to_pylist() == pa.concat_tables([ROWS.slice(500), ROWS]).to_pylist()
    with pytest.raises(flight.FlightUnavailableError, match="cannot be read now"):
        client.fetch(part)


def test_what_a_release_leaves_out_is_gone_though_nobody_asks(own_lake):
    own_lake.publish([own_lake.write("gold.words", ROWS)])
    server = own_lake.serve(**AHEAD)
    wait_until(lambda: server.kept_tables == 1)
    own_lake.releases.objects.put_new("releases/0000000002.json", Release(2, "2026-01-02T00:00:00+00:00").to_json())
    wait_until(lambda: server.kept_bytes == 0)


def test_the_largest_that_fit_are_read_ahead_and_none_where_it_is_turned_off(own_lake, new_client, caplog):
    caplog.set_level("INFO")
    small = own_lake.write("gold.small", ROWS.slice(0, 100))
    own_lake.publish([own_lake.write("gold.words", ROWS), small])
    off = own_lake.serve(**AHEAD | {"ahead_bytes": 0})
    little = own_lake.serve(**AHEAD | {"ahead_bytes": 8_000})
    # Of the larger one there is told that it has no room: it takes some 30 KB.
    wait_until(lambda: little.kept_tables == 1 and "no room to read ahead" in caplog.text)
    assert 0 < little.kept_bytes < 8_000
    assert off.kept_bytes == 0
    client = new_client(uri=little.uri)
    client.info(WHOLE.format("small"))
    remove_files(own_lake)
    assert client.fetch(WHOLE.format("small")).num_rows == 100


def test_a_table_that_cannot_be_read_is_tried_again(own_lake, monkeypatch, caplog):
    monkeypatch.setattr(ahead, "RETRY_SECONDS", 0.2)
    own_lake.publish([own_lake.write("gold.words", ROWS)])
    server = own_lake.serve(**AHEAD | {"ahead_bytes": 0})
    read, failed = server._duck.read_ahead, []

    def fails_once(relation, going_on):
        if not failed:
            failed.append(relation)
            raise ahead.BusyError("no engine now")
        return read(relation, going_on)

    monkeypatch.setattr(server._duck, "read_ahead", fails_once)
    server._duck.kept.ahead_bytes = 1_000_000
    reading = ahead.Ahead(server._duck._config, server._duck, server.catalogues)
    try:
        wait_until(lambda: server.kept_tables == 1)
    finally:
        reading.close()
    assert "could not read ahead" in caplog.text
