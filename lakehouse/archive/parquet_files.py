"""One Parquet file as rows of text cells: flat columns only, read batch by batch."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.archive.arrays import Cells
from lakehouse.archive.batches import MOST_COLUMNS, Batch, Piece, numbered
from lakehouse.archive.packed import PACKINGS, opened
from lakehouse.errors import SchemaError

BATCH_CELLS = 1 << 19
MOST_BATCH_ROWS = 65_536
# What the footer may hold; both are far above what a table of the most columns needs.
FOOTER_STRING_BYTES = 16 << 20
FOOTER_ENTRIES = 1_000_000
READ_AHEAD_BYTES = 1 << 20
MAGIC = b"PAR1"
"""What a Parquet file begins and ends with."""


def parquet_pieces(path: Path) -> Iterator[Piece]:
    """Yield the file's rows in batches.

    Raises:
        SchemaError: the file is broken, or holds columns that are no single values.
    """
    try:
        with seekable(path) as stream, footer(stream) as file:
            schema = file.schema_arrow
            _refuse_other_shapes(schema, path)
            yield partial(_empty, tuple(schema.names))
            rows = max(1, min(MOST_BATCH_ROWS, BATCH_CELLS // len(schema.names)))
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                yield partial(_as_text, batch, path)
    except MemoryError:  # Arrow's own is an ArrowException as well, and says nothing about the file's form
        raise
    except (pa.ArrowException, OSError) as error:
        # pyarrow raises OSError for pages that cannot be decoded.
        raise SchemaError(f"{path.name} {_state(path)}") from error


def _state(path: Path) -> str:
    """Return what is wrong with a file that cannot be read, by what stands at its two ends; it could be unpacked."""
    with seekable(path) as stream:
        begins = stream.read(len(MAGIC)) == MAGIC
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - len(MAGIC)))
        ends = stream.read() == MAGIC
    if begins and ends:
        return "is not readable Parquet; write it again"
    if begins:
        return f"is cut off: it begins as Parquet, and its end is missing after {size:,} bytes; copy or write it again"
    return f"is no Parquet file: it does not begin with {MAGIC.decode()}, as every one does; give it its own ending"


@contextmanager
def seekable(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked if its name says that it is packed, where any part of it can be read."""
    if path.suffix not in PACKINGS:
        with path.open("rb") as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as unpacked:
        with opened(path) as stream:
            shutil.copyfileobj(stream, unpacked)
        unpacked.seek(0)
        yield unpacked


def footer(stream: IO[bytes]) -> pq.ParquetFile:
    """Open the Parquet file that a stream holds, its footer bounded."""
    return pq.ParquetFile(
        stream,
        buffer_size=READ_AHEAD_BYTES,
        pre_buffer=False,
        thrift_string_size_limit=FOOTER_STRING_BYTES,
        thrift_container_size_limit=FOOTER_ENTRIES,
        page_checksum_verification=True,
    )


def _refuse_other_shapes(schema: pa.Schema, path: Path) -> None:
    if not schema.names:
        raise SchemaError(f"{path.name} has no columns; write it again")
    if len(schema.names) > MOST_COLUMNS:
        raise SchemaError(f"{path.name} has more than {MOST_COLUMNS:,} columns; write one row per value")
    nested = [field for field in schema if pa.types.is_nested(field.type) or pa.types.is_binary(field.type)]
    if nested:
        raise SchemaError(f"{path.name} has a column of type {nested[0].type}; write one value per cell")


def _empty(header: tuple[str, ...]) -> Batch:
    return Batch(header, {name: pa.array([], pa.string()) for name in header}, numbered(0, set()), 0)


def _as_text(batch: pa.RecordBatch, path: Path) -> Batch:
    header = tuple(batch.schema.names)
    try:
        columns = {name: _text(batch.column(at)) for at, name in reversed(list(enumerate(header)))}
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise SchemaError(f"{path.name} holds text that is not UTF-8; write it again") from error
    return Batch(header, columns, numbered(batch.num_rows, set()), batch.num_rows)


def _text(cells: Cells) -> Cells:
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_timestamp(cells.type):
        cells = _microseconds(cells)
    elif pa.types.is_date64(cells.type):
        cells = cells.cast(pa.date32())
    text = cells.cast(pa.string())
    text.validate(full=True)
    return text.fill_null("")


def _microseconds(moments: Cells) -> Cells:
    try:
        return moments.cast(pa.timestamp("us", moments.type.tz))
    except pa.ArrowInvalid:
        # Finer than the standard keeps: the text shows it, and the check of the type says so.
        return moments
