"""Rows of one table made from rows of another by Spark's workers, as sealed files that nobody sees yet."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.adapters import iceberg_past, iceberg_scan
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_branches import head_of
from lakehouse.adapters.iceberg_schema import conform
from lakehouse.adapters.spark_copies import Copy, copied, metadata_files
from lakehouse.adapters.spark_seal import Workers, described
from lakehouse.adapters.spark_session import SparkPlace, spark_errors
from lakehouse.definition import TableDefinition
from lakehouse.errors import ChecksumError
from lakehouse.ports import Change, StoredRows

FILE_BYTES = {"write.target-file-size-bytes": str(32 * 2**20)}
SHOWN = 5
PACKED = "rows"


class SparkMaker:
    """Spark on the tables of one catalog; see `lakehouse.ports.FarMaker`."""

    def __init__(self, tables: IcebergTables, spark: SparkPlace) -> None:
        self._tables = tables
        self._spark = spark

    def make(
        self, into: TableDefinition, source: str, snapshot_id: int, where: Mapping[str, str], change: Change
    ) -> StoredRows:
        """Return what `change` makes of the rows of a snapshot of `source` whose columns equal `where`.

        Raises:
            ChecksumError: a file is damaged; nothing of it was used.
            SchemaError: `change` raises it, or what it gives does not fit the table.
            SparkError: Spark failed.
        """
        self._tables.ensure(into)
        with (
            self._tables.opened(source) as stored,
            self._tables.opened(into.name) as target,
            spark_errors(f"making {into.name} of {source}"),
        ):
            snapshot = iceberg_past.snapshot(stored, snapshot_id)
            self._require_sound(stored, snapshot, where)
            head = target.snapshot_by_id(head_of(target))
            assert head is not None, "a table's metadata hold the head of main"
            history = list(ancestors_of(head, target.metadata))
            with (
                copied(self._spark.session, stored, snapshot, [snapshot]) as read,
                copied(self._spark.session, target, head, history, FILE_BYTES) as written,
            ):
                rows = self._meant(read, where)
                shape = self._spark.session.table(written.name).schema
                rows.mapInArrow(_changing(change, into, to_arrow_schema(shape)), shape).writeTo(written.name).append()
                return self._taken(written, into)

    def pick(self, source: str, snapshot_id: int, where: Mapping[str, str], change: Change) -> Iterator[pa.Table]:
        """Yield what `change` makes of those rows, part by part; a part is in the memory of this process at a time.

        Raises:
            ChecksumError: a file is damaged.
            SparkError: Spark failed.
        """
        with self._tables.opened(source) as stored, spark_errors(f"reading {source}"):
            snapshot = iceberg_past.snapshot(stored, snapshot_id)
            self._require_sound(stored, snapshot, where)
            with copied(self._spark.session, stored, snapshot, [snapshot]) as read:
                packed = self._meant(read, where).mapInArrow(_packing(change), f"{PACKED} binary")
                for row in packed.toLocalIterator():
                    yield pa.ipc.open_stream(row[PACKED]).read_all()

    def _meant(self, read: Copy, where: Mapping[str, str]) -> DataFrame:
        rows = self._spark.session.table(read.name)
        for name, value in where.items():
            rows = rows.where(rows[name] == value)
        return rows

    def _require_sound(self, stored: Table, snapshot: Snapshot, where: Mapping[str, str]) -> None:
        known = iceberg_scan.with_snapshot(stored, snapshot)
        tasks = known.scan(row_filter=iceberg_scan.equal_to(where), snapshot_id=snapshot.snapshot_id).plan_files()
        files = [task.file.file_path for task in tasks]
        Workers(self._spark.session, stored).require_sound([*metadata_files(stored, [snapshot]), *files])

    def _taken(self, written: Copy, into: TableDefinition) -> StoredRows:
        added, _ = written.after()
        target = written.stored
        broken = _repeated(self._spark.session.table(written.name), into.key) if added else []
        sealed = Workers(self._spark.session, target).seal([one.file_path for one in added])
        if [one.tally.rows for one in sealed] != [one.record_count for one in added]:
            raise ChecksumError(f"files that Spark wrote for {into.name} hold other rows than it says; run again")
        files = [described(target, file, one) for file, one in zip(added, sealed, strict=True)]
        return StoredRows(sum(one.tally.rows for one in sealed), tuple(broken), tuple(files))


def _changing(
    change: Change, into: TableDefinition, shape: pa.Schema
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def changed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = conform(change(pa.Table.from_batches([batch])), into)
            # Spark takes columns by their place, and the table may have some that the definition left out since.
            for place, field in enumerate(shape):
                if field.name not in rows.column_names:
                    rows = rows.add_column(place, field.name, pa.nulls(rows.num_rows, field.type))
            yield from rows.select(shape.names).to_batches()

    return changed


def _packing(change: Change) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what makes each batch one cell that holds its rows as Arrow's stream; none where no row is left."""

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = change(pa.Table.from_batches([batch]))
            if rows.num_rows:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, rows.schema) as stream:
                    stream.write_table(rows)
                yield pa.record_batch({PACKED: [sink.getvalue().to_pybytes()]})

    return packed


def _repeated(rows: DataFrame, key: Sequence[str]) -> list[str]:
    """Return in words which keys are there more than once, among all rows of the table, old and new."""
    if not key:
        return []
    counts = rows.groupBy(*key).count()
    found = counts.where(counts["count"] > 1).limit(SHOWN).collect()
    lines = [f"{one['count']} rows with {', '.join(f'{name}={one[name]!r}' for name in key)}" for one in found]
    return [f"key ({', '.join(key)}) is not unique: {'; '.join(lines)}"] if lines else []
