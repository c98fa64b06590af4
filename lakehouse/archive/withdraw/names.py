"""What datasets, their parts and their codes are called: in a text such a word cannot be told from a person's value."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args

from lakehouse.archive.eds import ColumnRole, ColumnType, Description
from lakehouse.archive.findings import FairIndicator, Finding, Report
from lakehouse.archive.levels import LEVELS, PRIORITIES, FairVerdict
from lakehouse.definition import HOUSE, LAYERS
from lakehouse.masking import Mask

CODES = frozenset(
    {
        "accumulates", "access", "basis", "end", "forbidden", "formerly", "language", "levels", "licence",
        "missing_codes", "pattern", "purposes", "references", "relation", "role", "start", "type", "unit",
    }
)  # fmt: skip
"""Fields of a description whose values are codes; so is every key of a mapping, as the name of a column is."""
WORDS = frozenset(
    (
        *LAYERS, *HOUSE, *LEVELS, *PRIORITIES, *get_args(FairVerdict), *get_args(ColumnType), *get_args(ColumnRole),
        *(field.name for kind in (Report, Finding, FairIndicator) for field in fields(kind)),
        "accepted", "refused", "dataset", "collection", "restricted", "registered", "open",
    )
)  # fmt: skip
"""Words of reports and tables of the house."""


def names_in(about: Description) -> set[str]:
    """Return what a version calls itself, its parts, columns and codes."""
    plain = about.model_dump(mode="json")
    return {about.name, about.version, *_names(plain, "")}


def told_apart(values: Collection[str], names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the values that can be masked in texts, and those that are, or stand in, what something is called."""
    called = "\n".join(sorted({*names, *WORDS}))
    alike = {value for value in values if Mask((value,)).holds(called)}
    return tuple(sorted(set(values) - alike)), tuple(sorted(alike))


def _names(value: Any, field: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _names(one, str(name) if field != "columns" else "")
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _names(one, field)
    elif field in CODES and value is not None:
        yield str(value)
