"""Moves main of an Iceberg table to a copy of its rows that has no past, and drops the past."""

import json
from collections.abc import Callable

from pyiceberg import exceptions as vendor
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from lakehouse.adapters.iceberg_history import FORGOT, KEPT_KEYS, MASKED, RECEIPT, REMOVED, keys_of, properties
from lakehouse.errors import NoTableError
from lakehouse.ports import Cleaned, Rewritten


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
    catalog: Catalog, stored: Table, cleaned: Cleaned, receipt: str, renamed: Callable[[str], str]
) -> bool:
    """Write the rows to a branch without a past, and point main at it; False when another writer was faster."""
    branch = f"withdrawal-{receipt}"
    left = stored.metadata.refs.get(branch)
    if left is not None:
        removal: list[TableUpdate] = [RemoveSnapshotRefUpdate(ref_name=branch)]
        if not commits(catalog, stored, branch, left.snapshot_id, removal):
            return False
    fresh = catalog.load_table(stored.name())
    if head_of(fresh) != head_of(stored):
        return False
    # A branch that was not cut from anything starts without a parent.
    fresh.append(
        cleaned.rows.cast(fresh.schema().as_arrow()),
        snapshot_properties=_summary(fresh, cleaned, receipt, renamed),
        branch=branch,
    )
    copy = catalog.load_table(stored.name()).metadata.refs[branch].snapshot_id
    return commits(
        catalog,
        fresh,
        MAIN_BRANCH,
        head_of(stored),
        [set_branch(MAIN_BRANCH, copy), RemoveSnapshotRefUpdate(ref_name=branch)],
    )


def expire(catalog: Catalog, stored: Table) -> bool:
    """Drop every other branch, every tag, and every snapshot outside main's history; False when main moved."""
    kept = {snapshot.snapshot_id for snapshot in _history(stored)}
    old = [one.snapshot_id for one in stored.snapshots() if one.snapshot_id not in kept]
    updates: list[TableUpdate] = [
        RemoveSnapshotRefUpdate(ref_name=name) for name in stored.metadata.refs if name != MAIN_BRANCH
    ]
    if old:
        updates.append(RemoveSnapshotsUpdate(snapshot_ids=old))
    return not updates or commits(catalog, stored, MAIN_BRANCH, head_of(stored), updates)


def commits(catalog: Catalog, stored: Table, ref: str, at: int | None, updates: list[TableUpdate]) -> bool:
    """Commit if `ref` is still at snapshot `at`; False when the catalog says that something moved.

    An answer that leaves it open (HTTP 500) counts as moved: callers look again before they act again.
    """
    try:
        catalog.commit_table(stored, (AssertRefSnapshotId(ref=ref, snapshot_id=at),), tuple(updates))
    except (vendor.CommitFailedException, vendor.CommitStateUnknownException):
        return False
    return True


def head_of(stored: Table) -> int:
    """Return main's snapshot id; raise NoTableError before the first snapshot."""
    head = stored.current_snapshot()
    if head is None:
        raise NoTableError(f"{'.'.join(stored.name())} has no snapshot on main; call ensure first")
    return int(head.snapshot_id)


def set_branch(name: str, snapshot_id: int) -> SetSnapshotRefUpdate:
    """Return the update that points a branch at a snapshot."""
    return SetSnapshotRefUpdate(
        ref_name=name,
        type=SnapshotRefType.BRANCH,
        snapshot_id=snapshot_id,
        max_ref_age_ms=None,
        max_snapshot_age_ms=None,
        min_snapshots_to_keep=None,
    )


def _summary(stored: Table, cleaned: Cleaned, receipt: str, renamed: Callable[[str], str]) -> dict[str, str]:
    keys = [key for snapshot in reversed(_history(stored)) for key in keys_of(properties(snapshot))]
    return {
        RECEIPT: receipt,
        KEPT_KEYS: json.dumps(list(dict.fromkeys(form for key in keys for form in (key, renamed(key))))),
        FORGOT: json.dumps(sorted(snapshot.snapshot_id for snapshot in stored.snapshots())),
        REMOVED: str(cleaned.removed),
        MASKED: str(cleaned.masked),
    }


def _history(stored: Table) -> list[Snapshot]:
    return list(ancestors_of(stored.current_snapshot(), stored.metadata))
