"""Tables as they were: which snapshot a statement's AT means, of those that lead to what is published now."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.catalogue import Entry
from lakehouse.endpoint.dialect import HISTORY, Moment
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import BusyError, RefusedStatementError
from lakehouse.endpoint.relations import Relation
from lakehouse.ports import TablePointer

MAIN = "main"


LISTED_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("committed_at", pa.timestamp("ms")),
    ("snapshot_id", pa.int64()),
    ("parent_id", pa.int64()),
    ("operation", pa.string()),
]
LISTED = pa.schema(LISTED_COLUMNS)


class Snapshot(NamedTuple):
    """A snapshot of a table: when it was made (UTC), from which one, and whether it added rows or replaced them."""

    id: int
    made_at: dt.datetime
    parent: int | None
    operation: str


class Past:
    """Finds and keeps the past of a catalogue's tables; `narrow` shows each as the catalogue's user may see it."""

    def __init__(self, duck: Duck, narrow: Callable[[Entry], Entry] = lambda entry: entry) -> None:
        self._duck = duck
        self._narrow = narrow
        self._known: dict[tuple[str, int], Entry] = {}

    def __call__(self, entry: Entry, moment: Moment) -> Entry:
        """Return a table as it was. Refuses what has no past, moments before its first snapshot, and other snapshots.

        What a withdrawal took out of a table's history is not there to be found.
        """
        if moment.kind in {"BRANCH", "REF", "REFERENCE"} and moment.value == MAIN:
            return entry
        if moment.kind not in {"SNAPSHOT", "TIMESTAMP", HISTORY}:
            raise RefusedStatementError(
                f"AT {moment.kind} {moment.value} is not supported: {MAIN} is the only branch that is published, and "
                "there are no tags; use AT SNAPSHOT or AT TIMESTAMP"
            )
        if entry.pointer is None or entry.kind != "TABLE":
            raise RefusedStatementError(f"AT {moment.kind} is for tables, and {entry.path} is none; name its tables")
        if entry.shape is not None:
            raise RefusedStatementError(f"the past of {entry.path} is not shown: it is about people, shown in groups")
        with self._duck.changing:
            snapshots = history(self._duck, entry.pointer)
            if moment.kind == HISTORY:
                return Entry(entry.schema, entry.name, "SYSTEM_TABLE", _listed(self._duck, entry, snapshots))
            snapshot = _chosen(snapshots, entry, moment)
            key = entry.path, snapshot
            if key not in self._known:
                pointer = replace(entry.pointer, snapshot_id=snapshot)
                self._known[key] = self._narrow(_at(entry, self._duck, pointer))
            return self._known[key]


def _at(entry: Entry, duck: Duck, pointer: TablePointer) -> Entry:
    return Entry(entry.schema, entry.name, entry.kind, duck.pin(pointer), pointer=pointer)


def history(duck: Duck, pointer: TablePointer) -> list[Snapshot]:
    """Return the snapshots that led to the one a release pins, from it to the first.

    Others in the table's metadata were staged and never published.
    """
    source = exp.Anonymous(this="read_text", expressions=[exp.Literal.string(pointer.metadata_location)])
    (text,) = duck.read(exp.select("content").from_(source)).column("content").to_pylist()
    known = {one["snapshot-id"]: one for one in json.loads(str(text)).get("snapshots", [])}
    found: list[Snapshot] = []
    at = pointer.snapshot_id
    while at in known and len(found) < len(known):
        one = known[at]
        made_at = dt.datetime.fromtimestamp(one["timestamp-ms"] / 1000, dt.UTC)
        operation = str(one.get("summary", {}).get("operation", ""))
        found.append(Snapshot(one["snapshot-id"], made_at, one.get("parent-snapshot-id"), operation))
        at = one.get("parent-snapshot-id")
    if not found and pointer.snapshot_id is not None:
        raise BusyError(f"the history of table {pointer.name} cannot be read now; try again later")
    return found


def _listed(duck: Duck, entry: Entry, snapshots: list[Snapshot]) -> Relation:
    rows = [
        dict(zip(LISTED.names, (one.made_at.replace(tzinfo=None), one.id, one.parent, one.operation), strict=True))
        for one in snapshots
    ]
    return duck.rows(f"snapshots of {entry.path}", pa.Table.from_pylist(rows, schema=LISTED))


def _chosen(snapshots: list[Snapshot], entry: Entry, moment: Moment) -> int:
    if moment.kind == "SNAPSHOT":
        if not any(str(one.id) == moment.value for one in snapshots):
            raise RefusedStatementError(
                f"snapshot {moment.value} is not in the history of {entry.path}: it was never published, or was "
                f"withdrawn or expired; TABLE(TABLE_SNAPSHOT('{entry.path}')) in FROM lists those there are"
            )
        return int(moment.value)
    wanted = _instant(moment.value)
    earlier = [one for one in snapshots if one.made_at <= wanted]
    if not earlier:
        first = f"; the first is of {snapshots[-1].made_at:%Y-%m-%d %H:%M:%S}" if snapshots else ""
        raise RefusedStatementError(f"{entry.path} has no snapshot at or before {moment.value} (UTC){first}")
    return earlier[0].id


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedStatementError(
            f"AT TIMESTAMP {text!r} is no moment; write it as '2026-01-31 13:45:00' (UTC)"
        ) from error
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found
