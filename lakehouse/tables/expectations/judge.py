"""Judges rows against what their table promises, all promises in one pass of Polars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.errors import ExpectationFileError
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
    _require_columns(rows, promised_of)
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    by_row = {code: one for code, one in promised_of.expect.items() if isinstance(one, RowPromise)}
    try:
        wrong = frame.select(_breaks(one).fill_null(value=False).alias(code) for code, one in by_row.items())
        counts = wrong.sum().row(0) if by_row and frame.height else (0,) * len(by_row)
        unexpected = dict(zip(by_row, counts, strict=True))
        verdicts = [
            _verdict(code, one, promised_of.owner, frame, unexpected.get(code, 0), history.get(code, ()), now)
            for code, one in promised_of.expect.items()
        ]
    except pl.exceptions.PolarsError as error:
        raise ExpectationFileError(f"a promise does not fit its column: {error}; mend the expectations") from error
    return Judgement(tuple(verdicts), _aside(wrong, by_row, frame.height))


def judge_count(count: int, promised_of: TableExpectations, *, history: History, now: datetime) -> tuple[Verdict, ...]:
    """Return how a version of so many rows keeps promises that are about their number alone."""
    assert promised_of.of_count_alone, "these rows are nowhere to be seen"
    frame = pl.select(pl.repeat(None, count, dtype=pl.Null))
    return tuple(
        _verdict(code, one, promised_of.owner, frame, 0, history.get(code, ()), now)
        for code, one in promised_of.expect.items()
    )


def _require_columns(rows: pa.Table, promised_of: TableExpectations) -> None:
    for code, one in promised_of.expect.items():
        absent = [name for name in columns_of(one) if name not in rows.column_names]
        if absent:
            raise ExpectationFileError(
                f"{code} speaks of {', '.join(absent)}, but the columns are {', '.join(rows.column_names)}"
            )


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


def _verdict(
    code: str,
    one: Expectation,
    owner: str,
    frame: pl.DataFrame,
    unexpected: int,
    earlier: Sequence[float],
    now: datetime,
) -> Verdict:
    def verdict(*, kept: bool, unexpected: int = 0, observed: float | None) -> Verdict:
        return Verdict(
            code, one, one.owner or owner, promised(one), kept, frame.height, int(unexpected), _number(observed)
        )

    match one:
        case Unique(columns=columns):
            repeated = frame.height - frame.select(columns).n_unique()
            return verdict(kept=repeated == 0, unexpected=repeated, observed=_share(frame.height, repeated))
        case Measured(minimum=minimum, maximum=maximum):
            value = _measure(frame, one)
            low, high = -np.inf if minimum is None else minimum, np.inf if maximum is None else maximum
            return verdict(kept=value is None or low <= value <= high, observed=value)
        case Steady(within=within):
            value, usual = _measure(frame, one), median(earlier[-HISTORY:]) if earlier else None
            kept = value is None or usual is None or abs(value - usual) <= within * abs(usual)
            return verdict(kept=kept, observed=value)
        case Fresh(column=column, days=days):
            age = _age_days(frame, column, now)
            return verdict(kept=age is not None and age <= days, observed=age)
        case _:
            share = _share(frame.height, unexpected)
            return verdict(kept=share >= one.mostly, unexpected=unexpected, observed=share)


def _share(height: int, unexpected: int) -> float:
    return 1.0 if not height else 1 - unexpected / height


def _number(observed: float | None) -> float | None:
    return None if observed is None else float(observed)


def _measure(frame: pl.DataFrame, one: Measured | Steady) -> float | None:
    if one.measure == "rows":
        return float(frame.height)
    values = frame[one.column]
    if one.measure == "missing_share":
        return values.null_count() / frame.height if frame.height else None
    if one.measure == "distinct":
        return float(values.drop_nulls().n_unique())
    if isinstance(values.dtype, pl.String):
        raise ExpectationFileError(f"{one.column} holds texts, which have no {one.measure}")
    found = _figure(values.cast(pl.Float64), one)
    return None if found is None else float(found)  # type: ignore[arg-type]


def _figure(values: pl.Series, one: Measured | Steady) -> object:
    match one.measure:
        case "mean":
            return values.mean()
        case "deviation":
            return values.std(ddof=1)  # of a sample: versions are draws, and one value alone has none
        case "quantile":
            assert one.at is not None
            return values.quantile(one.at, "linear")
        case _:
            return values.median()


def _age_days(frame: pl.DataFrame, column: str, now: datetime) -> float | None:
    if not isinstance(frame.schema[column], pl.Date | pl.Datetime):
        raise ExpectationFileError(f"{column} holds no dates or times, so nothing can be said of its freshness")
    newest = frame[column].max()
    if newest is None:
        return None
    if isinstance(newest, datetime):
        moment = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
        return (now - moment).total_seconds() / 86_400
    assert isinstance(newest, date)
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
