"""What a version says of some values: where and how it spells them, and which other identifiers stand beside them."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.arrays import flat
from lakehouse.archive.eds import EVENTS_FOLDER, TEXTS_FOLDER, Description, TableDescription
from lakehouse.archive.event_files import event_files
from lakehouse.archive.reading import raw_batches
from lakehouse.archive.text_files import document_batches, document_files
from lakehouse.archive.withdraw.files import lines_of
from lakehouse.archive.withdraw.matching import folded, rows_to_remove, spellings
from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.statements import MARK, agent_spellings

MOST_BESIDE = 1_000
"""Values kept that stand beside one; that many already say that it is nobody's alone."""


@dataclass(frozen=True)
class Content:
    """One version's folder and its description; rows are read from it some at a time."""

    folder: Path
    about: Description

    def batches(self, table: str) -> Iterator[pa.Table]:
        """Yield a table's rows as submitted, cells as text."""
        return raw_batches(self.folder, self.about.tables[table])


def read_content(folder: Path, about: Description) -> Content:
    """Return an exported version for reading."""
    return Content(folder, about)


@dataclass
class Sightings:
    """`spelled` has the cells by part and column, `seen` the domains by folded value, `beside` what stood beside it.

    Parts are tables, text collections and event logs; `beside` holds by value and domain the other folded values, and
    `places` where such a value stood and beside which column, by value.
    """

    spelled: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    beside: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether any of the values was seen."""
        return bool(self.spelled)

    def spellings(self) -> set[str]:
        """Return every spelling."""
        return {one for columns in self.spelled.values() for found in columns.values() for one in found}

    def note(self, part: str, column: str, spelling: str) -> None:
        """Note a cell that is one of the values."""
        self.spelled.setdefault(part, {}).setdefault(column, set()).add(spelling)


def sight(content: Content, places: Places, wanted: Collection[str]) -> Sightings:
    """Look for folded values in every place of a version that names subjects of the kind; memory stays flat."""
    found = Sightings()
    for name, columns in places.own.items():
        for rows in content.batches(name):
            _sight_rows(found, rows, places, name, columns, wanted)
    for name, fields in places.documents.items():
        for path in document_files(content.folder / TEXTS_FOLDER / name):
            _sight_documents(found, path, name, fields, wanted)
    for log in places.logs:
        for path in event_files(content.folder / EVENTS_FOLDER / log):
            _sight_statements(found, path, log, wanted)
    return found


def _sight_documents(found: Sightings, path: Path, name: str, fields: tuple[str, ...], wanted: Collection[str]) -> None:
    for document in (one for batch in document_batches(path) for one in batch.documents):
        for field_name, value in (("id", document.document_id), ("title", document.title)):
            if field_name in fields and folded(value) in wanted:
                found.note(name, field_name, value)


def _sight_statements(found: Sightings, path: Path, log: str, wanted: Collection[str]) -> None:
    for line in lines_of(path):
        for spelling in agent_spellings(json.loads(line.removeprefix(MARK)), wanted) if line.strip() else ():
            found.note(log, "actor", spelling)


def _sight_rows(
    found: Sightings,
    rows: pa.Table,
    places: Places,
    name: str,
    columns: tuple[str, ...],
    wanted: Collection[str],
) -> None:
    table = places.about.tables[name]
    hits: dict[str, Collection[str]] = {}
    for column in columns:
        about = table.columns[column]
        spelled = spellings(flat(rows.column(column)), about.type, wanted, about.missing_codes)
        for spelling in spelled:
            found.note(name, column, spelling)
        hits |= {column: spelled} if spelled else {}
    if not hits:
        return
    for row in rows.filter(rows_to_remove(rows, table, hits)).select(list(columns)).to_pylist():
        _note_row(found, _forms(row, table), places, name, wanted)


def _forms(row: Mapping[str, str | None], table: TableDescription) -> dict[str, str]:
    """Return the identifiers of a row folded, by column; missing ones are left out."""
    forms = {}
    for column, cell in row.items():
        about = table.columns[column]
        if cell is not None and cell.strip() and cell.strip() not in about.missing_codes:
            forms[column] = folded(cell, about.type)
    return forms


def _note_row(found: Sightings, forms: Mapping[str, str], places: Places, name: str, wanted: Collection[str]) -> None:
    for column, value in forms.items():
        if value not in wanted:
            continue
        own = places.domain(name, column)
        found.seen.setdefault(value, set()).add(own)
        for other, beside in forms.items():
            domain = places.domain(name, other)
            if beside == value or domain == own:
                continue  # two of one kind in a row are two people
            known = found.beside.setdefault(value, {}).setdefault(domain, set())
            if len(known) < MOST_BESIDE:
                known.add(beside)
                found.places.setdefault(beside, (f"{name}.{other}", f"{name}.{column}"))
