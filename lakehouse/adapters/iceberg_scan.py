"""Reading chosen parts of a snapshot: one that metadata dropped, or the files that could hold given keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import DateType, IcebergType, IntegerType, LongType, StringType, TimestampType, TimestamptzType

from lakehouse.adapters.iceberg_commit import entries_of, manifests_of, prove_own
from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_proof import prove
from lakehouse.errors import TooLargeError
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


def bounded(scan: DataScan, most_bytes: int) -> pa.Table:
    """Return the rows of a scan, read file after file; TooLargeError when they take more than `most_bytes` in memory.

    Files hold some 128 MB of rows, and no more than one is read beyond the bound.
    """
    reading = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter, limit=scan.limit)
    found: list[pa.Table] = []
    for task in scan.plan_files():
        if scan.limit is not None and sum(one.num_rows for one in found) >= scan.limit:
            break
        found.append(reading.to_table([task]))
        if sum(one.nbytes for one in found) > most_bytes:
            raise TooLargeError(f"the rows asked for take more than {most_bytes:,} bytes in memory")
    return pa.concat_tables(found or [reading.to_table([])], promote_options="permissive").slice(0, scan.limit)


def count_rows(stored: Table, staged: Snapshot, base: Snapshot) -> RowCounts:
    """Prove that what a staged snapshot added is stored as it was written, and count rows by the manifests.

    Raises ChecksumError when a file is not stored as it was written.
    """
    prove_own(stored.io, staged)
    fresh = _added(stored, staged)
    prove(stored.io, fresh)
    return RowCounts(
        added=sum(one.record_count for one in fresh),
        before=sum(_live_rows(stored.io, one) for one in manifests_of(stored.io, base)),
        after=sum(_live_rows(stored.io, one) for one in manifests_of(stored.io, staged)),
    )


def _added(stored: Table, staged: Snapshot) -> list[DataFile]:
    own = [one for one in manifests_of(stored.io, staged) if one.added_snapshot_id == staged.snapshot_id]
    entries = [entry for one in own for entry in entries_of(stored.io, one)]
    return [entry.data_file for entry in entries if entry.snapshot_id == staged.snapshot_id]


def added_columns(stored: Table, staged: Snapshot, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield these columns of what a staged snapshot added, file by file."""
    return file_columns(stored, _added(stored, staged), columns)


def file_columns(stored: Table, files: Iterable[DataFile], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield these columns of files, one after the other."""
    scan = ArrowScan(stored.metadata, stored.io, stored.schema().select(*columns), AlwaysTrue())
    for one in files:
        yield scan.to_table([FileScanTask(one)]).select(list(columns))


def _live_rows(io: FileIO, manifest: ManifestFile) -> int:
    """Return the rows of a manifest's live files, as the list of manifests has it where it says so."""
    if manifest.added_rows_count is None or manifest.existing_rows_count is None:
        return sum(entry.data_file.record_count for entry in entries_of(io, manifest))
    return manifest.added_rows_count + manifest.existing_rows_count


def similar_rows(stored: Table, snapshot: Snapshot, keys: pa.Table) -> Iterator[pa.Table]:
    """Yield the columns of `keys` of each file that, by its bounds, could hold one of them."""
    schema = stored.schema()
    ranges = {
        schema.find_field(name).field_id: limits
        for name in keys.column_names
        if (limits := _range(keys[name], schema.find_field(name).field_type)) is not None
    }
    hit = [
        entry.data_file
        for manifest in manifests_of(stored.io, snapshot)
        if _could_meet(stored.io, manifest, ranges)
        for entry in entries_of(stored.io, manifest)
        if all(_meets(_limits(entry.data_file, field_id, of), of) for field_id, of in ranges.items())
    ]
    # No file is the rule, and getting ready to read takes longer than finding that out.
    return file_columns(stored, hit, keys.column_names) if hit else iter(())


Bound = int | str
Limits = tuple[Bound, Bound]


def _range(column: "pa.ChunkedArray[Any]", kind: IcebergType) -> Limits | None:
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


def _meets(found: Limits | None, wanted: Limits) -> bool:
    """Say whether two ranges have a value in common; a file without bounds could hold any."""
    return found is None or bool(found[0] <= wanted[1] and wanted[0] <= found[1])  # type: ignore[operator]


def _limits(file: DataFile, field_id: int, like: Limits) -> Limits | None:
    low, high = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
    return None if low is None or high is None else (_value(low, like[0]), _value(high, like[0]))


def _value(bound: bytes, like: Bound) -> Bound:
    # A column that was widened has bounds of both widths.
    return bound.decode() if isinstance(like, str) else int.from_bytes(bound, "little", signed=True)


_reaches: Known[Limits | None] = Known(4096)
"""The range of one column over all files of a manifest; None where one of them has no bounds."""


def _could_meet(io: FileIO, manifest: ManifestFile, ranges: Mapping[int, Limits]) -> bool:
    """Say whether any file of a manifest could, so that of an old table not every file is looked at for each append."""

    def reach(field_id: int, like: Limits) -> Limits | None:
        found = [_limits(entry.data_file, field_id, like) for entry in entries_of(io, manifest)]
        if not found or None in found:
            return None
        lows, highs = zip(*(one for one in found if one), strict=True)
        return min(lows), max(highs)

    return all(
        _meets(_reaches.of(f"{manifest.manifest_path} {field_id}", partial(reach, field_id, of)), of)
        for field_id, of in ranges.items()
    )
