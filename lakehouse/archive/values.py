"""How a cell's text becomes a value: one parser per column type, over whole columns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, Chunks, flat
from lakehouse.archive.eds import ColumnDescription, ColumnType

# 18 digits always fit 64 bits; two digits of exponent and 200 of mantissa always stay below 1.8e308.
INTEGER = r"^[+-]?[0-9]{1,18}$"
NUMBER = r"^[+-]?([0-9]{1,200}(\.[0-9]{0,200})?|\.[0-9]{1,200})([eE][+-]?[0-9]{1,2})?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
TRUE, FALSE = ("true", "1"), ("false", "0")

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A column after parsing: typed values, and which cells are missing or do not fit the type."""

    values: Cells
    missing: Cells
    wrong: Cells


def parse(cells: Cells | Chunks, column: ColumnDescription) -> Parsed:
    """Turn text cells into the column's type; empty cells and missing codes become null, wrong cells too."""
    flattened = flat(cells)
    missing = pc.is_in(flattened, value_set=pa.array(["", *column.missing_codes], pa.string()))
    present = pc.if_else(missing, pa.scalar(None, pa.string()), flattened)
    values = _PARSERS[column.type](present)
    wrong = pc.and_(pc.is_valid(present), pc.is_null(values))
    return Parsed(values, missing, wrong)


def _matching(cells: Cells, pattern: str) -> Cells:
    matching: Cells = pc.if_else(pc.match_substring_regex(cells, pattern), cells, pa.scalar(None, pa.string()))
    return matching


def _unsigned(cells: Cells) -> Cells:
    return pc.replace_substring_regex(cells, r"^\+", "")


def _strings(cells: Cells) -> Cells:
    return cells


def _integers(cells: Cells) -> Cells:
    return _unsigned(_matching(cells, INTEGER)).cast(pa.int64())


def _numbers(cells: Cells) -> Cells:
    return _unsigned(_matching(cells, NUMBER)).cast(pa.float64())


def _booleans(cells: Cells) -> Cells:
    lower = pc.utf8_lower(cells)
    is_true = pc.is_in(lower, value_set=pa.array(TRUE))
    is_false = pc.is_in(lower, value_set=pa.array(FALSE))
    truth: Cells = pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_()))
    return truth


def _dates(cells: Cells) -> Cells:
    return _by_unique(_matching(cells, DATE), date.fromisoformat, pa.date32())


def _datetimes(cells: Cells) -> Cells:
    return _by_unique(_matching(cells, DATETIME), _utc, pa.timestamp("us", tz="UTC"))


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _by_unique(cells: Cells, convert: Callable[[str], date], type_: pa.DataType) -> Cells:
    # The calendar is Python's (30 February is refused, which strptime of the C library lets pass); each distinct
    # text is converted once.
    encoded = cells.dictionary_encode()
    converted: list[date | None] = []
    for text in encoded.dictionary.to_pylist():
        try:
            converted.append(convert(str(text)))
        except (ValueError, OverflowError):
            converted.append(None)
    return pa.array(converted, type_).take(encoded.indices)


_PARSERS: dict[ColumnType, Callable[[Cells], Cells]] = {
    "string": _strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
    "date": _dates,
    "datetime": _datetimes,
}
