"""Finds a subject in one version: rows, rows that hang on those by foreign keys, statements, and mentions."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import flat
from lakehouse.archive.eds import EVENTS_FOLDER, TEXTS_FOLDER, Description, TableDescription
from lakehouse.archive.reading import raw_tables
from lakehouse.archive.withdraw.files import lines_of, words_about
from lakehouse.archive.withdraw.matching import actor_values, canonical, is_free_text, names_actor, rows_to_remove
from lakehouse.archive.withdraw.plan import Removal
from lakehouse.masking import Mask

Columns = dict[str, dict[str, set[str]]]


@dataclass(frozen=True)
class Content:
    """One version read: its description, and its tables as submitted, cells as text."""

    folder: Path
    about: Description
    tables: Mapping[str, pa.Table]


def read_content(folder: Path, about: Description) -> Content:
    """Read the tables of an exported version."""
    return Content(folder, about, dict(raw_tables(folder, about)))


def kinds_with(content: Content, subject: str) -> set[str]:
    """Return the kinds of subject that the value names in this version."""
    return {kind for kind in content.about.subjects if find(content, kind, subject)[0].found}


def find(content: Content, kind: str, subject: str) -> tuple[Removal, frozenset[str]]:
    """Return what leaves this version, without its mentions, and every value that names the person."""
    places = content.about.subjects[kind].identifiers if kind in content.about.subjects else ()
    identifiers = _identifiers(places)
    values = {subject.strip()}
    while True:
        columns = _named(content, identifiers, values)
        aliases = _aliases(content, identifiers, columns)
        if aliases <= values:
            break
        values |= aliases
    _follow_keys(content, columns)
    logs = [
        place.removeprefix(f"{EVENTS_FOLDER}/").partition(".")[0] for place in places if place.startswith("events/")
    ]
    actors = tuple(sorted(values)) if logs else ()
    rows = {name: _count(content, name, columns.get(name, {})) for name in content.tables}
    rows |= {log: _statements(content, log, actors) for log in logs}
    frozen = {
        table: {column: tuple(sorted(found)) for column, found in sorted(each.items())}
        for table, each in sorted(columns.items())
    }
    return Removal(frozen, actors, {name: count for name, count in rows.items() if count}), frozenset(values)


def mentions(content: Content, removal: Removal, mask: Mask) -> dict[str, int]:
    """Count the cells, documents and statements that stay and name the person in running text."""
    counts = {name: _mentions_in_table(content, name, removal, mask) for name in content.tables}
    for folder, names in ((TEXTS_FOLDER, content.about.texts), (EVENTS_FOLDER, content.about.events)):
        for name in names:
            counts[name] = _mentions_in_files(content.folder / folder / name, removal, mask)
    counts["descriptions"] = sum(mask.holds(line) for path in words_about(content.folder) for line in lines_of(path))
    return {name: count for name, count in counts.items() if count}


def _identifiers(places: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for place in places:
        table, _, column = place.partition(".")
        if not place.startswith(f"{EVENTS_FOLDER}/"):
            found.setdefault(table, set()).add(column)
    return found


def _named(content: Content, identifiers: Mapping[str, set[str]], values: set[str]) -> Columns:
    """Return the identifier columns in which a value stands, with the value as its column would write it."""
    columns: Columns = {}
    for name, names in identifiers.items():
        table = content.about.tables.get(name)
        for column in sorted(names) if table is not None else ():
            kind = table.columns[column].type if table is not None and column in table.columns else ""
            wanted = {canonical(value, kind) for value in values}
            if kind and _count(content, name, {column: wanted}):
                columns.setdefault(name, {})[column] = wanted
    return columns


def _aliases(content: Content, identifiers: Mapping[str, set[str]], columns: Columns) -> set[str]:
    """Return the person's other identifiers, from tables that have one row a person: an identifier is their key."""
    found: set[str] = set()
    for name in columns:
        table = content.about.tables[name]
        if len(table.primary_key) == 1 and table.primary_key[0] in identifiers[name]:
            rows = content.tables[name].filter(rows_to_remove(content.tables[name], table, columns[name]))
            for column in identifiers[name]:
                cells = rows.column(column).unique().to_pylist()
                found |= {canonical(cell, table.columns[column].type) for cell in cells if cell}
    return found


def _follow_keys(content: Content, columns: Columns) -> None:
    """Add the rows that reference rows which go, until no key is left dangling."""
    grew = True
    while grew:
        grew = False
        for name, table in content.about.tables.items():
            for column, about in table.columns.items():
                gone = _gone_keys(content, about.references, columns) if about.references else set()
                gone = {canonical(key, about.type) for key in gone}
                known = columns.get(name, {}).get(column, set())
                if gone - known and _count(content, name, {column: gone - known}):
                    columns.setdefault(name, {})[column] = known | gone
                    grew = True


def _gone_keys(content: Content, reference: str, columns: Columns) -> set[str]:
    """Return the values of a referenced column that no row which stays has."""
    name, _, column = reference.partition(".")
    table = content.about.tables.get(name)
    if table is None or name not in columns or column not in table.columns:
        return set()
    rows = content.tables[name]
    goes = rows_to_remove(rows, table, columns[name])
    gone = set(rows.filter(goes).column(column).to_pylist())
    return {key for key in gone - set(rows.filter(pc.invert(goes)).column(column).to_pylist()) if key}


def _count(content: Content, name: str, columns: Mapping[str, Iterable[str]]) -> int:
    table = content.about.tables.get(name)
    if table is None or not columns or name not in content.tables:
        return 0
    wanted = {column: set(values) for column, values in columns.items()}
    return int(pc.sum(rows_to_remove(content.tables[name], table, wanted)).as_py() or 0)


def _statements(content: Content, log: str, values: Iterable[str]) -> int:
    actors = actor_values(tuple(values))
    files = sorted((content.folder / EVENTS_FOLDER / log).glob("*.jsonl*"))
    lines = (line for path in files for line in lines_of(path) if line.strip())
    return sum(1 for line in lines if names_actor(json.loads(line), actors))


def _mentions_in_table(content: Content, name: str, removal: Removal, mask: Mask) -> int:
    table: TableDescription = content.about.tables[name]
    columns = removal.columns.get(name, {})
    rows = content.tables[name]
    rows = rows.filter(pc.invert(rows_to_remove(rows, table, columns)))
    free = [column for column, about in table.columns.items() if column not in columns and is_free_text(about)]
    return sum(sum(1 for cell in flat(rows.column(column)).to_pylist() if cell and mask.holds(cell)) for column in free)


def _mentions_in_files(folder: Path, removal: Removal, mask: Mask) -> int:
    actors = actor_values(removal.actors)
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".yaml"]
    named = (line for path in files for line in lines_of(path) if mask.holds(line))
    return sum(1 for line in named if not _is_by(line, actors))


def _is_by(line: str, actors: Collection[str]) -> bool:
    """Say whether a line is a statement of the person's; running text may begin like one."""
    try:
        return line[:1] == "{" and names_actor(json.loads(line), actors)
    except ValueError:
        return False
