"""What care of tables needs from their store, as a Protocol, and the values that cross that border."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakehouse.ports import StagedWrite


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table is made of: what its current rows need, and everything that lies in its folder."""

    data_files: int
    data_bytes: int
    snapshots: int
    branches: int
    stored_files: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Retention:
    """What upkeep must leave alone in one table, besides what its main, tags and live branches need.

    Snapshots stored since `snapshots_before` (UTC) stay, and those `pinned`, with the metadata files `pins`. Branches
    and files younger than `abandoned_seconds` may belong to somebody at work. All ages are told by the storage's own
    clock, for a writer's may be years away. How old somebody's work may be is counted from the newest file in the
    table, which upkeep writes itself before it takes anything away. A survey writes nothing, so it counts by the last
    upkeep or writing.
    """

    snapshots_before: datetime
    abandoned_seconds: float
    pinned: frozenset[int] = frozenset()
    pins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Surplus:
    """What a table could do without: files to join, dead branches, old snapshots, and files that nothing needs."""

    small_files: int
    branches: int
    snapshots: int
    orphan_files: int
    orphan_bytes: int


class TableUpkeep(Protocol):
    """Care of tables that are in use. Nothing here changes a row or forgets a committed key."""

    def remove_unfinished(self, abandoned_seconds: float) -> int:
        """Delete files that killed writes left without a name, unless they are younger; return how many."""

    def state(self, table: str) -> TableState:
        """Return what the table is made of now."""

    def surplus(self, table: str, retention: Retention) -> Surplus:
        """Return what the table could do without now; nothing is changed."""

    def drop_dead_branches(self, table: str, retention: Retention) -> int:
        """Drop audit branches that nobody has touched for long; return how many."""

    def stage_compaction(
        self, table: str, branch: str, summary: Mapping[str, str], lost: StagedWrite | None = None
    ) -> StagedWrite | None:
        """Write the rows of many small files into few large ones, on a branch; None when that would not be fewer.

        `lost` is what was staged a moment ago, before another writer was faster: its files are taken again where all
        that they replace is still there.

        Raises ChecksumError when the new files do not give the very rows of the old ones.
        """

    def expire(self, table: str, retention: Retention) -> int:
        """Let old snapshots go; return how many can no longer be read."""

    def remove_orphans(self, table: str, retention: Retention) -> tuple[int, int]:
        """Delete files that nothing needs; return how many, and their bytes."""
