"""Finds what leaves one version: rows, documents, statements, cells in rows of other people, and mentions."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow.compute as pc

from lakehouse.archive.arrays import flat
from lakehouse.archive.eds import EVENTS_FOLDER, TEXTS_FOLDER, TableDescription
from lakehouse.archive.event_files import event_files
from lakehouse.archive.text_files import document_files
from lakehouse.archive.withdraw.files import document_goes, file_goes, lines_of
from lakehouse.archive.withdraw.matching import canonical, folded
from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.plan import Others, Removal
from lakehouse.archive.withdraw.sightings import Content, Sightings, read_content, sight
from lakehouse.archive.withdraw.statements import actor_values, data_without, statement_id
from lakehouse.archive.withdraw.whose import Rule

__all__ = ["Content", "Found", "find", "read_content", "removal_of"]

Values = dict[str, set[str]]


@dataclass(frozen=True)
class Found:
    """What leaves a version, without its mentions, and by `table.column` how many rows could only go as a whole.

    Those rows are about other people, and their column may not be empty.
    """

    removal: Removal
    needs: Mapping[str, int] = field(default_factory=dict)


def find(content: Content, kind: str, subject: str) -> tuple[Removal, frozenset[str]]:
    """Return what leaves a content that holds the value, without following it, and every spelling of it."""
    places = Places(content.about, kind)
    seen = sight(content, places, {folded(subject), subject.strip()})
    found = removal_of(content, places, seen)
    return found.removal, frozenset(seen.spellings()) | {subject.strip()}


def removal_of(content: Content, places: Places, seen: Sightings, cascade: Collection[str] = ()) -> Found:
    """Return what leaves a version in which the person's values were seen.

    `cascade` names columns, as ``table.column``, whose rows go even where they are about other people.
    """
    rules = _Rules(content, places, cascade)
    for name, columns in seen.spelled.items():
        if name in content.about.tables:
            for column, values in columns.items():
                rules.name(name, column, values)
    rules.follow_keys()
    documents = {
        name: {one: tuple(sorted(values)) for one, values in columns.items()}
        for name, columns in seen.spelled.items()
        if name in content.about.texts
    }
    logs = {name: columns["actor"] for name, columns in seen.spelled.items() if name in content.about.events}
    actors = tuple(sorted({value for values in logs.values() for value in values}))
    removal = rules.removal()
    removal = replace(removal, documents=documents, actors=actors)
    rows, blanked, needs = rules.counts()
    rows |= {name: _documents(content, name, fields) for name, fields in documents.items()}
    ids: dict[str, tuple[str, ...]] = {}
    for log in places.logs if actors else ():
        rows[log], blanked[log], ids[log] = _statements(content, log, actors)
    statements = {log: each for log, each in ids.items() if each}
    return Found(
        replace(removal, rows=_counted(rows), blanked=_counted(blanked), statements=statements),
        needs,
    )


def _counted(parts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in parts.items() if count}


class _Rules:
    """The rule of each table, while they are found."""

    def __init__(self, content: Content, places: Places, cascade: Collection[str]) -> None:
        self._content, self._places, self._cascade = content, places, cascade
        self._goes: dict[str, Values] = {}
        self._yields: dict[str, Values] = {}
        self._keeps: dict[str, Values] = {}

    def name(self, table: str, column: str, values: Iterable[str]) -> None:
        """Add cells that name the person."""
        about = self._content.about.tables[table]
        key_people = self._places.key_people(about)
        if column in key_people or f"{table}.{column}" in self._cascade:
            kind = self._goes
        elif key_people:
            kind = self._yields
        elif f"{table}.{column}" in self._places.declared:
            kind = self._goes
        else:
            kind = self._shared(about, column)
        kind.setdefault(table, {}).setdefault(column, set()).update(values)

    def follow_keys(self) -> None:
        """Add rows that refer to rows which go, until no key is left dangling."""
        grew = True
        while grew:
            grew = False
            for name, table in self._content.about.tables.items():
                for column, about in table.columns.items():
                    gone = self._gone_keys(about.references) if about.references else set()
                    new = {canonical(key, about.type) for key in gone} - self._known(name, column)
                    if new and self._stands(table, column, new):
                        self._hang(table, column, new)
                        grew = True

    def removal(self) -> Removal:
        """Return the rules as a removal without counts."""
        tables = sorted({*self._goes, *self._yields, *self._keeps})
        columns = {name: _frozen(self._goes[name]) for name in tables if name in self._goes}
        others = {
            name: Others(_frozen(self._yields.get(name, {})), _frozen(self._keeps.get(name, {})), self._people(name))
            for name in tables
            if name in self._yields or name in self._keeps
        }
        return Removal(columns=columns, others=others)

    def counts(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Return by table the rows that go and the cells emptied, and by column those that may not be empty."""
        removal = self.removal()
        rows: dict[str, int] = {}
        blanked: dict[str, int] = {}
        needs: dict[str, int] = {}
        for name, table in self._content.about.tables.items():
            rule = Rule.of(table, removal)
            if rule.idle:
                continue
            for batch in self._content.batches(name):
                goes = rule.rows_that_go(batch)
                rows[name] = rows.get(name, 0) + int(pc.sum(goes).as_py() or 0)
                for column, mask in rule.cells_to_empty(batch.filter(pc.invert(goes))).items():
                    count = int(pc.sum(mask).as_py() or 0)
                    blanked[name] = blanked.get(name, 0) + count
                    if not _may_be_empty(table, column):
                        place = f"{name}.{column}"
                        needs[place] = needs.get(place, 0) + count
        return rows, blanked, needs

    def _hang(self, table: TableDescription, column: str, values: set[str]) -> None:
        """Add cells that refer to rows which go."""
        people = set(self._places.people.get(table.name, ())) - {column}
        if f"{table.name}.{column}" in self._cascade:
            kind = self._goes
        elif people:
            kind = self._yields
        else:
            kind = self._shared(table, column, alone=self._goes)
        kind.setdefault(table.name, {}).setdefault(column, set()).update(values)

    def _shared(
        self, table: TableDescription, column: str, alone: dict[str, Values] | None = None
    ) -> dict[str, Values]:
        """Choose for rows that only refer to the person: kept if other people's rows hang on them and they can be."""
        if self._places.is_held(table.name) and _may_be_empty(table, column):
            return self._keeps
        return self._yields if alone is None else alone

    def _people(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return the columns that say whom a row is about, with the person's own values in them."""
        table = self._content.about.tables[name]
        columns = self._places.key_people(table) or self._places.people.get(name, ())
        return {column: tuple(sorted(self._known(name, column))) for column in columns}

    def _known(self, name: str, column: str) -> set[str]:
        kinds = (self._goes, self._yields, self._keeps)
        return {value for kind in kinds for value in kind.get(name, {}).get(column, ())}

    def _stands(self, table: TableDescription, column: str, values: set[str]) -> bool:
        rule = Rule(table, {column: values})
        return any(pc.any(rule.rows_that_go(rows)).as_py() for rows in self._content.batches(table.name))

    def _gone_keys(self, reference: str) -> set[str]:
        """Return the values of a referenced column that no row which stays has."""
        name, _, column = reference.partition(".")
        table = self._content.about.tables.get(name)
        if table is None or column not in table.columns or not (name in self._goes or name in self._yields):
            return set()
        rule = Rule.of(table, self.removal())
        gone: set[str] = set()
        for rows in self._content.batches(name):
            gone |= {key for key in rows.filter(rule.rows_that_go(rows)).column(column).to_pylist() if key}
        for rows in self._content.batches(name) if gone else ():
            stay = flat(rows.filter(pc.invert(rule.rows_that_go(rows))).column(column))
            gone -= set(stay.unique().to_pylist())
        return gone


def _may_be_empty(table: TableDescription, column: str) -> bool:
    return not table.columns[column].required and column not in table.primary_key


def _frozen(values: Values) -> dict[str, tuple[str, ...]]:
    return {column: tuple(sorted(found)) for column, found in sorted(values.items())}


def _documents(content: Content, name: str, fields: Mapping[str, Collection[str]]) -> int:
    count = 0
    for path in document_files(content.folder / TEXTS_FOLDER / name):
        count += int(file_goes(path, fields)) or sum(1 for line in lines_of(path) if document_goes(line, fields))
    return count


def _statements(content: Content, log: str, values: Collection[str]) -> tuple[int, int, tuple[str, ...]]:
    """Return how many statements go, how many of other people's lose the person, and the ids of those that go."""
    actors, gone, changed, ids = actor_values(values), 0, 0, []
    for path in event_files(content.folder / EVENTS_FOLDER / log):
        for line in lines_of(path):
            if line.strip():
                left = data_without(line, actors)
                gone += left is None
                ids += [found] if left is None and (found := statement_id(line)) else []
                changed += left is not None and left is not line
    return gone, changed, tuple(sorted(ids))
