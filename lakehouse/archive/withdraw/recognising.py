"""Recognises withdrawn people in a folder by keyed hashes of their identifiers; in a child process with limits."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import flat
from lakehouse.archive.child import reading
from lakehouse.archive.eds import EVENTS_FOLDER, TEXTS_FOLDER, read_description
from lakehouse.archive.event_files import event_files
from lakehouse.archive.findings import ROWS_NAMED
from lakehouse.archive.text_files import document_batches, document_files
from lakehouse.archive.withdraw.files import lines_of
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.receipt import keyed_hash
from lakehouse.archive.withdraw.sightings import Content
from lakehouse.archive.withdraw.statements import MAILTO, MARK, agent_values
from lakehouse.errors import LakehouseError

Knows = Callable[[str, str], bool]
"""Says whether a value of a type is one of a withdrawn person's."""
Rows = tuple[str, Collection[int]]
"""A place, as ``tables/people/a.csv: id``, and rows of its file that name somebody, counted from 1, in order."""


def recognise_here(folder: str, salt: str, known: Mapping[str, list[str]], whole: bool) -> dict[str, list[int]]:  # noqa: FBT001 - orders are JSON
    """Return by place how many rows name withdrawn people, followed by the first `ROWS_NAMED` of those rows.

    `known` holds the keyed hashes by the kind of subject, `salt` their key in hexadecimal digits. A part that cannot be
    read is left out unless the `whole` is asked for.

    Raises:
        LakehouseError: a part cannot be read, and the whole was asked for.
    """
    about = read_description(Path(folder)).description()
    assert about is not None, "the report has a description"
    content = Content(Path(folder), about)
    found: dict[str, set[int]] = {}
    for kind, hashes in known.items():
        places = Places(content.about, kind)
        for part in _parts(content, places, _knower(bytes.fromhex(salt), frozenset(hashes))):
            try:
                for place, rows in part:
                    found.setdefault(place, set()).update(rows)
            except LakehouseError:
                if whole:
                    raise
    return {place: [len(rows), *sorted(rows)[:ROWS_NAMED]] for place, rows in sorted(found.items()) if rows}


def _knower(salt: bytes, hashes: Collection[str]) -> Knows:
    def knows(value: str, kind: str) -> bool:
        # Receipts of earlier versions have the value as it was said, not folded.
        return any(keyed_hash(salt, form) in hashes for form in {folded(value, kind), value.strip()})

    return knows


def _parts(content: Content, places: Places, knows: Knows) -> Iterator[Iterator[Rows]]:
    for table, columns in places.own.items():
        yield _in_table(content, table, columns, knows)
    for collection, fields in places.documents.items():
        yield _in_documents(content, collection, fields, knows)
    for log in places.logs:
        yield _in_log(content, log, knows)


def _in_table(content: Content, table: str, columns: Collection[str], knows: Knows) -> Iterator[Rows]:
    about = content.about.tables[table]
    for rows in content.batches(table):
        place = str(rows.column("_source_file")[0]) if rows.num_rows else table
        reading(place)
        for column in columns:
            kind, missing = about.columns[column].type, {"", *about.columns[column].missing_codes}
            cells = flat(rows.column(column))
            named = [
                cell
                for cell in cells.unique().to_pylist()
                if cell and cell.strip() not in missing and knows(cell, kind)
            ]
            if named:
                mask = pc.is_in(cells, value_set=pa.array(named, cells.type))
                numbers: list[int] = rows.filter(mask).column("_row_number").to_pylist()  # type: ignore[assignment]
                yield f"{place}: {column}", numbers


def _in_documents(content: Content, collection: str, fields: Collection[str], knows: Knows) -> Iterator[Rows]:
    for path in document_files(content.folder / TEXTS_FOLDER / collection):
        place = path.relative_to(content.folder).as_posix()
        reading(place)
        for document in (one for batch in document_batches(path) for one in batch.documents):
            for name, value in (("id", document.document_id), ("title", document.title)):
                if name in fields and knows(value, "string"):
                    yield f"{place}: {name}", (document.row,)


def _in_log(content: Content, log: str, knows: Knows) -> Iterator[Rows]:
    for path in event_files(content.folder / EVENTS_FOLDER / log):
        place = path.relative_to(content.folder).as_posix()
        reading(place)
        for row, line in enumerate(lines_of(path), start=1):
            if line.strip() and any(
                knows(value.removeprefix(MAILTO), "string")
                for value in agent_values(json.loads(line.removeprefix(MARK)))
            ):
                yield f"{place}: actor", (row,)
