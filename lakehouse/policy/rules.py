"""What the owner lays down for single tables: masked columns, rows for each role, and the smallest group shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehouse.definition import NEVER_RENAMED, FormerNames

SMALLEST_GROUP = 10
"""Persons below which a group is not shown. Statistical offices use 3 to 10 for tables of counts."""

Value = bool | int | str


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mask(_Data):
    """How the values of one column are made less telling: exactly one of these.

    `first` keeps so many characters of a text; `round_to` gives numbers as multiples, to the nearest; `cut_to` gives
    dates and times as the first day of their month or year; `pseudonym` puts the same 16 hexadecimal digits in place
    of the same text, for one endpoint and table.
    """

    first: int | None = Field(default=None, ge=1, le=100)
    round_to: int | None = Field(default=None, ge=2)
    cut_to: Literal["month", "year"] | None = None
    pseudonym: Literal[True] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: Any) -> Any:  # noqa: ANN401 (whatever the file holds)
        words = {
            "pseudonym": {"pseudonym": True},
            "month": {"cut_to": "month"},
            "year": {"cut_to": "year"},
            "empty": {},
        }
        return words.get(given, given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one(self) -> "Mask":
        if len(self.model_fields_set) > 1:
            raise ValueError("a mask is one of empty, pseudonym, month, year, {first: N} and {round_to: N}")
        return self

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is shown at all."""
        return not self.model_fields_set


class TableRule(_Data):
    """What holds for one table, named as in SQL without its layer, in bronze and silver alike.

    `rows` gives each role the rows whose columns hold one of some values, or ``all``; a user sees what any of the
    user's roles is given, and a role that is not named is given nothing. Without `rows` every row is seen.
    `dimensions` are the columns a table about people can be grouped and filtered by.
    """

    masks: Mapping[str, Mask] = Field(default_factory=dict)
    rows: Mapping[str, Literal["all"] | Mapping[str, Annotated[tuple[Value, ...], Field(min_length=1)]]] | None = None
    dimensions: tuple[str, ...] = ()


class Rules(_Data):
    """The rules of all tables; without any, groups of fewer than ten people are hidden and nothing else is."""

    smallest_group: int = Field(default=SMALLEST_GROUP, ge=3, le=10_000)
    tables: Mapping[str, TableRule] = Field(default_factory=dict)

    def of(self, table: str) -> TableRule:
        """Return the rule of a table; an empty one for a table that has none."""
        return self.tables.get(table, NO_RULE)


GROUPS_OF = "lakehouse.groups_of"
"""In the metadata of a result's schema: the least number of people in the groups that its figures are made of."""
NO_RULE = TableRule()
NO_RULES = Rules()
RowFilter = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Groups:
    """That a part is shown in groups of at least `least` persons, whom any of the columns `persons` names.

    `dimensions` tell the groups apart.
    """

    least: int
    persons: tuple[str, ...]
    dimensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How one part is shown to one user.

    `rows` are alternatives, each of them columns with the values they may have; None is every row, and no alternative
    is no row. The policy file may call columns by any of their `names`.
    """

    masks: Mapping[str, Mask] = field(default_factory=dict)
    rows: tuple[RowFilter, ...] | None = None
    groups: Groups | None = None
    names: FormerNames = NEVER_RENAMED

    def among(self, columns: Sequence[str]) -> "Limits":
        """Return the same limits by the names that a table with these columns has for them."""
        if not self.names.pairs:
            return self
        groups = self.groups
        if groups is not None:
            persons = (one for name in groups.persons for one in self.names.among(name, columns))
            dimensions = (self.names.among(name, columns)[0] for name in groups.dimensions)
            groups = replace(groups, persons=_once(persons), dimensions=_once(dimensions))
        rows = self.rows
        if rows is not None:
            rows = tuple(one for given in rows if (one := self._filter(given, columns)) is not None)
        masks = {name: mask for name in columns if (mask := self._mask(name)) is not None}
        return replace(self, masks=masks, rows=rows, groups=groups)

    def _mask(self, name: str) -> Mask | None:
        """Return a column's own mask, or that of its other names; nothing is shown where those have several."""
        if name in self.masks:
            return self.masks[name]
        found = {self.masks[other] for other in self.names.all(name) if other in self.masks}
        return next(iter(found), None) if len(found) < 2 else Mask()

    def _filter(self, given: RowFilter, columns: Sequence[str]) -> RowFilter | None:
        """Return an alternative with the names of a table; None where two names of one column leave no value."""
        found: dict[str, tuple[Value, ...]] = {}
        for name, values in given.items():
            stored = self.names.among(name, columns)[0]
            found[stored] = tuple(value for value in found.get(stored, values) if value in values)
        return found if all(found.values()) else None

    @property
    def are_none(self) -> bool:
        """Say whether the part is shown as it is."""
        return not self.masks and self.rows is None and self.groups is None


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def as_text(value: Value) -> str:
    """Return a value of a row filter as columns of any type write it when they are cast to text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def rows_for(rule: TableRule, roles: tuple[str, ...]) -> tuple[RowFilter, ...] | None:
    """Return the alternatives that a user's roles are given; None for every row."""
    if rule.rows is None:
        return None
    given = [rule.rows[role] for role in roles if role in rule.rows]
    filters = [one for one in given if not isinstance(one, str)]
    return None if len(filters) < len(given) else tuple(filters)
