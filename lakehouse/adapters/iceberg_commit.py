"""How a snapshot is made: sealed manifests and a sealed list of them, few however old the table grows."""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    DataFile,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotSummaryCollector, Summary, update_snapshot_summaries

from lakehouse.adapters.iceberg_avro import list_writer, manifest_writer
from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_seal import MemoryFile, judge, store

# Eight manifests of one size become one of the next, so a table of n appends has about 4 log8(n) of them.
TIER = 8


@dataclass(frozen=True)
class Change:
    """What a snapshot does to its parent: files it adds, and paths of files it takes out."""

    added: Sequence[DataFile] = ()
    removed: Collection[str] = ()

    @property
    def operation(self) -> Operation:
        """What Iceberg calls it."""
        return Operation.OVERWRITE if self.removed else Operation.APPEND


def live_entries(io: FileIO, snapshot: Snapshot) -> list[ManifestEntry]:
    """Return the entries of all data files that are in a snapshot."""
    return [entry for manifest in manifests_of(io, snapshot) for entry in entries_of(io, manifest)]


def live_paths(io: FileIO, snapshot: Snapshot) -> list[str]:
    """Return the paths of all data files that are in a snapshot."""
    return [entry.data_file.file_path for entry in live_entries(io, snapshot)]


def change_of(io: FileIO, snapshot: Snapshot) -> Change:
    """Return what a stored snapshot did to its parent."""
    own = [one for one in manifests_of(io, snapshot) if one.added_snapshot_id == snapshot.snapshot_id]
    entries = [entry for one in own for entry in one.fetch_manifest_entry(io, discard_deleted=False)]
    mine = [entry for entry in entries if entry.snapshot_id == snapshot.snapshot_id]
    return Change(
        [entry.data_file for entry in mine if entry.status == ManifestEntryStatus.ADDED],
        frozenset(entry.data_file.file_path for entry in mine if entry.status == ManifestEntryStatus.DELETED),
    )


def make_snapshot(stored: Table, parent: Snapshot | None, change: Change, summary: Mapping[str, str]) -> Snapshot:
    """Write what a new snapshot needs and return it; no catalog knows of it yet."""
    maker = _Maker(stored, stored.metadata.new_snapshot_id())
    manifests = [*maker.added(change.added), *maker.carried(parent, change.removed)]
    number = stored.metadata.next_sequence_number()
    return Snapshot(
        snapshot_id=maker.snapshot_id,
        parent_snapshot_id=parent.snapshot_id if parent else None,
        manifest_list=maker.listed(manifests, parent, number),
        sequence_number=number,
        # Catalogs refuse a snapshot from before the last one, and the clock of who wrote that may have been ahead.
        timestamp_ms=max(int(time.time() * 1000), stored.metadata.last_updated_ms, *_times(stored)),
        summary=maker.summary(parent, change, summary),
        schema_id=stored.metadata.current_schema_id,
    )


def _times(stored: Table) -> list[int]:
    return [one.timestamp_ms for one in stored.snapshots()]


class _Maker:
    def __init__(self, stored: Table, snapshot_id: int) -> None:
        self.snapshot_id = snapshot_id
        self._stored = stored
        self._metadata = stored.metadata
        self._folder = stored.location_provider().metadata_path
        self._gone: list[DataFile] = []
        self._own: dict[str, Sequence[ManifestEntry]] = {}

    def added(self, files: Sequence[DataFile]) -> list[ManifestFile]:
        entries = [
            ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=self.snapshot_id, data_file=one)
            for one in files
        ]
        return [self._manifest(entries)] if entries else []

    def carried(self, parent: Snapshot | None, removed: Collection[str]) -> list[ManifestFile]:
        """Return the parent's manifests without the removed files, and the manifest that says they are gone."""
        if parent is None:
            return []
        manifests = manifests_of(self._stored.io, parent)
        old = [one for one in manifests if one.has_added_files() or one.has_existing_files()]
        if not removed:
            return self._merged(old)
        kept: list[ManifestFile] = []
        stay: list[ManifestEntry] = []
        go: list[ManifestEntry] = []
        for manifest in old:
            entries = entries_of(self._stored.io, manifest)
            hit = [entry for entry in entries if entry.data_file.file_path in removed]
            if not hit:
                kept.append(manifest)
                continue
            go.extend(_as(ManifestEntryStatus.DELETED, entry, self.snapshot_id) for entry in hit)
            stay.extend(entry for entry in entries if entry.data_file.file_path not in removed)
        self._gone = [entry.data_file for entry in go]
        changed = [self._manifest(go)] if go else []
        return [*changed, *([self._manifest(_existing(stay))] if stay else []), *self._merged(kept)]

    def _merged(self, manifests: Sequence[ManifestFile]) -> list[ManifestFile]:
        tiers: dict[int, list[ManifestFile]] = {}
        for manifest in manifests:
            tiers.setdefault(_tier(manifest), []).append(manifest)
        kept: list[ManifestFile] = []
        for group in tiers.values():
            if len(group) < TIER:
                kept.extend(group)
            else:
                entries = [entry for one in group for entry in entries_of(self._stored.io, one)]
                kept.append(self._manifest(_existing(entries)))
        return kept

    def _manifest(self, entries: Sequence[ManifestEntry]) -> ManifestFile:
        file = MemoryFile()
        with manifest_writer(self._metadata, file, self.snapshot_id) as writer:
            for entry in entries:
                writer.add_entry(entry)
        file.named(self._folder, "manifest", ".avro")
        store(self._stored.io, file.location, file.body)
        self._own[file.location] = entries
        return writer.to_manifest_file()

    def listed(self, manifests: Sequence[ManifestFile], parent: Snapshot | None, number: int) -> str:
        """Write the list of manifests; return where it is."""
        file = MemoryFile()
        parent_id = parent.snapshot_id if parent else None
        with list_writer(self._metadata, file, self.snapshot_id, parent_id, number) as writer:
            numbered = [writer.prepare_manifest(one) for one in manifests]
            writer.add_manifests(numbered)
        file.named(self._folder, f"snap-{self.snapshot_id}-{uuid.uuid4().hex[:8]}", ".avro")
        store(self._stored.io, file.location, file.body)
        _written.keep(file.location, _Written(numbered, {one: _live(self._own[one], number) for one in self._own}))
        return file.location

    def summary(self, parent: Snapshot | None, change: Change, given: Mapping[str, str]) -> Summary:
        collector = SnapshotSummaryCollector()
        schema, spec = self._metadata.schema(), self._metadata.spec()
        for one in change.added:
            collector.add_file(one, schema=schema, partition_spec=spec)
        for one in self._gone:
            collector.remove_file(one, schema=schema, partition_spec=spec)
        own = Summary(operation=change.operation, **collector.build(), **given)
        return update_snapshot_summaries(own, parent.summary if parent else None)


def _live(entries: Sequence[ManifestEntry], number: int) -> list[ManifestEntry]:
    """Return the live entries of a manifest as whoever reads it gets them: what is new has the snapshot's number."""
    live = [one for one in entries if one.status != ManifestEntryStatus.DELETED]
    return [one if one.sequence_number is not None else _as(one.status, one, one.snapshot_id, number) for one in live]


def _tier(manifest: ManifestFile) -> int:
    count, tier = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0), 0
    while count >= TIER:
        count, tier = count // TIER, tier + 1
    return tier


def _existing(entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    return [_as(ManifestEntryStatus.EXISTING, entry, entry.snapshot_id) for entry in entries]


def _as(
    status: ManifestEntryStatus, entry: ManifestEntry, snapshot_id: int | None, number: int | None = None
) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=entry.sequence_number if number is None else number,
        file_sequence_number=entry.file_sequence_number if number is None else number,
        data_file=entry.data_file,
    )


@dataclass(frozen=True)
class _Written:
    """The manifests of a list that this process wrote, and the live entries of those that are new."""

    manifests: list[ManifestFile]
    entries: Mapping[str, list[ManifestEntry]]


_written: Known[_Written] = Known(64)
"""By the places of lists, until they are proved."""


_lists: Known[list[ManifestFile]] = Known(256)
_entries: Known[list[ManifestEntry]] = Known(4096)


def manifests_of(io: FileIO, snapshot: Snapshot) -> list[ManifestFile]:
    """Return the manifests of a snapshot; nobody may change them."""
    return _lists.of(snapshot.manifest_list, lambda: snapshot.manifests(io))


def entries_of(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    """Return the live entries of a manifest; nobody may change them."""
    return _entries.of(manifest.manifest_path, lambda: manifest.fetch_manifest_entry(io, discard_deleted=True))


def prove_own(io: FileIO, snapshot: Snapshot) -> None:
    """Read the list and the manifests back that this process wrote for a snapshot, and judge them by their names.

    Once their bytes are what was written, what that was is known, and need not be decoded. Of a snapshot that another
    process made, or that was proved before, nothing is read here: reading it judges it.

    Raises:
        ChecksumError: a file is damaged.
        FileNotFoundError: it is not there.
    """
    written = _written.take(snapshot.manifest_list)
    if written is None:
        return
    for path in (snapshot.manifest_list, *written.entries):
        judge(io, path)
    _lists.keep(snapshot.manifest_list, written.manifests)
    for path, entries in written.entries.items():
        _entries.keep(path, entries)
