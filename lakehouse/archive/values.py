"""How a cell's text becomes a value: one parser per column type, over whole columns."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import (
    Cells,
    Chunks,
    blanked,
    bounds_of,
    bytes_of,
    extremes,
    flat,
    joined,
    nowhere,
    shortest_of,
)
from lakehouse.archive.batches import Rows
from lakehouse.archive.eds import ColumnDescription, ColumnType

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
# The first day of Python's calendar, in days from 1970; the shortest moment is 2024-01-31T08:00.
FIRST_DAY = (date.min - date(1970, 1, 1)).days
MICROSECONDS_A_DAY = 86_400_000_000
SHORTEST_DATETIME = 16
ZERO, NINE, HEXADECIMAL = ord("0"), ord("9"), np.frombuffer(b"xX", np.uint8)
# Where a cast fails it is tried on so many parts, and theirs, down to so few cells, while most of them can be cast.
PARTS, FEW_CELLS = 16, 512
# What all cells of a type are mostly made of, beside digits; one in so many may have other bytes and be looked at on
# its own.
BESIDE_DIGITS: dict[ColumnType, bytes] = {"integer": b"-", "number": b"-.eE", "date": b"-", "datetime": b"-:.T Z"}
FEW_ODD_ONES = 8
# With more odd cells the others are cast together, with those blanked.
MOST_RUNS = 64
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
    """Turn text cells into the column's type; empty cells and missing codes become null, wrong cells too.

    Whole columns are cast at once where every cell fits; where one does not, only it and the few cells around it are
    looked at one by one.
    """
    flattened = flat(cells)
    missing = _missing(flattened, column.missing_codes)
    present = flattened if missing is None else blanked(flattened, missing)
    values = _at_once(present, column.type)
    wrong = nowhere(flattened)
    if values is None:
        values = _but_for_odd_ones(present, column.type)
        if values is None:
            values = joined(list(_piecemeal(present, column.type)), ARROW_TYPES[column.type])
        wrong = pc.and_(pc.is_valid(present), pc.is_null(values))
    return Parsed(values, nowhere(flattened) if missing is None else missing, wrong)


def _but_for_odd_ones(cells: Cells, type_: ColumnType) -> Cells | None:
    """Return the values where all cells can be cast but a few with bytes that the type has no use for."""
    odd = _odd_ones(cells, type_) if type_ in BESIDE_DIGITS else np.empty(0, np.int64)
    if not 0 < len(odd) <= len(cells) // FEW_ODD_ONES:
        return None
    if len(odd) <= MOST_RUNS:
        return _around(cells, odd, type_)
    flags = np.zeros(len(cells), np.bool_)
    flags[odd] = True
    mask = pa.array(flags)
    values = _at_once(blanked(cells, mask), type_)
    if values is None:
        return None
    theirs = _PARSERS[type_](cells.take(odd))
    return values if theirs.null_count == len(theirs) else pc.replace_with_mask(values, mask, theirs)


def _around(cells: Cells, odd: Rows, type_: ColumnType) -> Cells | None:
    """Return the values where all between a few odd cells can be cast; nothing is copied before it is a value."""
    theirs = _PARSERS[type_](cells.take(odd))
    pieces: list[Cells] = []
    first = 0
    for number, at in enumerate([*odd.tolist(), len(cells)]):
        run = _at_once(cells.slice(first, at - first), type_)
        if run is None:
            return None
        pieces += [run, theirs.slice(number, 1)]
        first = at + 1
    return pa.concat_arrays(pieces)


def _odd_ones(cells: Cells, type_: ColumnType) -> Rows:
    bounds = bounds_of(cells)
    where_odd = np.flatnonzero(_unusual(bytes_of(cells), type_)) + bounds[0]
    odd = np.unique(np.searchsorted(bounds, where_odd, side="right") - 1)
    return odd[pc.is_valid(cells).to_numpy(zero_copy_only=False)[odd]] if cells.null_count else odd


def _unusual(letters: npt.NDArray[np.uint8], type_: ColumnType) -> npt.NDArray[np.bool_]:
    # A table of bytes takes ten times as long; less than "0" becomes more than nine.
    unusual: npt.NDArray[np.bool_] = letters - np.uint8(ZERO) > NINE - ZERO
    for usual in BESIDE_DIGITS[type_]:
        unusual &= letters != usual
    return unusual


def _piecemeal(cells: Cells, type_: ColumnType) -> Iterator[Cells]:
    """Yield the values of cells that cannot be cast at once: of each part that can, and cell by cell of the others."""
    size = len(cells) // PARTS + 1
    parts = [cells.slice(start, size) for start in range(0, len(cells), size)] if len(cells) > FEW_CELLS else []
    cast = [_at_once(part, type_) for part in parts]
    if not parts or sum(values is None for values in cast) > PARTS // 4:
        yield _PARSERS[type_](cells)
        return
    for part, values in zip(parts, cast, strict=True):
        if values is None:
            yield from _piecemeal(part, type_)
        else:
            yield values


def _missing(cells: Cells, codes: tuple[str, ...]) -> Cells | None:
    if codes:
        return pc.is_in(cells, value_set=pa.array(["", *codes], pa.string()))
    shortest = shortest_of(cells)
    return pc.equal(cells, pa.scalar("")) if shortest == 0 else None


def _at_once(cells: Cells, type_: ColumnType) -> Cells | None:
    """Return the values where Arrow's own cast takes every cell and is known to agree with the grammar above."""
    try:
        return _CASTS[type_](cells)
    except pa.ArrowInvalid:
        return None


def _cast_integers(cells: Cells) -> Cells | None:
    letters = bytes_of(cells)
    # Where nothing is blanked a letter is in no number; Arrow takes hexadecimal, and missing codes may be words.
    if letters.max(initial=0) > NINE and (not cells.null_count or np.isin(letters, HEXADECIMAL).any()):
        return None
    return cells.cast(pa.int64())


def _cast_numbers(cells: Cells) -> Cells | None:
    values = cells.cast(pa.float64())
    if not values.null_count:
        return values if np.isfinite(values.to_numpy()).all() else None
    return values if pc.all(pc.is_finite(values)).as_py() in (True, None) else None


def _cast_booleans(cells: Cells) -> Cells | None:
    return cells.cast(pa.bool_())


def _cast_dates(cells: Cells) -> Cells | None:
    # Arrow goes through all cells before it says that one is none: to look first takes a tenth of that.
    if not cells.null_count and _unusual(bytes_of(cells), "date").any():
        return None
    values = cells.cast(pa.date32())
    first, _ = extremes(values.view(pa.int32()))
    return values if first is None or first >= FIRST_DAY else None


def _cast_datetimes(cells: Cells) -> Cells | None:
    try:
        values, shortest = cells.cast(pa.timestamp("us")).cast(ARROW_TYPES["datetime"]), SHORTEST_DATETIME
    except pa.ArrowInvalid:
        # With other zones Arrow takes ones that the grammar does not, such as +02.
        if not pc.all(pc.ends_with(cells, "Z")).as_py():
            return None
        values, shortest = cells.cast(ARROW_TYPES["datetime"]), SHORTEST_DATETIME + len("Z")
    (first, _), least = extremes(values.view(pa.int64())), shortest_of(cells)
    sound = first is None or (first >= FIRST_DAY * MICROSECONDS_A_DAY and (least or 0) >= shortest)
    return values if sound else None


def _strings(cells: Cells) -> Cells:
    return cells


def _integers(cells: Cells) -> Cells:
    return _each(cells, pl.Int64())


def _numbers(cells: Cells) -> Cells:
    values = _each(cells, pl.Float64())
    # A number whose double is infinite is none, and neither is a word for it.
    finite: Cells = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    return finite


def _each(cells: Cells, type_: pl.DataType) -> Cells:
    """Return the cells as numbers: sign, digits, point, exponent, no blanks; null where one is none or too large."""
    column = pl.Series(cells).cast(type_, strict=False)
    return flat(column.to_arrow())


def _booleans(cells: Cells) -> Cells:
    lower = pc.utf8_lower(cells)
    is_true = pc.is_in(lower, value_set=pa.array(TRUE))
    is_false = pc.is_in(lower, value_set=pa.array(FALSE))
    truth: Cells = pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_()))
    return truth


def _dates(cells: Cells) -> Cells:
    return _by_unique(cells, DATE, date.fromisoformat, pa.date32())


def _datetimes(cells: Cells) -> Cells:
    return _by_unique(cells, DATETIME, _utc, pa.timestamp("us", tz="UTC"))


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _by_unique(cells: Cells, pattern: re.Pattern[str], convert: Callable[[str], date], type_: pa.DataType) -> Cells:
    # The calendar is Python's (30 February is refused, which strptime of the C library lets pass); each distinct
    # text is converted once.
    encoded = cells.dictionary_encode()
    converted: list[date | None] = []
    for text in map(str, encoded.dictionary.to_pylist()):
        try:
            converted.append(convert(text) if pattern.fullmatch(text) else None)
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
_CASTS: dict[ColumnType, Callable[[Cells], Cells | None]] = {
    "string": _strings,
    "integer": _cast_integers,
    "number": _cast_numbers,
    "boolean": _cast_booleans,
    "date": _cast_dates,
    "datetime": _cast_datetimes,
}
