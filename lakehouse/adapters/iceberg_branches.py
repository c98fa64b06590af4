"""Commits that move branches: what was asked must still hold, and the answer says where the table stands then."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import cast
from weakref import WeakSet

import pyarrow as pa
from pyiceberg import exceptions as vendor
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from lakehouse.adapters.iceberg_attempts import ATTEMPTS, pause
from lakehouse.adapters.iceberg_commit import Change, live_paths, make_snapshot, prove_own
from lakehouse.adapters.iceberg_files import write_rows
from lakehouse.adapters.iceberg_history import properties
from lakehouse.adapters.iceberg_proof import Deposit
from lakehouse.errors import CommitConflictError, NoTableError, PermanentError, SchemaError
from lakehouse.ports import AnyWrite, StoredRows


def commit(catalog: Catalog, stored: Table, ref: str, at: int | None, updates: list[TableUpdate]) -> Table | None:
    """Commit if `ref` is still at snapshot `at` (None: absent); return the table as it is then, or None.

    None when the catalog says that something moved, or leaves it open (HTTP 500): callers look again before they act.
    """
    try:
        answer = catalog.commit_table(stored, (AssertRefSnapshotId(ref=ref, snapshot_id=at),), tuple(updates))
    except (vendor.CommitFailedException, vendor.CommitStateUnknownException):
        return None
    except ValueError:
        # Maintenance lets old snapshots go while `ref` stays where it is.
        if not _lost(catalog.load_table(stored.name()), updates):
            raise
        return None
    after = copy(stored)
    after.metadata, after.metadata_location = answer.metadata, answer.metadata_location
    return after


def _lost(stored: Table, updates: Sequence[TableUpdate]) -> bool:
    """Say whether a snapshot that the updates name, and do not bring, is not there any more."""
    named = {one.snapshot_id for one in updates if isinstance(one, SetSnapshotRefUpdate)}
    named.update(gone for one in updates if isinstance(one, RemoveSnapshotsUpdate) for gone in one.snapshot_ids)
    brought = {one.snapshot.snapshot_id for one in updates if isinstance(one, AddSnapshotUpdate)}
    return any(stored.snapshot_by_id(one) is None for one in named - brought)


def begin(catalog: Catalog, stored: Table) -> None:
    """Give main an empty first snapshot unless it has one, for a branch needs one to start from."""
    for attempt in range(ATTEMPTS):
        if stored.current_snapshot() is not None:
            return
        snapshot = make_snapshot(stored, None, Change(), {})
        prove_own(stored.io, snapshot)
        if add_snapshot(catalog, stored, MAIN_BRANCH, snapshot) is not None:
            return
        # Another was faster, or nobody knows whether it landed.
        pause(attempt)
        stored = catalog.load_table(stored.name())
    name = ".".join(stored.name())
    raise CommitConflictError(f"{name} took no first snapshot in {ATTEMPTS} attempts; run the step again")


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


_PROVEN: WeakSet[Catalog] = WeakSet()
"""Catalogs that were seen to keep a branch."""


class Staging:
    """Rows of one write on their way to a branch; they are written once, however often the commit is tried.

    `after` is the table once they are there.
    """

    def __init__(self, catalog: Catalog, write: AnyWrite, rows: pa.Table | StoredRows, branch: str) -> None:
        self._catalog = catalog
        self._write = write
        self._rows = rows
        self._branch = branch
        self._files: list[DataFile] | None = None
        self.after: Table

    def attempt(self, stored: Table, summary: Mapping[str, str]) -> Snapshot | None:
        """Commit the rows to the branch, cut from where main is in `stored`; None when another writer was faster."""
        base = stored.snapshot_by_id(head_of(stored))
        assert base is not None, "a table's metadata hold the head of main"
        if not self._branch_works(stored, base):
            return None
        with Deposit(stored.io) as deposit:
            if self._files is None:
                self._files = _files_of(stored, self._rows, deposit)
            emptied = self._write.mode == "replace" and _data_files(base) > 0
            change = Change(self._files, frozenset(live_paths(stored.io, base)) if emptied else ())
            snapshot = make_snapshot(stored, base, change, summary)
            deposit.settle()
        after = add_snapshot(self._catalog, stored, self._branch, snapshot)
        if after is None:
            return None
        self._require_branch(after)
        self.after = after
        return snapshot

    def _branch_works(self, stored: Table, base: Snapshot) -> bool:
        """Try a branch without rows first, where a catalog may take rows for a branch and put them on main."""
        if isinstance(self._catalog, SqlCatalog) or self._catalog in _PROVEN:
            return True
        updates: list[TableUpdate] = [set_branch(self._branch, base.snapshot_id)]
        ref = stored.metadata.refs.get(self._branch)
        after = commit(self._catalog, stored, self._branch, ref.snapshot_id if ref else None, updates)
        if after is not None:
            self._require_branch(after)
            _PROVEN.add(self._catalog)
        return False  # the table was changed, so look again

    def _require_branch(self, after: Table) -> None:
        if self._branch not in after.metadata.refs:
            raise PermanentError(
                f"the catalog of {self._write.table.name} keeps no branches of tables, so nothing can be audited "
                "before it is seen; use a catalog that does, see docs/decisions/0201-branches-in-each-catalog.md"
            )


def add_snapshot(catalog: Catalog, stored: Table, branch: str, snapshot: Snapshot) -> Table | None:
    """Commit a snapshot as the head of a branch, wherever that pointed; None when another writer was faster.

    The branch and what lies on it are one commit. PyIceberg would need two: its retry of a joint one forgets where
    the branch was to start (Transaction._rebuild_snapshot_updates) and loses main's rows.
    """
    ref = stored.metadata.refs.get(branch)
    updates: list[TableUpdate] = [AddSnapshotUpdate(snapshot=snapshot), set_branch(branch, snapshot.snapshot_id)]
    try:
        return commit(catalog, stored, branch, ref.snapshot_id if ref else None, updates)
    except (ValueError, vendor.BadRequestError) as error:
        # Snapshots of all branches share one sequence; PyIceberg and SeaweedFS refuse a number that was taken
        # meanwhile as a bad value, not as a conflict.
        if last_number(catalog.load_table(stored.name())) >= (snapshot.sequence_number or 0):
            return None
        raise SchemaError(f"rows for {'.'.join(stored.name())} do not fit the stored table: {error}") from error


def drop_branch(catalog: Catalog, stored: Table, branch: str, *, only: int | None = None) -> bool:
    """Remove the branch if it is there (and at `only`, when given); False when another writer was faster."""
    ref = stored.metadata.refs.get(branch)
    if ref is None or (only is not None and ref.snapshot_id != only):
        return True
    return commit(catalog, stored, branch, ref.snapshot_id, [RemoveSnapshotRefUpdate(ref_name=branch)]) is not None


def is_ancestor(stored: Table, snapshot_id: int, *, of: int) -> bool:
    """Say whether `snapshot_id` is `of` or one of its ancestors."""
    history = ancestors_of(stored.snapshot_by_id(of), stored.metadata)
    return any(snapshot.snapshot_id == snapshot_id for snapshot in history)


def last_number(stored: Table) -> int:
    """Return the highest sequence number in use, 0 before the first snapshot."""
    return max((snapshot.sequence_number or 0 for snapshot in stored.snapshots()), default=0)


def _files_of(stored: Table, rows: pa.Table | StoredRows, deposit: Deposit) -> list[DataFile]:
    if isinstance(rows, StoredRows):
        return list(cast(tuple[DataFile, ...], rows.files))
    return write_rows(stored, rows, deposit)


def _data_files(snapshot: Snapshot) -> int:
    return int(properties(snapshot).get("total-data-files", "1"))
