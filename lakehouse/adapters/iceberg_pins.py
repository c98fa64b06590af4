"""Pins: sealed metadata of a snapshot and those before it, which releases name and readers open without a catalog.

The catalog's own metadata files may go when they are old; a pin stays as long as a release needs it.
"""

from pyiceberg.io import FileIO
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from lakehouse.adapters.iceberg_seal import MemoryFile, judge, metadata_bytes, store_surely
from lakehouse.errors import ChecksumError

STEM = "pin"
ENDING = ".metadata.json"


def pin(stored: Table, snapshot: Snapshot) -> str:
    """Write the pin of a snapshot of main if it is not there whole; return its location, the same each time."""
    file = _file(stored, snapshot)
    if not _is_whole(stored.io, file.location):
        store_surely(stored.io, file.location, file.body)
    return file.location


def pin_first(stored: Table, snapshot: Snapshot) -> str:
    """Write the pin of a snapshot that was only just moved to, whoever else may be about to write the same."""
    file = _file(stored, snapshot)
    store_surely(stored.io, file.location, file.body)
    return file.location


def _file(stored: Table, snapshot: Snapshot) -> MemoryFile:
    metadata = stored.metadata.model_copy(
        update={
            "snapshots": list(ancestors_of(snapshot, stored.metadata)),
            "current_snapshot_id": snapshot.snapshot_id,
            "refs": {MAIN_BRANCH: _branch(snapshot.snapshot_id)},
            "last_sequence_number": snapshot.sequence_number,
            "last_updated_ms": snapshot.timestamp_ms,
            "snapshot_log": [],
            "metadata_log": [],
            "statistics": [],
            "partition_statistics": [],
        }
    )
    file = MemoryFile()
    file.body = metadata_bytes(metadata)
    file.named(stored.location_provider().metadata_path, STEM, ENDING)
    return file


def _is_whole(io: FileIO, location: str) -> bool:
    """Say whether a pin is there as it was written: storage may have kept half of what an earlier try gave it."""
    try:
        judge(io, location)
    except (FileNotFoundError, ChecksumError):
        return False
    return True


def _branch(snapshot_id: int) -> SnapshotRef:
    return SnapshotRef(
        snapshot_id=snapshot_id,
        snapshot_ref_type=SnapshotRefType.BRANCH,
        min_snapshots_to_keep=None,
        max_snapshot_age_ms=None,
        max_ref_age_ms=None,
    )
