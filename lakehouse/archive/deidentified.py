"""Which columns of a dataset silver holds as pseudonyms, and its rows with them: nobody is named there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from lakehouse.archive.arrays import flat
from lakehouse.archive.eds import EVENTS_FOLDER, Description
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.terms import SUBJECT_NAMES, TYPES_WITH_PSEUDONYMS, joined
from lakehouse.definition import TableDefinition

ROLE = "direct_identifier"
ACTOR = "actor"
EVENT_COLUMNS = (ACTOR, "actor_home")
"""What of a log's table names its actors."""
Columns = Mapping[str, tuple[str, ...]]
"""Columns by part, as a part's table calls them; a log by its name alone."""

TOLD = "A pseudonym, the same for the same value; bronze has what was submitted."
TOLD_EMPTY = "Always empty; bronze has what was submitted."


@dataclass(frozen=True)
class Deidentified:
    """The columns whose values become pseudonyms in silver, by part, and what makes these."""

    columns: Columns = field(default_factory=dict)
    pseudonyms: Pseudonyms | None = None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the key; None where nobody is named."""
        return None if self.pseudonyms is None else self.pseudonyms.fingerprint

    def of(self, part: str) -> tuple[str, ...]:
        """Return the columns of a part."""
        return self.columns.get(part, ())

    def told(self, definition: TableDefinition, part: str) -> TableDefinition:
        """Return a silver table's definition whose columns say what became of their values."""
        named = self.of(part)
        columns = (
            replace(one, doc=f"{one.doc} {TOLD if _keeps(one.type) else TOLD_EMPTY}") if one.name in named else one
            for one in definition.columns
        )
        return replace(definition, columns=tuple(columns)) if named else definition

    def rows(self, rows: pa.Table, part: str) -> pa.Table:
        """Return rows of a silver table without anybody's identifiers."""
        for name in self.of(part):
            assert self.pseudonyms is not None, "whoever names columns has the key"
            if name in rows.column_names:
                place = rows.column_names.index(name)
                rows = rows.set_column(place, rows.field(name), self.pseudonyms.cells(flat(rows.column(name))))
        return rows

    def batches(self, batches: Iterator[pa.Table], part: str) -> Iterator[pa.Table]:
        """Yield the same of rows that come some at a time."""
        return (self.rows(rows, part) for rows in batches) if self.of(part) else batches


NOBODY_NAMED = Deidentified()


def identifying_columns(description: Description, known: Collection[str] = ()) -> Columns:
    """Return the columns that silver holds as pseudonyms.

    They are those of the role and the actors of event logs; every column that references join with one of these; and
    all identifiers of a kind of subject that has one of them, since consent compares these. So a value has one form on
    all sides of a join. `known` are columns, as ``part.column``, that are pseudonyms in stored versions: they stay so.
    """
    named = {place for place in _places(description) if _names_somebody(place, description, known)}
    found: dict[str, tuple[str, ...]] = {}
    for place in sorted(_together(named, description)):
        part, _, column = place.rpartition(".")
        part = part.removeprefix(f"{EVENTS_FOLDER}/")
        name = SUBJECT_NAMES.get(column, column) if part in description.texts else column
        if name not in found.get(part, ()):
            found[part] = (*found.get(part, ()), name)
    for log in description.events:
        found[log] = EVENT_COLUMNS
    return found


def without_pseudonyms(description: Description) -> list[str]:
    """Return the columns, as ``table.column``, that silver must keep apart by their values and cannot by their type."""
    needed = {place for kind in description.subjects.values() for place in kind.identifiers}
    if description.consent is not None and description.consent.table is not None:
        needed.add(f"{description.consent.table}.{description.consent.subject}")
    for name, table in description.tables.items():
        needed.update(f"{name}.{column}" for column in table.primary_key)
        for column, about in table.columns.items():
            needed.update({f"{name}.{column}", about.references} if about.references else ())
    columns = identifying_columns(description)
    return [
        f"{name}.{column}"
        for name, table in description.tables.items()
        for column, about in table.columns.items()
        if column in columns.get(name, ()) and f"{name}.{column}" in needed and about.type not in TYPES_WITH_PSEUDONYMS
    ]


def _places(description: Description) -> Iterator[str]:
    for name, table in description.tables.items():
        yield from (f"{name}.{column}" for column in table.columns)
    yield from (f"{EVENTS_FOLDER}/{name}.{ACTOR}" for name in description.events)
    for name in description.texts:
        yield from (f"{name}.{column}" for column in ("document_id", "id", "title"))


def _names_somebody(place: str, description: Description, known: Collection[str]) -> bool:
    part, _, column = place.rpartition(".")
    if part.startswith(f"{EVENTS_FOLDER}/") or place in known:
        return True
    about = description.tables[part].columns.get(column) if part in description.tables else None
    if about is None:
        return False
    return about.role == ROLE or any(f"{part}.{was}" in known for was in about.formerly)


def _together(places: set[str], description: Description) -> set[str]:
    """Return the places and all whose values are compared with theirs."""
    kinds = [set(kind.identifiers) for kind in description.subjects.values()]
    size = 0
    while size < len(places):
        size = len(places)
        places = joined(places, description)
        places = places.union(*(kind for kind in kinds if kind & places))
    return places


def _keeps(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
