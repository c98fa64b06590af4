"""One CSV file as the standard allows it: UTF-8, one header line, every cell kept as text; read block by block."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pacsv

from lakehouse.archive.arrays import flat
from lakehouse.archive.batches import MOST_COLUMNS, Batch, Piece, RaggedRow, numbered
from lakehouse.archive.csv_blocks import QUOTE, Block, blocks
from lakehouse.archive.encoding import refuse_other_encodings
from lakehouse.archive.packed import opened
from lakehouse.errors import SchemaError

Keep = Callable[[pacsv.InvalidRow], Literal["skip"]]
BOM = b"\xef\xbb\xbf"
# What may stand before the header line.
LEADING = re.compile(b"(?:%s)?[\r\n]*" % BOM)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's bytes are cut into cells, what its columns are called, and the memory of blocks that were read."""

    path: Path
    delimiter: str
    header: tuple[str, ...]
    spare: list[bytearray] = field(default_factory=list)


def csv_pieces(path: Path, delimiter: str) -> Iterator[Piece]:
    """Yield the file's blocks of rows; empty lines are skipped. The first block begins with the header line.

    Raises:
        SchemaError: the file has no readable header line, or a row is too long; a piece raises it where its bytes are
            not CSV, and EncodingError where they are not UTF-8.
    """
    layout, offset, spare = None, 0, list[bytearray]()
    with opened(path) as stream:
        for block in blocks(stream, path.name, quoted=True, spare=spare):
            if layout is None:
                layout = Layout(path, delimiter, _header(block, path, delimiter), spare)
            yield partial(_read_block, block, layout, offset)
            offset += len(block)
    if layout is None:
        raise SchemaError(f"{path.name} has no header line; write the column names first")


def _header(block: Block, path: Path, delimiter: str) -> tuple[str, ...]:
    refuse_other_encodings(block, path, quoted=True)
    # In its place: a copy of a block costs more than all that is asked here.
    start = LEADING.match(block).end()  # type: ignore[union-attr]  # it matches nothing, too
    end = block.find(b"\n", start)
    line = bytes(memoryview(block)[start : end if end >= 0 else len(block)])
    text = (block[start:] if line.count(QUOTE) % 2 or b"\r" in line.rstrip(b"\r") else line).decode()
    try:
        header = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
    except (csv.Error, StopIteration) as error:
        raise SchemaError(f"{path.name} has no readable header line; write the column names first") from error
    if not any(name.strip() for name in header):
        raise SchemaError(f"{path.name} has no header line; write the column names first")
    if len(header) > MOST_COLUMNS:
        raise SchemaError(
            f"{path.name} has {len(header):,} columns, more than {MOST_COLUMNS:,}; write one row per value"
        )
    return header


def _read_block(block: Block, layout: Layout, offset: int) -> Batch:
    refuse_other_encodings(block, layout.path, offset, quoted=True)
    ragged: list[RaggedRow] = []
    lead = 0 if offset else 1

    def keep(row: pacsv.InvalidRow) -> Literal["skip"]:
        ragged.append(RaggedRow((row.number or 0) - lead, row.actual_columns, row.expected_columns))
        return "skip"

    rows = _arrow_rows(block, layout, keep).slice(lead)
    if any(row.row == 0 for row in ragged):
        raise SchemaError(f"{layout.path.name} has no readable header line; write the column names first")
    span = rows.num_rows + len(ragged)
    # Of columns with one name the first one counts.
    columns = {name: flat(rows.column(at)) for at, name in reversed(list(enumerate(layout.header)))}
    quotes = block.count(QUOTE) if QUOTE in block else 0
    numbers = numbered(span, {row.row for row in ragged})
    if isinstance(block, bytearray):
        # Arrow has copied the cells; were a view of the block left, giving it another size would fail.
        layout.spare.append(block)
    return Batch(layout.header, columns, numbers, span, tuple(ragged), quotes=quotes)


def _arrow_rows(block: Block, layout: Layout, keep: Keep) -> pa.Table:
    names = [f"c{position}" for position in range(len(layout.header))]
    try:
        return pacsv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),  # type: ignore[arg-type]  # the stubs know Python's files only
            read_options=pacsv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            parse_options=pacsv.ParseOptions(delimiter=layout.delimiter, invalid_row_handler=keep),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        # Arrow's own words may quote a row, and a row may name a person.
        raise SchemaError(f"{layout.path.name} is not readable CSV; write it again as UTF-8 CSV") from error
