"""Says a promise in a sentence, for people."""

from lakehouse.tables.expectations.kinds import (
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
    Unique,
)

MEASURES = {
    "rows": "the number of rows",
    "missing_share": "the share of rows without {column}",
    "distinct": "the number of different values of {column}",
    "mean": "the mean of {column}",
    "median": "the median of {column}",
    "deviation": "the standard deviation of {column}",
    "quantile": "the {at:g} quantile of {column}",
}


def promised(one: Expectation) -> str:
    """Return the promise as one sentence without a full stop."""
    match one:
        case RowPromise():
            share = "every row" if one.mostly == 1 else f"at least {one.mostly:.4g} of the rows"
            return f"{share}: {_of_rows(one)}"
        case Unique(columns=columns):
            return f"no two rows share {', '.join(columns)}"
        case Measured(minimum=minimum, maximum=maximum):
            return f"{_measure(one)} is {_range(minimum, maximum)}"
        case Steady(within=within):
            return f"{_measure(one)} is within {within:.0%} of what earlier versions had"
        case Fresh(column=column, days=days):
            return f"the newest {column} is at most {days:g} days old"


def _of_rows(one: RowPromise) -> str:
    match one:
        case Present(column=column):
            return f"{column} is there"
        case Between(column=column, minimum=minimum, maximum=maximum):
            return f"{column} is {_range(minimum, maximum)}"
        case OneOf(column=column, values=values):
            return f"{column} is one of {', '.join(map(str, values))}"
        case Matches(column=column, pattern=pattern):
            return f"{column} matches {pattern}"
        case NotAbove(column=column, other=other):
            return f"{column} is not above {other}"
        case _:
            raise AssertionError(f"{type(one).__name__} has no sentence")


def _measure(one: Measured | Steady) -> str:
    return MEASURES[one.measure].format(column=one.column, at=one.at)


def _range(minimum: float | str | None, maximum: float | str | None) -> str:
    if minimum is None:
        return f"at most {_plain(maximum)}"
    if maximum is None:
        return f"at least {_plain(minimum)}"
    return f"between {_plain(minimum)} and {_plain(maximum)}"


def _plain(bound: float | str | None) -> str:
    return f"{bound:,.12g}" if isinstance(bound, int | float) else str(bound)
