"""Figures of rows that come some at a time: those of all rows at once, in memory that does not grow with them."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from lakehouse.errors import ExpectationFileError
from lakehouse.keys import KeyStore, Rows, keys_of
from lakehouse.tables.expectations.kinds import Measured, Steady

MEMORY_KEYS = 250_000
MEMORY_VALUES = 1_000_000
READ_VALUES = 250_000
# Numbers are told apart by 16 of their 64 bits at a time.
DIGIT_BITS, DIGITS = 16, 4

Floats = npt.NDArray[np.float64]
Ordinals = npt.NDArray[np.uint64]


class Figure(Protocol):
    """One figure; `close` lets go what is on disk."""

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""

    def value(self) -> float | None:
        """Return the figure of all of them; None where there is none."""

    def close(self) -> None:
        """Let go what is on disk."""


def figure_of(one: Measured | Steady) -> Figure:
    """Return the figure that a promise measures."""
    match one.measure:
        case "rows":
            return RowCount()
        case "missing_share":
            return MissingShare(one.column)
        case "distinct":
            return Distinct(one.column)
        case "mean" | "deviation":
            return Moments(one.column, one.measure)
        case "quantile":
            assert one.at is not None
            return Quantile(one.column, one.measure, one.at)
        case _:
            return Quantile(one.column, one.measure, 0.5)


class RowCount:
    """How many rows there are."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        self.count += frame.height

    def value(self) -> float:
        """Return their number."""
        return float(self.count)

    def close(self) -> None:
        """Nothing is on disk."""


class MissingShare(RowCount):
    """The share of rows without a value in a column."""

    def __init__(self, column: str) -> None:
        super().__init__()
        self._column = column
        self._missing = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        super().add(frame)
        self._missing += frame[self._column].null_count()

    def value(self) -> float | None:  # type: ignore[override]  # no rows have no share
        """Return the share from 0 to 1; None without rows."""
        return self._missing / self.count if self.count else None


class Repeats:
    """How many rows have the values of an earlier row in some columns; absent values are equal."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        # A number alone is its own hash, and an absent one has none.
        self._columns = columns * 2 if len(columns) == 1 else columns
        self._store = KeyStore(self._tell, MEMORY_KEYS)
        self.seen = self._repeated = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        columns = [frame[name].to_arrow() for name in self._columns]
        self._store.add(keys_of(columns, np.arange(self.seen, self.seen + frame.height)))
        self.seen += frame.height

    def value(self) -> float:
        """Return their number; nothing can be added after that."""
        self._store.finish()
        return float(self._repeated)

    def close(self) -> None:
        """Remove the keys that are on disk."""
        self._store.close()

    def _tell(self, rows: Rows) -> None:
        self._repeated += len(rows)


class Distinct(Repeats):
    """How many different values a column has; absent ones do not count."""

    def __init__(self, column: str) -> None:
        super().__init__((column,))
        self._column = column

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        super().add(frame.select(self._column).drop_nulls())

    def value(self) -> float:
        """Return their number."""
        return self.seen - super().value()


class Moments:
    """The mean or the deviation (of a sample) of the values that a column has."""

    def __init__(self, column: str, measure: str) -> None:
        self._column, self._measure = column, measure
        self._count = 0
        self._mean = self._squares = np.float64(0)
        self._beyond = 0.0

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in; several parts are joined as Chan, Golub and LeVeque do (1983)."""
        values = _numbers(frame, self._column, self._measure)
        finite = np.isfinite(values)
        with np.errstate(invalid="ignore"):  # plus and minus infinity are no number together
            self._beyond += values[~finite].sum()
        values = values[finite]
        if not len(values):
            return
        count = self._count + len(values)
        with np.errstate(over="ignore", invalid="ignore"):  # values near the greatest number make it infinite, too
            mean = values.mean()
            apart = mean - self._mean
            self._squares += np.square(values - mean).sum() + apart**2 * self._count * len(values) / count
            self._mean += apart * len(values) / count
        self._count = count

    def value(self) -> float | None:
        """Return it; None without values, and for the deviation of a single one, which has none.

        Beside an infinite value the mean is infinite and the deviation no number; beside NaN both are none.
        """
        if self._beyond:
            return self._beyond if self._measure == "mean" else math.nan
        if self._measure == "mean":
            return float(self._mean) if self._count else None
        return math.sqrt(self._squares / (self._count - 1)) if self._count > 1 else None

    def close(self) -> None:
        """Nothing is on disk."""


class Quantile:
    """The value of a column below which a share of its values lies, between two of them where it falls there."""

    def __init__(self, column: str, measure: str, share: float) -> None:
        self._column, self._measure, self._share = column, measure, share
        self._held: list[Floats] = []
        self._count = self._held_count = 0
        self._open = ExitStack()
        self._file = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - `close` does

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        values = _numbers(frame, self._column, self._measure)
        self._held.append(values)
        self._count += len(values)
        self._held_count += len(values)
        if self._held_count > MEMORY_VALUES:
            for one in self._held:
                self._file.write(_ordered(one).tobytes())
            self._held, self._held_count = [], 0

    def value(self) -> float | None:
        """Return it; None without values."""
        if not self._count:
            return None
        place = self._share * (self._count - 1)
        low = self._at(math.floor(place))
        above = place - math.floor(place)
        return low + (self._at(math.ceil(place)) - low) * above if above else low

    def close(self) -> None:
        """Remove the values that are on disk."""
        self._open.close()

    def _at(self, rank: int) -> float:
        """Return the value before which so many lie in order: digit by digit, each time among fewer of them."""
        prefix = 0
        for digit in range(DIGITS - 1, -1, -1):
            shift = np.uint64(digit * DIGIT_BITS)
            counts = np.zeros(1 << DIGIT_BITS, np.int64)
            for part in self._parts():
                rest = part >> shift
                alike = rest[rest >> np.uint64(DIGIT_BITS) == np.uint64(prefix)]
                counts += np.bincount((alike & np.uint64(0xFFFF)).astype(np.int64), minlength=1 << DIGIT_BITS)
            upto = np.cumsum(counts)
            found = int(np.searchsorted(upto, rank, side="right"))
            rank -= int(upto[found - 1]) if found else 0
            prefix = prefix << DIGIT_BITS | found
        return _number(prefix)

    def _parts(self) -> Iterator[Ordinals]:
        self._file.seek(0)
        while body := self._file.read(READ_VALUES * 8):
            yield np.frombuffer(body, np.uint64)
        for values in self._held:
            yield _ordered(values)


class Newest:
    """The latest date or time of a column."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.newest: date | datetime | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Take some rows in."""
        if not isinstance(frame.schema[self._column], pl.Date | pl.Datetime):
            raise ExpectationFileError(
                f"{self._column} holds no dates or times, so nothing can be said of its freshness"
            )
        found = frame[self._column].max()
        assert found is None or isinstance(found, date)
        if found is not None and (self.newest is None or found > self.newest):
            self.newest = found


def _numbers(frame: pl.DataFrame, column: str, measure: str) -> Floats:
    values = frame[column]
    if isinstance(values.dtype, pl.String):
        raise ExpectationFileError(f"{column} holds texts, which have no {measure}")
    return values.cast(pl.Float64).drop_nulls().to_numpy()


SIGN = np.uint64(1 << 63)


def _ordered(values: Floats) -> Ordinals:
    """Return numbers without a sign whose order is that of the values; NaN comes last."""
    bits = (values + 0.0).view(np.uint64)  # minus nought becomes nought
    ordered: Ordinals = np.where(bits & SIGN, ~bits, bits | SIGN)
    return ordered


def _number(ordinal: int) -> float:
    bits = np.uint64(ordinal)
    back = bits & ~SIGN if bits & SIGN else ~bits
    return float(np.array([back], np.uint64).view(np.float64)[0])
