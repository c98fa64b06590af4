"""Judges rows against what their table promises, all promises in one pass of Polars, some rows at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.errors import ExpectationFileError
from lakehouse.tables.expectations.figures import Newest, Repeats, figure_of
from lakehouse.tables.expectations.kinds import (
    HISTORY,
    Between,
    Expectation,
    Fresh,
    Matches,
    Measured,
    NotAbove,
    OneOf,
    Present,
    RowPromise,
    Steady,
    TableExpectations,
    Unique,
    columns_of,
)
from lakehouse.tables.expectations.wording import promised

if TYPE_CHECKING:
    Codes = pa.Array[Any]
else:
    # Arrow's classes take no type arguments at run time.
    Codes = pa.Array

History = Mapping[str, Sequence[float]]
"""By code, what was observed in earlier versions, oldest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one promise was kept. `unexpected` counts rows of `evaluated`; `observed` is the share or measure, if any."""

    code: str
    expectation: Expectation
    owner: str
    promise: str
    kept: bool
    evaluated: int
    unexpected: int
    observed: float | None

    @property
    def blocks(self) -> bool:
        """Whether nothing may be published: an error, or too many rows for a quarantine."""
        return not self.kept and self.expectation.severity in ("error", "quarantine")


@dataclass(frozen=True)
class Judgement:
    """Every verdict on some rows, and for each row the code of the promise it is set aside for, or null."""

    verdicts: tuple[Verdict, ...]
    aside: Codes

    @property
    def blocked(self) -> tuple[Verdict, ...]:
        """The broken promises for which nothing may be published."""
        return tuple(verdict for verdict in self.verdicts if verdict.blocks)


def judge(rows: pa.Table, promised_of: TableExpectations, *, history: History, now: datetime) -> Judgement:
    """Return how the rows of one version keep every promise. No rows keep every promise but that of freshness.

    Raises:
        ExpectationFileError: a promise names a column that is not there, or compares it with another type.
    """
    with closing(Judging(promised_of)) as judging:
        aside = judging.add(rows)
        return Judgement(judging.verdicts(history=history, now=now), aside)


def judge_count(count: int, promised_of: TableExpectations, *, history: History, now: datetime) -> tuple[Verdict, ...]:
    """Return how a version of so many rows keeps promises that are about their number alone."""
    assert promised_of.of_count_alone, "these rows are nowhere to be seen"
    with closing(Judging(promised_of)) as judging:
        judging.add_count(count)
        return judging.verdicts(history=history, now=now)


def codes_of(rows: pa.Table, promised_of: TableExpectations) -> Codes:
    """Return for each row the code of the promise it is set aside for, or null, whatever other rows there are.

    Raises ExpectationFileError as `judge` does.
    """
    _require_columns(rows, promised_of)
    by_row = _by_row(promised_of)
    frame = _frame(rows)
    with _fitting():
        return _aside(_wrong(frame, by_row), by_row, frame.height)


class Judging:
    """The rows of one version on their way past the judge, some at a time; what is kept of them are counts and figures.

    Raises:
        ExpectationFileError: as `judge` does.
    """

    def __init__(self, promised_of: TableExpectations) -> None:
        self._promised_of = promised_of
        self._height = 0
        expect = promised_of.expect
        self._by_row = _by_row(promised_of)
        self._wrong: Counter[str] = Counter()
        self._figures = {code: figure_of(one) for code, one in expect.items() if isinstance(one, Measured | Steady)}
        self._figures |= {code: Repeats(one.columns) for code, one in expect.items() if isinstance(one, Unique)}
        self._newest = {code: Newest(one.column) for code, one in expect.items() if isinstance(one, Fresh)}

    def add(self, rows: pa.Table) -> Codes:
        """Judge rows; return for each the code of the promise it is set aside for, or null."""
        _require_columns(rows, self._promised_of)
        frame = _frame(rows)
        with _fitting():
            wrong = _wrong(frame, self._by_row)
            if self._by_row and frame.height:
                self._wrong.update(dict(zip(self._by_row, wrong.sum().row(0), strict=True)))
            for figure in self._figures.values():
                figure.add(frame)
            for newest in self._newest.values():
                newest.add(frame)
        self._height += frame.height
        return _aside(wrong, self._by_row, frame.height)

    def add_count(self, count: int) -> None:
        """Take in rows of which only their number is known."""
        self._height += count
        for each in self._figures.values():
            each.add(pl.select(pl.repeat(None, count, dtype=pl.Null)))

    def verdicts(self, *, history: History, now: datetime) -> tuple[Verdict, ...]:
        """Return how all rows together kept each promise; no rows can be added after that."""
        with _fitting():
            return tuple(
                self._verdict(code, one, history.get(code, ()), now) for code, one in self._promised_of.expect.items()
            )

    def close(self) -> None:
        """Remove what is on disk."""
        for each in self._figures.values():
            each.close()

    def _verdict(self, code: str, one: Expectation, earlier: Sequence[float], now: datetime) -> Verdict:
        def verdict(*, kept: bool, unexpected: int = 0, observed: float | None) -> Verdict:
            owner = one.owner or self._promised_of.owner
            return Verdict(code, one, owner, promised(one), kept, self._height, int(unexpected), _number(observed))

        match one:
            case Unique():
                repeated = int(self._figures[code].value() or 0)
                return verdict(kept=repeated == 0, unexpected=repeated, observed=_share(self._height, repeated))
            case Measured(minimum=minimum, maximum=maximum):
                value = self._figures[code].value()
                low, high = -np.inf if minimum is None else minimum, np.inf if maximum is None else maximum
                return verdict(kept=value is None or low <= value <= high, observed=value)
            case Steady(within=within):
                value, usual = self._figures[code].value(), median(earlier[-HISTORY:]) if earlier else None
                kept = value is None or usual is None or abs(value - usual) <= within * abs(usual)
                return verdict(kept=kept, observed=value)
            case Fresh(days=days):
                age = _age_days(self._newest[code].newest, now)
                return verdict(kept=age is not None and age <= days, observed=age)
            case _:
                share = _share(self._height, self._wrong[code])
                return verdict(kept=share >= one.mostly, unexpected=self._wrong[code], observed=share)


@contextmanager
def _fitting() -> Iterator[None]:
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise ExpectationFileError(f"a promise does not fit its column: {error}; mend the expectations") from error


def _require_columns(rows: pa.Table, promised_of: TableExpectations) -> None:
    for code, one in promised_of.expect.items():
        absent = [name for name in columns_of(one) if name not in rows.column_names]
        if absent:
            raise ExpectationFileError(
                f"{code} speaks of {', '.join(absent)}, but the columns are {', '.join(rows.column_names)}"
            )


def _by_row(promised_of: TableExpectations) -> dict[str, RowPromise]:
    return {code: one for code, one in promised_of.expect.items() if isinstance(one, RowPromise)}


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _wrong(frame: pl.DataFrame, by_row: Mapping[str, RowPromise]) -> pl.DataFrame:
    """Return a column for each promise, which says of each row whether it breaks it."""
    return frame.select(_breaks(one).fill_null(value=False).alias(code) for code, one in by_row.items())


def _breaks(one: RowPromise) -> pl.Expr:
    match one:
        case Present(column=column):
            return pl.col(column).is_null()
        case Between(column=column, minimum=minimum, maximum=maximum):
            below = pl.col(column) < pl.lit(bound(minimum)) if minimum is not None else pl.lit(value=False)
            above = pl.col(column) > pl.lit(bound(maximum)) if maximum is not None else pl.lit(value=False)
            return below | above
        case OneOf(column=column, values=values):
            return ~pl.col(column).is_in(list(values))
        case Matches(column=column, pattern=pattern):
            return ~pl.col(column).str.contains(pattern)
        case NotAbove(column=column, other=other):
            return pl.col(column) > pl.col(other)
        case _:
            raise AssertionError(f"{type(one).__name__} is judged by row but has no expression")


def bound(value: float | str) -> float | date | datetime:
    """Return a bound as what it is compared as.

    Raises:
        ExpectationFileError: it is neither a number nor an ISO date or time.
    """
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value) if len(value) == len("2024-01-31") else datetime.fromisoformat(value)
    except ValueError as error:
        raise ExpectationFileError(f"the bound {value!r} is neither a number nor an ISO date or time") from error


def _share(height: int, unexpected: int) -> float:
    return 1.0 if not height else 1 - unexpected / height


def _number(observed: float | None) -> float | None:
    return None if observed is None else float(observed)


def _age_days(newest: date | datetime | None, now: datetime) -> float | None:
    if newest is None:
        return None
    if isinstance(newest, datetime):
        moment = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
        return (now - moment).total_seconds() / 86_400
    return float((now.date() - newest).days)


def _aside(wrong: pl.DataFrame, by_row: Mapping[str, RowPromise], height: int) -> Codes:
    first = pl.lit(None, dtype=pl.String)
    for code, one in reversed(list(by_row.items())):
        if one.severity == "quarantine":
            first = pl.when(pl.col(code)).then(pl.lit(code)).otherwise(first)
    if not wrong.width:
        return pa.nulls(height, pa.string())
    codes: Codes = wrong.select(first.alias("code"))["code"].to_arrow().cast(pa.string())
    return codes
