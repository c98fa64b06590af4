"""The kinds of expectation, each a small typed record read from YAML."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Severity = Literal["error", "quarantine", "warning"]
Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]+$")]
Share = Annotated[float, Field(ge=0, le=1)]

HISTORY = 5


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Promise(_Data):
    """What every expectation says: how much it matters, why it is made, and who answers when it is broken.

    ``error`` publishes nothing, ``quarantine`` keeps single rows out of silver, ``warning`` only says so.
    """

    severity: Severity
    reason: str = Field(min_length=10)
    owner: str = ""


class RowPromise(Promise):
    """A promise about single rows; it is kept when the share of rows that keep it is `mostly` or more.

    Under ``quarantine`` the rows that break it are set aside; if more than 1 - `mostly` do, nothing is published,
    for then they are no outliers.
    """

    mostly: Share = 1.0

    @model_validator(mode="after")
    def _room_for_outliers(self) -> Self:
        if self.severity == "quarantine" and self.mostly == 1:
            raise ValueError("quarantine needs `mostly` below 1: the share of rows that must be no outliers")
        return self


class Present(RowPromise):
    """A value is there."""

    check: Literal["present"]
    column: str


class Between(RowPromise):
    """A number, date or time lies between two bounds, both included; absent values keep the promise."""

    check: Literal["between"]
    column: str
    minimum: float | str | None = None
    maximum: float | str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("name `minimum`, `maximum` or both")
        return self


class OneOf(RowPromise):
    """A value is one of a list; absent values keep the promise."""

    check: Literal["one_of"]
    column: str
    values: tuple[str | int | float, ...] = Field(min_length=1)


class Matches(RowPromise):
    """A text matches a regular expression (Rust's syntax) somewhere; absent values keep the promise."""

    check: Literal["matches"]
    column: str
    pattern: str


class NotAbove(RowPromise):
    """A value is at most that of another column of its row; rows that lack either keep the promise."""

    check: Literal["not_above"]
    column: str
    other: str


class TablePromise(Promise):
    """A promise about all rows of a version together; rows cannot be set aside for it."""

    @model_validator(mode="after")
    def _no_rows_to_blame(self) -> Self:
        if self.severity == "quarantine":
            raise ValueError("only promises about single rows can quarantine; choose error or warning")
        return self


class Unique(TablePromise):
    """No two rows share their values in these columns."""

    check: Literal["unique"]
    columns: tuple[str, ...] = Field(min_length=1)


Measure = Literal["rows", "missing_share", "distinct", "mean", "median", "deviation", "quantile"]


class Measured(TablePromise):
    """A measure of the version lies between two bounds, both included. A measure of no values keeps the promise."""

    check: Literal["measured"]
    measure: Measure
    column: str = ""
    at: Share | None = None
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _require_named(self.measure, self.column, self.at)
        if self.minimum is None and self.maximum is None:
            raise ValueError("name `minimum`, `maximum` or both")
        return self


class Steady(TablePromise):
    """A measure is within a share of the median of the same measure in at most five earlier versions.

    |value - median| <= `within` * |median|. The first version keeps the promise, and so does one without values.
    """

    check: Literal["steady"]
    measure: Measure
    column: str = ""
    at: Share | None = None
    within: float = Field(gt=0)

    @model_validator(mode="after")
    def _named(self) -> Self:
        _require_named(self.measure, self.column, self.at)
        return self


class Fresh(TablePromise):
    """The newest time in a column is at most so many days old when the table is looked at; no rows are not fresh."""

    check: Literal["fresh"]
    column: str
    days: float = Field(gt=0)


def _require_named(measure: str, column: str, at: float | None) -> None:
    if (measure == "rows") == bool(column):
        raise ValueError("`rows` takes no `column`, every other measure needs one")
    if (measure == "quantile") != (at is not None):
        raise ValueError("`quantile` needs `at`, the share of values below it from 0 to 1; no other measure takes it")


Expectation = Annotated[
    Present | Between | OneOf | Matches | NotAbove | Unique | Measured | Steady | Fresh, Field(discriminator="check")
]


class TableExpectations(_Data):
    """What one table promises. `owner` answers for every promise that names nobody else."""

    about: str
    owner: str
    expect: dict[Code, Expectation] = Field(min_length=1)

    @property
    def of_count_alone(self) -> bool:
        """Whether every promise is about how many rows there are, so that none of them has to be seen."""
        return all(isinstance(one, Measured | Steady) and one.measure == "rows" for one in self.expect.values())

    @property
    def sets_aside(self) -> bool:
        """Whether a promise may keep rows out of the table."""
        return any(one.severity == "quarantine" for one in self.expect.values())

    @property
    def named_columns(self) -> set[str]:
        """The columns that promises speak of."""
        return {name for one in self.expect.values() for name in columns_of(one)}


def columns_of(one: Expectation) -> list[str]:
    """Return the columns that a promise speaks of."""
    named = [getattr(one, "column", ""), getattr(one, "other", ""), *getattr(one, "columns", ())]
    return [name for name in named if name]
