"""Counts what stays of a version and names a person all the same, and says where the first of it stands."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.archive.arrays import flat
from lakehouse.archive.eds import EVENTS_FOLDER, TABLES_FOLDER, TEXTS_FOLDER
from lakehouse.archive.event_files import event_files
from lakehouse.archive.leaves import told_beside_rows
from lakehouse.archive.packed import plain_name
from lakehouse.archive.table_files import table_files
from lakehouse.archive.text_files import document_files
from lakehouse.archive.withdraw.beside import beside
from lakehouse.archive.withdraw.described import spelled_in
from lakehouse.archive.withdraw.files import (
    document_goes,
    escaped,
    file_goes,
    is_one_document,
    lines_of,
    passages_of,
    unpacked,
)
from lakehouse.archive.withdraw.matching import is_free_text, mask_of
from lakehouse.archive.withdraw.plan import Removal
from lakehouse.archive.withdraw.sightings import Content
from lakehouse.archive.withdraw.statements import actor_values, data_without
from lakehouse.archive.withdraw.whose import Rule
from lakehouse.masking import Mask

SPOTS = 5
"""So many places are named of each part."""


@dataclass
class _Mentions:
    """How often each part names the person, and where first; names of files are masked."""

    folder: Path
    mask: Mask
    counts: dict[str, int] = field(default_factory=dict)
    spots: dict[str, list[str]] = field(default_factory=dict)
    near: dict[str, int] = field(default_factory=dict)

    def count_near(self, part: str, text: str) -> None:
        """Count a text in which a value is joined with other letters, so that it may be somebody else's."""
        if self.mask.loosely.holds(text) and self.mask.loosely.holds(self.mask.text(text)):
            self.near[part] = self.near.get(part, 0) + 1

    def add(self, part: str, path: Path | str, where: str = "", count: int = 1) -> None:
        """Count mentions at one place."""
        if not count:
            return
        self.counts[part] = self.counts.get(part, 0) + count
        name = path if isinstance(path, str) else path.relative_to(self.folder).as_posix()
        known = self.spots.setdefault(part, [])
        if len(known) < SPOTS:
            known.append(f"{self.mask.in_names.text(name)} {where}".strip())


def with_mentions(content: Content, removal: Removal, mask: Mask) -> Removal:
    """Count the cells, documents and statements that stay and name the person, and the files that do or may."""
    found = _Mentions(content.folder, mask)
    for name in content.about.tables:
        _in_table(found, content, name, removal)
    for name in content.about.texts:
        _in_texts(found, content, name, removal.documents.get(name, {}))
    for name in content.about.events:
        _in_log(found, content, name, removal.actors)
    others = beside(content.folder, mask)
    for path in others.words:
        count = sum(mask.count(one) for one in passages_of(path, mask))
        found.add("descriptions", path, count=count or int(bool(escaped(path, mask))) or spelled_in(path, mask))
        for passage in passages_of(path, mask):
            found.count_near("descriptions", passage)
    for path in others.holding:
        found.add("files", path)
    unread = tuple(mask.in_names.text(path.relative_to(content.folder).as_posix()) for path in others.unread)
    spots = {name: tuple(places) for name, places in found.spots.items()}
    return replace(removal, mentions=found.counts, spots=spots, unread=unread, near=found.near)


def _in_texts(found: _Mentions, content: Content, name: str, fields: Mapping[str, tuple[str, ...]]) -> None:
    for path in document_files(content.folder / TEXTS_FOLDER / name):
        if not file_goes(path, fields):
            _in_documents(found, name, path, fields)


def _in_log(found: _Mentions, content: Content, name: str, values: Collection[str]) -> None:
    actors = actor_values(values)
    for path in event_files(content.folder / EVENTS_FOLDER / name):
        for number, line in _naming(path, found.mask):
            left = data_without(line, actors) if line.strip() else None
            if left is not None and found.mask.says(left):
                found.add(name, path, f"line {number}")


def _naming(path: Path, mask: Mask) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines_of(path), start=1) if mask.says(line))


def _in_documents(found: _Mentions, name: str, path: Path, fields: Mapping[str, tuple[str, ...]]) -> None:
    if is_one_document(path):
        found.add(name, path, count=int(any(found.mask.holds(passage) for passage in passages_of(path, found.mask))))
        return
    for number, line in _naming(path, found.mask.loosely):
        if document_goes(line, fields):
            continue
        if found.mask.says(line):
            found.add(name, path, f"line {number}")
        found.count_near(name, line)


def _in_table(found: _Mentions, content: Content, name: str, removal: Removal) -> None:
    table = content.about.tables[name]
    for path in table_files(content.folder / TABLES_FOLDER / name):
        if plain_name(path.name).endswith(".parquet"):
            found.add(name, path, "beside its rows", _beside_rows(path, found.mask))
    rule = Rule.of(table, removal)
    free = [column for column, about in table.columns.items() if column not in rule.named and is_free_text(about)]
    for rows in content.batches(name) if free else ():
        left = rows.filter(pc.invert(rule.rows_that_go(rows))) if not rule.idle else rows
        for column in free:
            _in_cells(found, name, column, left, mask_of(found.mask, content.about, name, column))


def _in_cells(found: _Mentions, name: str, column: str, rows: pa.Table, mask: Mask) -> None:
    for at, cell in enumerate(flat(rows.column(column)).to_pylist()):
        if cell and mask.holds(cell):
            place, row = rows.column("_source_file")[at].as_py(), rows.column("_row_number")[at].as_py()
            found.add(name, place, f"row {row}, {column}")
        if cell and mask.bounds == "text":
            found.count_near(name, cell)


def _beside_rows(path: Path, mask: Mask) -> int:
    """Return how often a Parquet file names the person in what is written beside its rows, in fields of fields too."""
    with unpacked(path) as plain:
        schema = pq.read_schema(plain)
    return sum(map(mask.count, told_beside_rows(schema)))
