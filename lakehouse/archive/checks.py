"""What a check is: a function from an item of a submission to hits, registered by selector and name."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lakehouse.archive.contents import ColumnContent, Contents, DataFile, TableContent, TextContent
from lakehouse.archive.event_contents import EventContent
from lakehouse.archive.levels import numbered_row
from lakehouse.archive.rulebook import Parameters
from lakehouse.archive.tally import FileTally


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule is broken, and in which of its rows; `facts` fill the rule's message."""

    place: str
    occurrences: int = 1
    first_row: int | None = None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    rows: Sequence[int] = ()


MOST_COMPARISONS = 100_000

Item = TypeVar("Item")
Check = Callable[[Item, Parameters], Iterable[Hit]]

DATASET: dict[str, Check[Contents]] = {}
FILE: dict[str, Check[DataFile]] = {}
TABLE: dict[str, Check[TableContent]] = {}
COLUMN: dict[str, Check[ColumnContent]] = {}
TEXT: dict[str, Check[TextContent]] = {}
EVENT: dict[str, Check[EventContent]] = {}


def named(registry: dict[str, Check[Item]]) -> Callable[[Check[Item]], Check[Item]]:
    """Register a check under its function's name."""

    def register(check: Check[Item]) -> Check[Item]:
        name = getattr(check, "__name__", "")
        assert name not in registry, f"two checks are called {name}"
        registry[name] = check
        return check

    return register


def hints(names: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Return for each name the question whether it means the known one most like it; empty when none is like it.

    Comparing is slow, so among very many names nothing is guessed.
    """
    if len(names) * len(known) > MOST_COMPARISONS:
        return dict.fromkeys(names, "")
    near = {name: difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7) for name in names}
    return {name: f"Did you mean '{found[0]}'? " if found else "" for name, found in near.items()}


def in_rows(tally: FileTally, place: str, **facts: str | int | float) -> Hit:
    """Return the hit for all rows of one file that have a fault; `rows` of its facts are the first three."""
    rows = sorted(tally.rows)
    first = ", ".join(numbered_row(place, row) for row in rows[:3])
    return Hit(place, tally.count, rows[0], {"rows": first, **facts}, rows)


def text(parameters: Parameters, name: str) -> str:
    """Return a parameter that must be text."""
    return str(parameters[name])


def number(parameters: Parameters, name: str) -> float:
    """Return a parameter that must be a number."""
    value = parameters[name]
    assert isinstance(value, int | float), f"parameter {name} is {value!r}"
    return value


def listed(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return a parameter that must be a list of words."""
    value = parameters[name]
    assert isinstance(value, tuple), f"parameter {name} is {value!r}"
    return value
