"""Upkeep of Iceberg tables by Spark: files joined and orphans found by Iceberg's own procedures, on private copies."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from lakehouse.adapters import iceberg_past
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_commit import Change, live_entries
from lakehouse.adapters.iceberg_upkeep import FEWEST_FILES, SMALL_BYTES, IcebergUpkeep
from lakehouse.adapters.spark_copies import Copy, copied, metadata_files
from lakehouse.adapters.spark_seal import Tally, Workers, described
from lakehouse.adapters.spark_session import SparkPlace, spark_errors
from lakehouse.errors import ChecksumError
from lakehouse.upkeep_ports import Retention

# A sealed file is read whole, so it must fit into memory some times over.
JOINED_BYTES = 32 * 2**20
JOINING = {
    "min-input-files": str(FEWEST_FILES),
    "min-file-size-bytes": str(SMALL_BYTES),
    "target-file-size-bytes": str(JOINED_BYTES),
    "max-file-size-bytes": str(2**50),  # large files stay as they are
}


class SparkUpkeep(IcebergUpkeep):
    """Care of the tables of one catalog; see `lakehouse.ports.TableUpkeep`.

    Spark does what grows with the rows and the files: joining, and telling orphans. What is committed, which snapshots
    expire and what is deleted is decided here, as on one machine, for Iceberg's procedures know neither pins nor the
    past beside the metadata.
    """

    def __init__(self, tables: IcebergTables, spark: SparkPlace, folders: Sequence[Path] = ()) -> None:
        super().__init__(tables, folders)
        self._spark = spark

    def _joined(self, stored: Table, head: Snapshot, group: Sequence[DataFile]) -> Change | None:
        """Let Spark choose among the files of `head` and join them.

        Raises:
            ChecksumError: a file is damaged, or the new files do not give the very rows of the old ones.
            SparkError: Spark failed; nothing was changed.
        """
        del group
        with spark_errors(f"joining files of {'.'.join(stored.name())}"):
            workers = Workers(self._spark.session, stored)
            workers.require_sound(metadata_files(stored, [head]))
            history = list(ancestors_of(head, stored.metadata))
            with copied(self._spark.session, stored, head, history) as own:
                own.call("rewrite_data_files", {}, JOINING)
                added, removed = own.after()
                if len(added) >= len(removed):
                    return None
                old = [one.data_file for one in live_entries(stored.io, head) if one.data_file.file_path in removed]
                return Change(_adopted(workers, own, added, old), frozenset(removed))

    def _spare(self, stored: Table, paths: Sequence[str], retention: Retention) -> set[str]:
        """Return those of the paths that no snapshot and no pin needs; manifests are judged before Spark reads them."""
        head, scheme = stored.current_snapshot(), urlsplit(stored.location()).scheme
        if head is None or not paths:
            return super()._spare(stored, paths, retention)
        known = _once(stored.snapshots(), iceberg_past.snapshots(stored))
        kept = {*retention.pins, stored.metadata_location, *(one.statistics_path for one in stored.metadata.statistics)}
        named = {f"{scheme}://{path}": path for path in paths}
        with spark_errors(f"looking for orphans of {'.'.join(stored.name())}"):
            Workers(self._spark.session, stored).require_sound(metadata_files(stored, known))
            with copied(self._spark.session, stored, head, known) as own:
                spare = own.unreferenced([one for one in named if one not in kept])
        return {named[one] for one in spare}


def _once(*lists: Sequence[Snapshot]) -> list[Snapshot]:
    """Return each snapshot once: a crash between remembering and committing leaves it in both lists."""
    return list({one.snapshot_id: one for snapshots in lists for one in snapshots}.values())


def _adopted(workers: Workers, own: Copy, added: Sequence[DataFile], old: Sequence[DataFile]) -> list[DataFile]:
    """Return sealed copies of the files that Spark wrote, once they are proved to hold the rows of the old ones."""
    before = workers.tally(old)
    sealed = workers.seal([one.file_path for one in added])
    counts = [one.tally.rows for one in sealed] == [one.record_count for one in added]
    if not counts or sum((one.tally for one in sealed), Tally()) != before:
        raise ChecksumError(
            f"rows of {'.'.join(own.stored.name())} read back from the files that Spark joined differ from those "
            "of the old files; nothing was changed"
        )
    return [described(own.stored, file, one) for file, one in zip(added, sealed, strict=True)]
