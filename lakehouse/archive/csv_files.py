"""One CSV file as the standard allows it: UTF-8, one header line, every cell kept as text."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pacsv

from lakehouse.archive.arrays import Cells
from lakehouse.archive.encoding import refuse_other_encodings
from lakehouse.errors import SchemaError

LARGEST_BLOCK_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A CSV row with another number of cells than the header; `row` counts data rows from 1."""

    row: int
    cells: int
    expected: int


@dataclass(frozen=True, slots=True)
class CsvContent:
    """One CSV file: its rows as text with their numbers, its header, and the rows that do not fit it."""

    header: tuple[str, ...]
    rows: pa.Table
    row_numbers: Cells
    ragged: tuple[RaggedRow, ...]
    quote_count: int


def read_csv(path: Path) -> CsvContent:
    """Read a UTF-8 CSV file, every cell as text; empty lines are skipped.

    Raises:
        EncodingError: the bytes are not UTF-8.
        SchemaError: the bytes are not CSV.
    """
    body = path.read_bytes()
    header = _header(body, path)
    ragged: list[RaggedRow] = []

    def keep(row: pacsv.InvalidRow) -> Literal["skip"]:
        ragged.append(RaggedRow((row.number or 0) - 1, row.actual_columns, row.expected_columns))
        return "skip"

    # One block per file: a quoted cell may then be of any length.
    block = min(max(len(body) + 1, 1 << 16), LARGEST_BLOCK_BYTES)
    names = [f"c{position}" for position in range(len(header))]
    try:
        rows = pacsv.read_csv(
            io.BytesIO(body),
            read_options=pacsv.ReadOptions(use_threads=False, block_size=block, column_names=names),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        ).slice(1)
    except pa.ArrowInvalid as error:
        # Arrow's own words may quote a row, and a row may name a person.
        raise SchemaError(f"{path.name} is not readable CSV; write it again as UTF-8 CSV") from error
    if any(row.row == 0 for row in ragged):
        raise SchemaError(f"{path.name} has no readable header line; write the column names first")
    numbers = _row_numbers(rows.num_rows, {r.row for r in ragged})
    return CsvContent(header, rows, numbers, tuple(ragged), body.count(b'"'))


def _header(body: bytes, path: Path) -> tuple[str, ...]:
    refuse_other_encodings(body, path.name)
    if not body.strip():
        raise SchemaError(f"{path.name} has no header line; write the column names first")
    return _first_record(body, path)


def _first_record(body: bytes, path: Path) -> tuple[str, ...]:
    text = body.decode("utf-8-sig").lstrip("\r\n")
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline=""))))
    except (csv.Error, StopIteration) as error:
        raise SchemaError(f"{path.name} has no readable header line: {error}; write the column names first") from error


def _row_numbers(count: int, skipped: set[int]) -> Cells:
    if not skipped:
        return pa.array(range(1, count + 1), pa.int64())
    return pa.array([n for n in range(1, count + len(skipped) + 1) if n not in skipped], pa.int64())
