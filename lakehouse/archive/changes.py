"""The changelog between two versions of a dataset, computed from their descriptions and row counts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lakehouse.archive.eds import ColumnDescription, DatasetFile, Description, TableDescription

Kind = Literal[
    "part_added",
    "part_removed",
    "column_added",
    "column_removed",
    "column_renamed",
    "column_retyped",
    "column_changed",
    "table_changed",
    "part_changed",
    "rows_changed",
    "field_changed",
    "files_changed",
]
# The version always differs, and says nothing about what changed.
UNCOMPARED = frozenset({"version"})
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what about it, and the values before and after as text (None where there was none)."""

    kind: Kind
    place: str
    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """What a version holds: its description, how many rows each table and log has, and the hash of its content."""

    description: Description
    table_rows: Mapping[str, int]
    content_sha256: str = ""


def changes(before: Held, after: Held) -> tuple[Change, ...]:
    """Return every difference, parts and columns first, then rows, then the description's fields.

    Values are not compared: where only they differ, the last change says that the files do.
    """
    found = (
        *_parts(before, after),
        *_columns(before, after),
        *_collections(before, after),
        *_rows(before, after),
        *_fields(before, after),
    )
    if found or before.content_sha256 == after.content_sha256:
        return found
    return (Change("files_changed", "files", "content", before.content_sha256[:12], after.content_sha256[:12]),)


def _parts(before: Held, after: Held) -> Iterator[Change]:
    for folder in ("tables", "texts", "events"):
        old, new = getattr(before.description, folder), getattr(after.description, folder)
        yield from (Change("part_removed", f"{folder}/{name}", folder, name, None) for name in old if name not in new)
        yield from (Change("part_added", f"{folder}/{name}", folder, None, name) for name in new if name not in old)


def _columns(before: Held, after: Held) -> Iterator[Change]:
    for name, table in after.description.tables.items():
        old = before.description.tables.get(name)
        if old is not None:
            yield from _table(name, old, table)


def _table(name: str, old: TableDescription, new: TableDescription) -> Iterator[Change]:
    was = {column: _former(column, described, old) for column, described in new.columns.items()}
    for column in old.columns:
        if column not in was.values():
            yield Change("column_removed", f"{name}.{column}", "column", old.columns[column].type, None)
    for column, described in new.columns.items():
        former = was[column]
        if former is None:
            yield Change("column_added", f"{name}.{column}", "column", None, described.type)
            continue
        if former != column:
            yield Change("column_renamed", f"{name}.{column}", "name", former, column)
        yield from _column(f"{name}.{column}", old.columns[former], described)
    for what in ("description", "grain", "primary_key", "delimiter"):
        yield from _differing("table_changed", name, what, getattr(old, what), getattr(new, what))


def _former(name: str, described: ColumnDescription, old: TableDescription) -> str | None:
    """Return what a column was called before; None for a new one."""
    return next((one for one in (name, *described.formerly) if one in old.columns), None)


def _column(place: str, old: ColumnDescription, new: ColumnDescription) -> Iterator[Change]:
    for what in (one for one in ColumnDescription.model_fields if one != "formerly"):
        kind: Kind = "column_retyped" if what == "type" else "column_changed"
        yield from _differing(kind, place, what, getattr(old, what), getattr(new, what))


def _collections(before: Held, after: Held) -> Iterator[Change]:
    """Yield what is said otherwise of a text collection or an event log, its own licence among it."""
    kept = [(before.description.texts, after.description.texts), (before.description.events, after.description.events)]
    for folder, (old, new) in zip(("texts", "events"), kept, strict=True):
        for name in (name for name in new if name in old):
            was, now = old[name].model_dump(mode="json"), new[name].model_dump(mode="json")
            for what in now:
                yield from _differing("part_changed", f"{folder}/{name}", what, was[what], now[what])


def _rows(before: Held, after: Held) -> Iterator[Change]:
    was, now = before.description, after.description
    for name in (*now.tables, *now.events):
        if name in was.tables or name in was.events:
            counts = before.table_rows.get(name, 0), after.table_rows.get(name, 0)
            yield from _differing("rows_changed", name, "rows", *counts)


def _fields(before: Held, after: Held) -> Iterator[Change]:
    names = set(DatasetFile.model_fields) - UNCOMPARED
    old = before.description.model_dump(mode="json", include=names)
    new = after.description.model_dump(mode="json", include=names)
    for name in DatasetFile.model_fields:
        if name in names:
            yield from _differing("field_changed", "dataset.yaml", name, old[name], new[name])


def _differing(kind: Kind, place: str, what: str, before: Any, after: Any) -> Iterator[Change]:  # noqa: ANN401 - field values
    if before != after:
        yield Change(kind, place, what, _text(before), _text(after))


def _text(value: Any) -> str | None:  # noqa: ANN401 - field values
    if value is None or value in ("", (), [], {}):
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
