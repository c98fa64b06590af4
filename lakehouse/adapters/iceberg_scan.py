"""Reading chosen parts of a snapshot: one that metadata dropped, or the files that could hold given keys."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import DateType, IcebergType, IntegerType, LongType, StringType, TimestampType, TimestamptzType

from lakehouse.adapters.iceberg_commit import live_entries
from lakehouse.ports import RowCounts

# Types whose bounds in manifests compare as the values do.
NUMBERS = (IntegerType, LongType, DateType, TimestampType, TimestamptzType)


def with_snapshot(stored: Table, snapshot: Snapshot) -> Table:
    """Return the table with a snapshot that its metadata dropped, to read it."""
    metadata = stored.metadata.model_copy(update={"snapshots": [*stored.metadata.snapshots, snapshot]})
    return Table(stored.name(), metadata, stored.metadata_location, stored.io, stored.catalog)


def equal_to(where: Mapping[str, str]) -> BooleanExpression:
    """Return the filter for rows whose columns equal these values."""
    chosen: BooleanExpression = AlwaysTrue()
    for name, value in where.items():
        chosen = And(chosen, EqualTo(name, value))  # type: ignore[call-arg]  # its own __init__ takes both in order
    return chosen


def count_rows(stored: Table, staged: Snapshot, base: Snapshot) -> RowCounts:
    """Hash what a staged snapshot added, as it is stored now, and count rows by the manifests.

    Raises ChecksumError when a file is not stored as it was written.
    """
    entries = live_entries(stored.io, staged)
    fresh = [entry.data_file for entry in entries if entry.snapshot_id == staged.snapshot_id]
    for one in fresh:
        with stored.io.new_input(one.file_path).open() as stream:  # judged as it is opened
            stream.seek(0)
    return RowCounts(
        added=sum(one.record_count for one in fresh),
        before=sum(entry.data_file.record_count for entry in live_entries(stored.io, base)),
        after=sum(entry.data_file.record_count for entry in entries),
    )


def similar_rows(stored: Table, snapshot: Snapshot, keys: pa.Table) -> pa.Table:
    """Return the columns of `keys` of all rows in files that, by their bounds, could hold one of them."""
    schema = stored.schema()
    ranges = {
        schema.find_field(name).field_id: limits
        for name in keys.column_names
        if (limits := _range(keys[name], schema.find_field(name).field_type)) is not None
    }
    files = [entry.data_file for entry in live_entries(stored.io, snapshot)]
    hit = [one for one in files if all(_meets(one, field_id, *limits) for field_id, limits in ranges.items())]
    projected = schema.select(*keys.column_names)
    scan = ArrowScan(stored.metadata, stored.io, projected, AlwaysTrue())
    return scan.to_table([FileScanTask(one) for one in hit]).select(keys.column_names)


Bound = int | str


def _range(column: "pa.ChunkedArray[Any]", kind: IcebergType) -> tuple[Bound, Bound] | None:
    """Return the least and greatest value, as manifests have them; None where bounds would not tell."""
    if column.null_count or not len(column):
        return None
    if isinstance(kind, StringType):
        limits: Any = pc.min_max(column)
    elif isinstance(kind, NUMBERS):
        limits = pc.min_max(column.cast(pa.int32()) if isinstance(kind, DateType) else column.cast(pa.int64()))
    else:
        return None
    return limits["min"].as_py(), limits["max"].as_py()


def _meets(file: DataFile, field_id: int, least: Bound, greatest: Bound) -> bool:
    low, high = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
    if low is None or high is None:
        return True
    return bool(_value(low, least) <= greatest and least <= _value(high, least))  # type: ignore[operator]


def _value(bound: bytes, like: Bound) -> Bound:
    # A column that was widened has bounds of both widths.
    return bound.decode() if isinstance(like, str) else int.from_bytes(bound, "little", signed=True)
