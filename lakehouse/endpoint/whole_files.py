"""Reads the files of a whole table by Arrow, where that gives the very values that DuckDB gives of them, for less work.

Few types are read so, and each is held by value beside DuckDB in tests/unit/endpoint/test_whole_files.py.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH_ROWS = 65_536
BUFFER_BYTES = 1024 * 1024  # without it all of a column of a row group is read at once
SAME = (pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string())
MICROSECONDS = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
FIRST_US, LAST_US = 0, 253_370_764_800_000_000  # from 1970 to the year 9999, as in instants.py


def read_alike(paths: Sequence[str], schema: pa.Schema) -> bool:
    """Say whether Arrow reads all columns of these files as DuckDB shows them in a result of this schema."""
    for path in paths:
        with _opened(path) as file:
            found = file.schema_arrow
            places = [found.get_field_index(name) for name in schema.names]
            if len(found) != len(schema) or min(places, default=-1) < 0:
                return False
            pairs = zip(places, schema.types, strict=True)
            if not all(_alike(file.metadata, place, found.field(place).type, kind) for place, kind in pairs):
                return False
    return True


def batches(paths: Sequence[str], schema: pa.Schema, look: Callable[[], None]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the files, one file after the other. `look` is called before each batch and may raise.

    Raises duckdb.IOException for a file that cannot be read, pa.ArrowInvalid for text that is not UTF-8.
    """
    for path in paths:
        with _opened(path) as file:
            rows = file.iter_batches(BATCH_ROWS, columns=schema.names, use_threads=False)
            while (batch := _next(rows)) is not None:
                look()
                columns = [_shown(batch.column(one.name), one.type) for one in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _opened(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(pa.OSFile(path, "r"), buffer_size=BUFFER_BYTES, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise duckdb.IOException(f"IO Error: {path}: {error}") from error


def _next(rows: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        return next(rows, None)
    except (OSError, pa.ArrowInvalid) as error:
        raise duckdb.IOException(f"IO Error: {error}") from error


def _alike(metadata: pq.FileMetaData, place: int, found: pa.DataType, kind: pa.DataType) -> bool:
    if found in MICROSECONDS and kind == pa.timestamp("ms"):
        return _counted(metadata, place)
    if pa.types.is_date32(found) or pa.types.is_decimal128(found):
        return bool(kind == (pa.date64() if pa.types.is_date32(found) else found))
    return bool(found == kind and found in SAME)


def _counted(metadata: pq.FileMetaData, place: int) -> bool:
    """Say whether all moments of a column are of years that are cut to milliseconds by counting them."""
    for group in range(metadata.num_row_groups):
        column = metadata.row_group(group).column(place)
        told = column.statistics
        if told is None or not told.has_min_max:
            if (0 if told is None else told.null_count) != column.num_values:
                return False
        elif not _is_counted(told.min_raw, told.max_raw):
            return False
    return True


def _is_counted(low: Any, high: Any) -> bool:  # noqa: ANN401 (pyarrow does not say that these are numbers)
    return bool(FIRST_US <= low <= high < LAST_US)


def _shown(column: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 (any array)
    if kind == pa.string():
        column.validate(full=True)  # DuckDB refuses text that is not UTF-8, and clients would stumble over it
        return column
    if kind != pa.timestamp("ms"):
        return column if column.type == kind else column.cast(kind)
    counts = column.view(pa.int64())
    low, high = pc.min(counts).as_py(), pc.max(counts).as_py()
    if low is not None and not _is_counted(low, high):
        raise duckdb.IOException("IO Error: a column has moments that its file's statistics exclude")
    return column.view(pa.timestamp("us")).cast(kind, safe=False)
