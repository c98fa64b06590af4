"""Large tables that are read from a list of their files: the same rows, and never where a list would show others."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, StringType

from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.plain_reads import PlainRead

N = pa.schema([("n", pa.int64())])
ROWS = pa.table({"n": pa.array([1, 2, None], pa.int32()), "word": ["a", "b", "c"]})
ID = {b"PARQUET:field_id": b"2147483546"}, {b"PARQUET:field_id": b"2147483545"}


@pytest.fixture(scope="module")
def lake(load, tmp_path_factory):
    lake = load("sample_lake").SampleLake(tmp_path_factory.mktemp("listing"))
    yield lake
    lake.close()


@pytest.fixture(scope="module")
def duck(lake):
    duck = Duck(
        EndpointConfig(users={}, roots=(str(lake.warehouse),), cache_bytes=0, cache_table_bytes=0, warm_engines=1)
    )
    yield duck
    duck.close()


def shown(duck, pointer):
    """Return whether a table is read from a list of its files, and its rows."""
    relation = duck.pin(pointer)
    query = f"select * from {relation.qualified} order by all"
    rows = pa.Table.from_batches(list(duck.stream("ada", query, relation.schema, lambda: None, lambda: None)))
    listed, scanned = (name in relation.statement for name in ("READ_PARQUET", "ICEBERG_SCAN"))
    assert listed != scanned
    return listed, [tuple(row.values()) for row in rows.to_pylist()]


def test_files_of_one_schema_are_listed_and_show_each_snapshots_own_rows(lake, duck):
    first, second = lake.write("gold.plain", ROWS), lake.write("gold.plain", ROWS)
    once = [(1, "a"), (2, "b"), (None, "c")]
    assert shown(duck, first) == (True, once)
    assert shown(duck, second) == (True, sorted(once * 2, key=str))


def test_a_table_that_was_upgraded_shows_what_was_written_before(lake, duck):
    lake.catalog.create_namespace_if_not_exists("gold")
    table = lake.catalog.create_table("gold.upgraded", ROWS.schema, properties={"format-version": "1"})
    table.append(ROWS)
    with table.transaction() as change:
        change.upgrade_table_version(2)
    pointer = lake.write("gold.upgraded", ROWS)
    _, rows = shown(duck, pointer)
    assert rows == sorted([(1, "a"), (2, "b"), (None, "c")] * 2, key=str)


def test_rows_come_in_the_order_that_the_metadata_give_the_files(lake, duck):
    for first in (20, 10, 30):
        pointer = lake.write("gold.ordered", pa.table({"n": [first, first + 1]}))
    text = f"select n from {duck.pin(pointer).qualified}"
    batches = duck.stream("ada", text, N, lambda: None, lambda: None)
    assert pa.Table.from_batches(list(batches), N)["n"].to_pylist() == [30, 31, 10, 11, 20, 21]


def test_a_whole_table_is_handed_on_from_its_files_and_only_a_whole_one(lake, duck):
    lake.write("gold.handed_on", pa.table({"n": [3, None]}))
    relation = duck.pin(lake.write("gold.handed_on", pa.table({"n": [1, 2]})))

    def asked(text, read):
        batches = duck.stream("ada", text, N, lambda: None, lambda: None, read)
        return pa.Table.from_batches(list(batches), N)["n"].to_pylist()

    whole, part = PlainRead(relation.name, ("*",)), PlainRead(relation.name, ("n",))
    in_order = asked(f"select n from {relation.qualified}", None)
    assert asked("what DuckDB is never asked", whole) == in_order == [1, 2, 3, None]
    with pytest.raises(duckdb.ParserException):
        asked("what DuckDB is asked", part)
    moments = lake.write("gold.of_old", pa.table({"n": pa.array([-1], pa.timestamp("us"))}))
    relation = duck.pin(moments)
    read = PlainRead(relation.name, ("*",))
    (batch,) = duck.stream("ada", f"select n from {relation.qualified}", relation.schema, print, print, read)
    assert batch["n"].cast(pa.int64()).to_pylist() == [-1], "cut to the earlier millisecond, by DuckDB"


def test_columns_come_in_the_order_they_were_moved_to(lake, duck):
    lake.write("gold.moved", ROWS)
    with lake.catalog.load_table("gold.moved").update_schema() as change:
        change.move_first("word")
    relation = duck.pin(lake.write("gold.moved", ROWS.select(["word", "n"])))
    assert relation.schema.names == ["word", "n"]
    _, rows = shown(duck, lake.pointer("gold.moved"))
    assert rows == sorted([("a", 1), ("b", 2), ("c", None)] * 2)


def test_files_of_an_older_schema_are_read_by_the_ids_of_their_columns(lake, duck):
    old = lake.write("gold.evolved", ROWS)
    table = lake.catalog.load_table("gold.evolved")
    with table.update_schema() as change:
        change.rename_column("word", "said")
        change.update_column("n", LongType())
    lake.catalog.load_table("gold.evolved").append(pa.table({"n": pa.array([7], pa.int64()), "said": ["d"]}))
    listed, rows = shown(duck, lake.pointer("gold.evolved"))
    assert (listed, rows) == (False, [(1, "a"), (2, "b"), (7, "d"), (None, "c")])
    assert shown(duck, old) == (True, [(1, "a"), (2, "b"), (None, "c")])


def test_a_name_that_was_dropped_and_given_again_shows_none_of_the_old_values(lake, duck):
    lake.write("gold.again", ROWS)
    table = lake.catalog.load_table("gold.again")
    with table.update_schema(allow_incompatible_changes=True) as change:
        change.delete_column("word")
    with lake.catalog.load_table("gold.again").update_schema() as change:
        change.add_column("word", StringType())
    lake.catalog.load_table("gold.again").append(ROWS.slice(0, 1))
    assert shown(duck, lake.pointer("gold.again")) == (False, [(1, "a"), (1, None), (2, None), (None, None)])


class Deletions(ManifestWriterV2):
    """A manifest of deletions, which PyIceberg reads and does not write."""

    def content(self):
        return ManifestContent.DELETES


def deleted(lake, name, position):
    """Delete one row of a table by its position, as engines do that write deletions beside the rows."""
    table = lake.catalog.load_table(name)
    snapshot = table.current_snapshot()
    (data,) = (entry.data_file for one in snapshot.manifests(table.io) for entry in one.fetch_manifest_entry(table.io))
    file, listing = Path(str(lake.warehouse), f"{position}.parquet"), f"file://{lake.warehouse}/deleted.avro"
    fields = zip(("file_path", "pos"), (pa.string(), pa.int64()), ID, strict=True)
    schema = pa.schema([pa.field(column, kind, nullable=False, metadata=id_) for column, kind, id_ in fields])
    pq.write_table(pa.table([[data.file_path], [position]], schema=schema), file)
    gone = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES, file_path=f"file://{file}", file_format=FileFormat.PARQUET,
        partition=Record(), record_count=1, file_size_in_bytes=file.stat().st_size,
    )  # fmt: skip
    spec, columns = table.spec(), table.schema()
    with Deletions(spec, columns, table.io.new_output(listing), snapshot.snapshot_id, "deflate") as writer:
        entry = ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=snapshot.snapshot_id, data_file=gone
        )
        writer.add_entry(entry)
        deletions = writer.to_manifest_file()
    kept = snapshot.manifests(table.io)
    output = table.io.new_output(snapshot.manifest_list)
    Path(snapshot.manifest_list.removeprefix("file://")).unlink()
    number = snapshot.sequence_number
    with write_manifest_list(2, output, snapshot.snapshot_id, None, number, "deflate") as writer:
        writer.add_manifests([*kept, deletions])


def test_rows_that_were_deleted_beside_their_files_stay_deleted(lake, duck):
    pointer = lake.write("gold.deleted", ROWS)
    deleted(lake, "gold.deleted", 1)
    assert shown(duck, pointer) == (False, [(1, "a"), (None, "c")])
