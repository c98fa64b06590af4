"""Moves main to what was staged on a branch, while metadata forget main's oldest snapshots."""

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import RemoveSnapshotRefUpdate, RemoveSnapshotsUpdate, TableUpdate

from lakehouse.adapters import iceberg_branches, iceberg_past
from lakehouse.errors import AncestryError, NoTableError
from lakehouse.ports import StagedWrite


def attempt(catalog: Catalog, stored: Table, staged: StagedWrite) -> Table | None:
    """Fast-forward main and drop the branch; return the table with main where it is then, None when another was faster.

    Raises AncestryError when main is not an ancestor of the staged snapshot, NoTableError when that is gone.
    """
    main = iceberg_branches.head_of(stored)
    if iceberg_past.landed(stored, staged.snapshot_id):
        iceberg_branches.drop_branch(catalog, stored, staged.branch, only=staged.snapshot_id)
        return stored
    updates = _updates(stored, staged, main)
    return iceberg_branches.commit(catalog, stored, MAIN_BRANCH, main, updates)


def _updates(stored: Table, staged: StagedWrite, main: int) -> list[TableUpdate]:
    name = staged.table.name
    target = stored.snapshot_by_id(staged.snapshot_id)
    if target is None:
        raise NoTableError(f"{name} has no snapshot {staged.snapshot_id}; stage its rows again")
    if not iceberg_branches.is_ancestor(stored, main, of=staged.snapshot_id):
        raise AncestryError(
            f"main of {name} moved to {main}, which is no ancestor of {staged.branch}; stage its rows again"
        )
    updates: list[TableUpdate] = [iceberg_branches.set_branch(MAIN_BRANCH, staged.snapshot_id)]
    ref = stored.metadata.refs.get(staged.branch)
    if ref is not None and ref.snapshot_id == staged.snapshot_id:
        updates.append(RemoveSnapshotRefUpdate(ref_name=staged.branch))
    if old := iceberg_past.surplus(stored, target):
        iceberg_past.remember(stored, old)
        updates.append(RemoveSnapshotsUpdate(snapshot_ids=[one.snapshot_id for one in old]))
    return updates
