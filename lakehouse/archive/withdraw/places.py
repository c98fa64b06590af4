"""Says which columns of a version name subjects of a kind, and which of them are a person's own number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from lakehouse.archive.eds import EVENTS_FOLDER, Description, TableDescription
from lakehouse.archive.terms import joined

Columns = Mapping[str, tuple[str, ...]]
DOCUMENT_FIELDS = {"id": "id", "document_id": "id", "title": "title"}
"""How the identifiers of a text collection may be called, and the field of its files they mean."""


@dataclass(frozen=True)
class Places:
    """Where a version names subjects of one kind."""

    about: Description
    kind: str

    @cached_property
    def declared(self) -> tuple[str, ...]:
        """The places as the dataset names them."""
        return self.about.subjects[self.kind].identifiers if self.kind in self.about.subjects else ()

    @cached_property
    def own(self) -> Columns:
        """The columns of each table that name this kind, declared or joined with a declared one by references."""
        return self._columns(joined(set(self.declared), self.about))

    @cached_property
    def people(self) -> Columns:
        """The columns of each table that name a subject of any kind."""
        declared = {place for kind in self.about.subjects.values() for place in kind.identifiers}
        return self._columns(joined(declared, self.about))

    @cached_property
    def documents(self) -> Columns:
        """The fields of each text collection that name this kind."""
        found: dict[str, tuple[str, ...]] = {}
        for place in self.declared:
            part, _, name = place.rpartition(".")
            if part in self.about.texts and name in DOCUMENT_FIELDS:
                found[part] = (*found.get(part, ()), DOCUMENT_FIELDS[name])
        return found

    @cached_property
    def logs(self) -> tuple[str, ...]:
        """The event logs whose actors are of this kind."""
        parts = (place.rpartition(".")[0] for place in self.declared)
        names = (part.removeprefix(f"{EVENTS_FOLDER}/") for part in parts if part.startswith(f"{EVENTS_FOLDER}/"))
        return tuple(dict.fromkeys(name for name in names if name in self.about.events))

    @cached_property
    def principal(self) -> frozenset[str]:
        """The domains whose values are one person each: keys of tables with one row a person, else the first named."""
        keys = {
            self.domain(name, table.primary_key[0])
            for name, table in self.about.tables.items()
            if len(table.primary_key) == 1 and table.primary_key[0] in self.own.get(name, ())
        }
        if keys:
            return frozenset(keys)
        first = next((place for place in self.declared if place.partition(".")[0] in self.about.tables), None)
        return frozenset({self.domain(*first.split("."))} if first else ())

    def domain(self, table: str, column: str) -> str:
        """Return the place that a column's values come from: the end of its references, else the column itself."""
        seen = set()
        place = f"{table}.{column}"
        while place not in seen:
            seen.add(place)
            name, _, at = place.partition(".")
            about = self.about.tables.get(name)
            target = about.columns[at].references if about is not None and at in about.columns else None
            if target is None or target.partition(".")[0] not in self.about.tables:
                break
            place = target
        return place

    def key_people(self, table: TableDescription) -> tuple[str, ...]:
        """Return the columns of a table's primary key that name subjects: its rows are about those."""
        return tuple(name for name in table.primary_key if name in self.people.get(table.name, ()))

    def is_held(self, table: str) -> bool:
        """Say whether rows about people refer to this table's rows."""
        for name, other in self.about.tables.items():
            for column, about in other.columns.items():
                target = (about.references or "").partition(".")[0]
                if name != table and target == table and set(self.people.get(name, ())) - {column}:
                    return True
        return False

    def _columns(self, places: Iterable[str]) -> Columns:
        found: dict[str, list[str]] = {}
        for place in sorted(places):
            name, _, column = place.partition(".")
            if name in self.about.tables and column in self.about.tables[name].columns:
                found.setdefault(name, []).append(column)
        return {name: tuple(columns) for name, columns in found.items()}
