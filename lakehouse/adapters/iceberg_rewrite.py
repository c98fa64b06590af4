"""Moves main of an Iceberg table to a copy of its rows that has no past, and drops the past."""

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import (
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    TableUpdate,
)

from lakehouse.adapters import iceberg_past
from lakehouse.adapters.iceberg_branches import add_snapshot, commit, head_of, set_branch
from lakehouse.adapters.iceberg_commit import Change, make_snapshot
from lakehouse.adapters.iceberg_files import write_rows
from lakehouse.adapters.iceberg_history import (
    FORGOT,
    KEPT_KEYS,
    MASKED,
    RECEIPT,
    REMOVED,
    keys_of,
    main_rows,
    properties,
)
from lakehouse.ports import Cleaned, Rewritten

PIECE_BYTES = 32 << 20
"""Bytes in memory of the rows of one data file; as many are held at a time."""


def done(stored: Table, receipt: str) -> Rewritten | None:
    """Return what a rewriting under `receipt` did to main, or None when there was none."""
    snapshot = next((one for one in _history(stored) if properties(one).get(RECEIPT) == receipt), None)
    if snapshot is None:
        return None
    summary = properties(snapshot)
    return Rewritten(
        table=".".join(stored.name()),
        snapshot_id=snapshot.snapshot_id,
        forgot=tuple(json.loads(summary[FORGOT])),
        removed=int(summary[REMOVED]),
        masked=int(summary[MASKED]),
    )


def move_to_copy(
    catalog: Catalog,
    stored: Table,
    clean: Callable[[pa.Table], Cleaned],
    receipt: str,
    renamed: Callable[[str], str],
) -> bool:
    """Write what is left of main to a branch without a past, and point main at it; False when another was faster.

    Rows are read, cleaned and written some at a time, so that a table of any size takes the same memory.
    """
    branch = f"withdrawal-{receipt}"
    left = stored.metadata.refs.get(branch)
    if left is not None:
        removal: list[TableUpdate] = [RemoveSnapshotRefUpdate(ref_name=branch)]
        if commit(catalog, stored, branch, left.snapshot_id, removal) is None:
            return False
    fresh = catalog.load_table(stored.name())
    if head_of(fresh) != head_of(stored):
        return False
    counted = Counter({REMOVED: 0, MASKED: 0})
    files = [file for rows in _pieces(fresh, clean, counted) for file in write_rows(fresh, rows)]
    snapshot = make_snapshot(fresh, None, Change(files), _summary(fresh, counted, receipt, renamed))
    if add_snapshot(catalog, fresh, branch, snapshot) is None:
        return False
    copy = snapshot.snapshot_id
    moved: list[TableUpdate] = [set_branch(MAIN_BRANCH, copy), RemoveSnapshotRefUpdate(ref_name=branch)]
    return commit(catalog, fresh, MAIN_BRANCH, head_of(stored), moved) is not None


def expire(catalog: Catalog, stored: Table) -> bool:
    """Drop every other branch, every tag, and every snapshot outside main's history; False when main moved."""
    kept = {snapshot.snapshot_id for snapshot in _history(stored)}
    old = [one.snapshot_id for one in stored.snapshots() if one.snapshot_id not in kept]
    updates: list[TableUpdate] = [
        RemoveSnapshotRefUpdate(ref_name=name) for name in stored.metadata.refs if name != MAIN_BRANCH
    ]
    if old:
        updates.append(RemoveSnapshotsUpdate(snapshot_ids=old))
    return not updates or commit(catalog, stored, MAIN_BRANCH, head_of(stored), updates) is not None


def _pieces(stored: Table, clean: Callable[[pa.Table], Cleaned], counted: Counter[str]) -> Iterator[pa.Table]:
    """Yield what is left of main in pieces of one file each, and count what is gone."""
    schema = stored.schema().as_arrow()
    waiting: list[pa.Table] = []
    for rows in main_rows(stored):
        cleaned = clean(rows)
        counted.update({REMOVED: cleaned.removed, MASKED: cleaned.masked})
        if cleaned.rows.num_rows:
            waiting.append(cleaned.rows.cast(schema))
        if sum(piece.nbytes for piece in waiting) >= PIECE_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _summary(stored: Table, counted: Counter[str], receipt: str, renamed: Callable[[str], str]) -> dict[str, str]:
    newest = [key for snapshot in reversed(_history(stored)) for key in keys_of(properties(snapshot))]
    keys = [*iceberg_past.keys(stored), *newest]
    dropped = (snapshot.snapshot_id for snapshot in iceberg_past.snapshots(stored))
    return {
        RECEIPT: receipt,
        KEPT_KEYS: json.dumps(list(dict.fromkeys(form for key in keys for form in (key, renamed(key))))),
        FORGOT: json.dumps(sorted({*(snapshot.snapshot_id for snapshot in stored.snapshots()), *dropped})),
        REMOVED: str(counted[REMOVED]),
        MASKED: str(counted[MASKED]),
    }


def _history(stored: Table) -> list[Snapshot]:
    return list(ancestors_of(stored.current_snapshot(), stored.metadata))
