"""Upkeep of Iceberg tables: small files joined, old snapshots and dead branches let go, orphans deleted."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import fs
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import RemoveSnapshotsUpdate

from lakehouse.adapters import iceberg_branches, iceberg_history, iceberg_past
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_attempts import ATTEMPTS, pause
from lakehouse.adapters.iceberg_commit import Change, change_of, live_entries, live_paths, make_snapshot
from lakehouse.adapters.iceberg_files import write_rows
from lakehouse.definition import TableDefinition
from lakehouse.durable_files import remove_unfinished
from lakehouse.errors import ChecksumError, CommitConflictError
from lakehouse.ports import StagedWrite
from lakehouse.upkeep_ports import Retention, Surplus, TableState

SMALL_BYTES = 8 * 2**20
FEWEST_FILES = 8
# Rows of one group are held in memory, some ten times as large as their files.
GROUP_BYTES = 64 * 2**20


class IcebergUpkeep:
    """Care of the tables of one catalog; see `lakehouse.ports.TableUpkeep`.

    `folders` are those that objects and tables are written to, where they lie on this machine's disk.
    """

    def __init__(self, tables: IcebergTables, folders: Sequence[Path] = ()) -> None:
        self.tables = tables
        self._folders = folders

    def remove_unfinished(self, abandoned_seconds: float) -> int:
        """Delete what killed writes left beside objects and tables; return how many files."""
        return sum(remove_unfinished(folder, unused_seconds=abandoned_seconds)[0] for folder in self._folders)

    def state(self, table: str) -> TableState:
        """Return what the table is made of now."""
        with self.tables.opened(table) as stored:
            head = stored.current_snapshot()
            files = [entry.data_file for entry in live_entries(stored.io, head)] if head else []
            found = iceberg_history.file_infos(stored)
            return TableState(
                data_files=len(files),
                data_bytes=sum(one.file_size_in_bytes for one in files),
                snapshots=len(stored.snapshots()),
                branches=sum(name != MAIN_BRANCH for name in stored.metadata.refs),
                stored_files=len(found),
                stored_bytes=sum(one.size for one in found),
            )

    def surplus(self, table: str, retention: Retention) -> Surplus:
        """Return what the table could do without now; nothing is changed."""
        with self.tables.opened(table) as stored:
            orphans = self._orphans(stored, retention)
            return Surplus(
                small_files=len(_small_group(stored)),
                branches=len(_dead(stored, retention)),
                snapshots=len(_going(stored, retention)) + len(_droppable(stored, retention)),
                orphan_files=len(orphans),
                orphan_bytes=sum(one.size for one in orphans),
            )

    def drop_dead_branches(self, table: str, retention: Retention) -> int:
        """Drop audit branches that nobody has touched for long; return how many."""
        dropped = 0
        with self.tables.opened(table) as stored:
            iceberg_past.look(stored)
            for name, snapshot_id in _dead(stored, retention).items():
                dropped += iceberg_branches.drop_branch(self.tables.catalog, stored, name, only=snapshot_id)
        return dropped

    def stage_compaction(
        self, table: str, branch: str, summary: Mapping[str, str], lost: StagedWrite | None = None
    ) -> StagedWrite | None:
        """Write the rows of many small files into few large ones, on a branch; None when that would not be fewer.

        `lost` is what was staged a moment ago, before another writer was faster: its files are taken again where all
        that they replace is still there, so that the next attempt takes no longer than any writer's.

        Raises ChecksumError when the new files do not give the very rows of the old ones.
        """
        change: Change | None = None
        for attempt in range(ATTEMPTS):
            with self.tables.opened(table) as stored:
                head = stored.current_snapshot()
                if head is None:
                    return None
                if change is None and lost is not None and (before := stored.snapshot_by_id(lost.snapshot_id)):
                    change = change_of(stored.io, before)
                if change is None or not set(change.removed) <= set(live_paths(stored.io, head)):
                    group = _small_group(stored)
                    change = self._joined(stored, head, group) if group else None
                if change is None:
                    return None
                snapshot = make_snapshot(stored, head, change, summary)
                if iceberg_branches.add_snapshot(self.tables.catalog, stored, branch, snapshot) is not None:
                    definition = TableDefinition(table, grain="", columns=(), key=())
                    return StagedWrite(definition, branch, snapshot.snapshot_id, head.snapshot_id)
            pause(attempt)
        raise CommitConflictError(f"other writers kept changing {table} for {ATTEMPTS} attempts; run the step again")

    def _joined(self, stored: Table, head: Snapshot, group: Sequence[DataFile]) -> Change | None:
        """Write the rows of the small files of `head` anew; return what takes their place, None when no fewer."""
        del head
        rows = _rows(stored, group)
        joined = write_rows(stored, rows)
        if len(joined) >= len(group):
            return None  # large rows are written in parts; the files that nobody names go as orphans
        if not _same(_rows(stored, joined), rows):
            table = ".".join(stored.name())
            raise ChecksumError(f"rows of {table} read back from their joined files differ; nothing was changed")
        return Change(joined, frozenset(one.file_path for one in group))

    def expire(self, table: str, retention: Retention) -> int:
        """Let old snapshots go; return how many can no longer be read."""
        for attempt in range(ATTEMPTS):
            with self.tables.opened(table) as stored:
                iceberg_past.look(stored)
                if self._shorten(stored, retention):
                    going = _going(stored, retention)
                    iceberg_past.expire(stored, going)
                    return len(going)
            pause(attempt)
        raise CommitConflictError(f"other writers kept changing {table} for {ATTEMPTS} attempts; run the step again")

    def _shorten(self, stored: Table, retention: Retention) -> bool:
        """Move main's old snapshots out of the metadata, and drop those of branches that are gone; False when late."""
        head = stored.current_snapshot()
        old, left = _droppable(stored, retention), _left_over(stored, retention)
        if head is None or not (old or left):
            return True
        iceberg_past.remember(stored, old)
        update = RemoveSnapshotsUpdate(snapshot_ids=[one.snapshot_id for one in (*old, *left)])
        after = iceberg_branches.commit(self.tables.catalog, stored, MAIN_BRANCH, head.snapshot_id, [update])
        return after is not None

    def remove_orphans(self, table: str, retention: Retention) -> tuple[int, int]:
        """Delete files that nothing needs; return how many, and their bytes."""
        with self.tables.opened(table) as stored:
            iceberg_past.look(stored)
            orphans = self._orphans(stored, retention)
            files = iceberg_history.file_system(stored)
            for one in orphans:
                files.delete_file(one.path)
        return len(orphans), sum(one.size for one in orphans)

    def _orphans(self, stored: Table, retention: Retention) -> list[fs.FileInfo]:
        """Return the files that nothing needs and that are older than anybody's work in progress."""
        # Listed before what is needed is read: what comes in between is not in the list.
        found = iceberg_history.file_infos(stored)
        newest = max((one.mtime_ns or 0 for one in found), default=0)
        limit = newest - retention.abandoned_seconds * 1e9
        old = [one for one in found if not iceberg_past.is_record(one.path) and (one.mtime_ns or newest) < limit]
        spare = self._spare(stored, [one.path for one in old], retention)
        return [one for one in old if one.path in spare]

    def _spare(self, stored: Table, paths: Sequence[str], retention: Retention) -> set[str]:
        """Return those of the paths that no snapshot and no pin needs."""
        return set(paths) - iceberg_history.needed(stored, iceberg_past.snapshots(stored), retention.pins)


def _same(found: pa.Table, wanted: pa.Table) -> bool:
    """Say whether two tables hold the same rows in the same order; unlike for Arrow, NaN equals NaN."""
    if found.schema != wanted.schema or found.num_rows != wanted.num_rows:
        return False
    return all(
        one.equals(other) or one.to_pandas().equals(other.to_pandas())
        for one, other in zip(found.columns, wanted.columns, strict=True)
    )


def _small_group(stored: Table) -> list[DataFile]:
    """Return small files that are to become fewer; none when they are too few to be worth it."""
    head = stored.current_snapshot()
    files = [entry.data_file for entry in live_entries(stored.io, head)] if head else []
    small = [one for one in files if one.file_size_in_bytes < SMALL_BYTES]
    group, total = [], 0
    for one in small:
        if total >= GROUP_BYTES:
            break
        group.append(one)
        total += one.file_size_in_bytes
    return group if len(group) >= FEWEST_FILES else []


def _rows(stored: Table, files: Sequence[DataFile]) -> pa.Table:
    scan = ArrowScan(stored.metadata, stored.io, stored.schema(), AlwaysTrue())
    return scan.to_table([FileScanTask(one) for one in files])


def _dead(stored: Table, retention: Retention) -> dict[str, int]:
    abandoned = _abandoned(stored, retention)
    return {
        name: ref.snapshot_id
        for name, ref in stored.metadata.refs.items()
        if name != MAIN_BRANCH
        and ref.snapshot_ref_type == SnapshotRefType.BRANCH
        and (head := stored.snapshot_by_id(ref.snapshot_id)) is not None
        and abandoned(head)
    }


def _droppable(stored: Table, retention: Retention) -> list[Snapshot]:
    """Return main's snapshots that are old, not among the newest, and named by no branch or tag."""
    named = {ref.snapshot_id for ref in stored.metadata.refs.values()}
    history = list(ancestors_of(stored.current_snapshot(), stored.metadata))[iceberg_past.NEWEST :]
    return _stored_before(stored, [one for one in history if one.snapshot_id not in named], retention)


def _left_over(stored: Table, retention: Retention) -> list[Snapshot]:
    """Return the snapshots that no branch or tag leads to; young ones may be named by an intent."""
    heads = [stored.snapshot_by_id(ref.snapshot_id) for ref in stored.metadata.refs.values()]
    led_to = {one.snapshot_id for head in heads for one in ancestors_of(head, stored.metadata)}
    left = [one for one in stored.snapshots() if one.snapshot_id not in led_to]
    if not left:
        return []
    abandoned = _abandoned(stored, retention)
    return [one for one in left if abandoned(one)]


def _abandoned(stored: Table, retention: Retention) -> Callable[[Snapshot], bool]:
    """Return what says whether a snapshot is older than anybody's work in progress.

    The newest file is what upkeep wrote when it looked at the table, or of a writer that came since.
    """
    times = _times(stored)
    newest = max(times.values(), default=0)
    limit = newest - retention.abandoned_seconds * 1e9
    return lambda snapshot: _stored_ns(times, snapshot, newest) < limit


def _stored_before(stored: Table, snapshots: Sequence[Snapshot], retention: Retention) -> list[Snapshot]:
    """Return those that are older than snapshots are kept; one whose list is not there is not."""
    times = _times(stored) if snapshots else {}
    limit = retention.snapshots_before.timestamp() * 1e9
    return [one for one in snapshots if _stored_ns(times, one, math.inf) < limit]


def _times(stored: Table) -> dict[str, int]:
    """Return when each file in the table's folder was stored, in nanoseconds since 1970, where the storage says so."""
    return {one.path: one.mtime_ns for one in iceberg_history.file_infos(stored) if one.mtime_ns}


def _stored_ns(times: Mapping[str, int], snapshot: Snapshot, otherwise: float) -> float:
    """Return when a snapshot's list came. The time that it carries itself is its writer's, which may be years away."""
    return times.get(iceberg_history.plain(snapshot.manifest_list), otherwise)


def _going(stored: Table, retention: Retention) -> list[Snapshot]:
    """Return what metadata dropped, is old and not pinned, and came before the newest that is pinned.

    Releases were looked at before the table: what came later may be of one that is made meanwhile, whatever its
    writer's clock says.
    """
    past = iceberg_past.snapshots(stored)
    pinned = (one for one in (*stored.snapshots(), *past) if one.snapshot_id in retention.pinned)
    newest = max((one.sequence_number or 0 for one in pinned), default=0)
    free = [one for one in past if one.snapshot_id not in retention.pinned and (one.sequence_number or 0) < newest]
    return _stored_before(stored, free, retention)
