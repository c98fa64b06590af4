"""A stored byte that changed is an error that names the file: never other rows, another release, or a crash."""

import contextlib
import os
import random
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlglot import parse_one

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_seal import SealedFileIO
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import DamagedTableError
from lakehouse.endpoint.process import EngineDiedError
from lakehouse.errors import ChecksumError, LakehouseError
from lakehouse.ports import TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

SEED = 20261127
FILES = 10_000
READS = 250
QUERIES = 100


@pytest.fixture
def lake(tmp_path, new_table, marks_of, provenance):
    """A published table of several commits, with every file that its current release is made of."""
    objects = LocalObjects(tmp_path / "objects")
    house = Lakehouse(IcebergTables.local(tmp_path / "tables"), objects, ReleaseLog(objects))
    table = new_table()
    for number in range(4):
        rows = marks_of(*(f"s{number}-{one}" for one in range(200)))
        write_audit_publish(house, [TableWrite(table, rows)], key=f"k{number}", provenance=provenance)
    yield house, table
    house.tables.close()


def parts(house, table):
    """Return the files that reading the table's current rows needs, by what they are."""
    stored = house.tables._catalog.load_table(table.name)
    head = stored.current_snapshot()
    manifests = head.manifests(stored.io)
    rows = [one.data_file.file_path for each in manifests for one in each.fetch_manifest_entry(stored.io)]
    found = {
        "metadata": [stored.metadata_location],
        "manifest list": [head.manifest_list],
        "manifest": [one.manifest_path for one in manifests],
        "rows": rows,
    }
    return {what: [Path(path.removeprefix("file://")) for path in paths] for what, paths in found.items()}


def damaged(draw, body, others):
    """Return bytes that differ from `body`, as a bad disk or a mixed-up block makes them."""
    while True:
        kind = draw.choice(("flip", "cut", "zeroes", "swap", "longer", "shifted"))
        at = draw.randrange(len(body))
        if kind == "flip":
            new = body[:at] + bytes([body[at] ^ 1 << draw.randrange(8)]) + body[at + 1 :]
        elif kind == "cut":
            new = body[:at]
        elif kind == "zeroes":
            end = min(len(body), at + draw.choice((1, 16, 512, 4096)))
            new = body[:at] + bytes(end - at) + body[end:]
        elif kind == "swap":
            new = draw.choice(others)
        elif kind == "longer":
            new = body + draw.randbytes(draw.randrange(1, 64))
        else:
            new = body[at:] + body[:at]
        if new != body:
            return new


@pytest.mark.timeout(900)
def test_ten_thousand_damaged_files_give_ten_thousand_errors_that_name_the_file(lake):
    house, table = lake
    draw = random.Random(SEED)
    pin = Path(house.releases.current().tables[table.name].metadata_location.removeprefix("file://"))
    paths = sorted(path for group in [*parts(house, table).values(), [pin]] for path in group)
    bodies = {path: path.read_bytes() for path in paths}
    files = SealedFileIO()
    refused = 0
    for _ in range(FILES):
        path = draw.choice(paths)
        path.write_bytes(damaged(draw, bodies[path], list(bodies.values())))
        with pytest.raises(ChecksumError, match=path.name):
            files.new_input(f"file://{path}").open().read()
        refused += 1
        path.write_bytes(bodies[path])
    assert refused == FILES, f"seed {SEED}"
    assert house.tables.read(table.name).num_rows == 800


@pytest.mark.parametrize("what", ["metadata", "manifest list", "manifest", "rows"])
def test_reading_a_table_with_one_damaged_file_gives_an_error_and_no_rows(lake, what):
    house, table = lake
    draw = random.Random(f"{SEED} {what}")
    bodies = {path: path.read_bytes() for group in parts(house, table).values() for path in group}
    for _ in range(READS // 4):
        path = draw.choice(parts(house, table)[what])
        path.write_bytes(damaged(draw, bodies[path], list(bodies.values())))
        with pytest.raises(ChecksumError, match=path.name) as raised:
            house.tables.read(table.name)
        assert raised.value.exit_code == 26, f"seed {SEED}"
        path.write_bytes(bodies[path])
    assert house.tables.read(table.name).num_rows == 800


def test_sql_and_dashboards_are_refused_a_table_with_one_damaged_file(lake, tmp_path):
    house, table = lake
    draw = random.Random(f"{SEED} sql")
    pin = house.releases.current().tables[table.name]
    groups = parts(house, table) | {"metadata": [Path(pin.metadata_location.removeprefix("file://"))]}
    paths = [path for group in groups.values() for path in group]
    bodies = {path: path.read_bytes() for path in paths}
    config = EndpointConfig(roots=(f"file://{tmp_path / 'tables'}",), users={})
    duck = Duck(config)
    for _ in range(QUERIES):
        path = draw.choice(groups[draw.choice(sorted(groups))])
        path.write_bytes(damaged(draw, bodies[path], list(bodies.values())))
        with pytest.raises(DamagedTableError, match=f"table {table.name} is damaged") as raised:
            duck.pin(pin)
        assert Path(raised.value.path.removeprefix("file://")) == path, f"seed {SEED}"
        path.write_bytes(bodies[path])
    assert duck.pin(pin).schema.names == ["student", "course", "mark"]
    duck.close()


@pytest.fixture
def pinned(lake, tmp_path):
    """Pin the table by an endpoint with some settings; return a question about its rows, its files, and the engines."""
    house, table = lake
    with contextlib.ExitStack() as opened:

        def pin(**settings):
            duck = Duck(EndpointConfig(roots=(f"file://{tmp_path / 'tables'}",), users={}, **settings))
            opened.callback(duck.close)
            shown = duck.pin(house.releases.current().tables[table.name])
            opened.callback(lambda: shown)  # an engine drops what nobody holds any more
            query = parse_one(f"select count(*) as n, sum(mark) as marks from {shown.qualified}")
            return lambda: duck.read(query).to_pylist(), parts(house, table)["rows"], duck.pool

        yield pin


def test_sql_reads_no_file_that_turned_after_its_table_was_pinned(pinned):
    ask, paths, _ = pinned(cache_table_bytes=0)  # as of tables that are too large to be kept in memory
    draw, sound = random.Random(f"{SEED} pinned"), ask()
    bodies = {path: path.read_bytes() for path in paths}
    for _ in range(QUERIES // 4):
        path = draw.choice(paths)
        path.write_bytes(damaged(draw, bodies[path], list(bodies.values())))
        with pytest.raises(DamagedTableError) as raised:
            ask()
        assert Path(raised.value.path.removeprefix("file://")) == path, f"seed {SEED}"
        path.write_bytes(bodies[path])
    assert ask() == sound


def test_an_engine_that_starts_later_reads_no_file_that_turned_meanwhile(pinned):
    ask, (path, *_), pool = pinned()
    body, sound = path.read_bytes(), ask()
    path.write_bytes(body[:-200] + bytes([body[-200] ^ 1]) + body[-199:])
    for pid in pool.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def answers():
        for _ in range(20):
            with contextlib.suppress(EngineDiedError):
                yield ask()

    with pytest.raises(DamagedTableError):
        assert all(one == sound for one in answers()), "only an engine that had read it before may answer"
    path.write_bytes(body)
    assert next(answers()) == sound


def test_a_damaged_release_is_an_error_and_never_another_release(lake, tmp_path):
    house, _ = lake
    draw = random.Random(f"{SEED} release")
    path = max((tmp_path / "objects" / "releases").iterdir())
    body = path.read_bytes()
    others = [one.read_bytes() for one in sorted((tmp_path / "objects" / "releases").iterdir())]
    for _ in range(2_000):
        new = damaged(draw, body, others)
        if new in others:
            continue  # a whole other release is none that a reader could tell from its bytes; see its number below
        path.write_bytes(new)
        with pytest.raises(ChecksumError, match="release"):
            house.releases.current()
    path.write_bytes(others[0])
    with pytest.raises(LakehouseError):
        house.releases.current()
    path.write_bytes(body)
    assert house.releases.current().number == 4


def test_every_parquet_file_carries_page_checksums_that_other_readers_can_verify(lake):
    house, table = lake
    for path in parts(house, table)["rows"]:
        body = bytearray(path.read_bytes())
        column = pq.read_metadata(path).row_group(0).column(2)
        start = column.dictionary_page_offset or column.data_page_offset
        body[start + column.total_compressed_size - 1] ^= 1
        copy = path.with_name("copy.parquet")
        copy.write_bytes(bytes(body))
        with pytest.raises(OSError, match=r"(?i)crc|checksum"):
            pq.read_table(copy, page_checksum_verification=True)
        copy.unlink()
