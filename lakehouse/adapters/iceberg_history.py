"""What an Iceberg table's snapshots remember, which files it has, and which of them nothing needs any more."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

KEY = "lakehouse.key"
KEPT_KEYS = "lakehouse.kept-keys"
RECEIPT = "lakehouse.withdrawal"
FORGOT = "lakehouse.withdrawal-forgot"
REMOVED = "lakehouse.withdrawal-removed"
MASKED = "lakehouse.withdrawal-masked"


def properties(snapshot: Snapshot) -> dict[str, str]:
    """Return a snapshot's summary with its operation."""
    if snapshot.summary is None:
        return {}
    return {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties}


def keys_of(summary: Mapping[str, str]) -> list[str]:
    """Return the keys that a snapshot stands for: its own, and those of the snapshots it replaced."""
    kept: list[str] = json.loads(summary.get(KEPT_KEYS, "[]"))
    return [*kept, *([summary[KEY]] if KEY in summary else [])]


def forgotten(history: Iterable[Mapping[str, str]], snapshot_id: int) -> str | None:
    """Return the receipt of the withdrawal that removed a snapshot, or None."""
    return next((s[RECEIPT] for s in history if snapshot_id in json.loads(s.get(FORGOT, "[]"))), None)


def file_rows(stored: Table) -> Iterator[pa.Table]:
    """Yield the rows of every data file that lies in the table's folder, referenced or left over, whole."""
    files, paths = _listing(stored)
    for path in paths:
        if path.endswith(".parquet"):
            with files.open_input_file(path) as file:
                yield pq.read_table(file)


def sweep(stored: Table, keep: Collection[str]) -> int:
    """Delete what lies in the table's folder and is neither needed nor in `keep`; return how many files."""
    needed = {_plain(path) for path in (*_needed(stored), *keep)}
    files, paths = _listing(stored)
    surplus = [path for path in paths if path not in needed]
    for path in surplus:
        files.delete_file(path)
    return len(surplus)


def _needed(stored: Table) -> Iterator[str]:
    yield stored.metadata_location
    yield from (one.statistics_path for one in stored.metadata.statistics)
    for snapshot in stored.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(stored.io):
            yield manifest.manifest_path
            yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(stored.io))


def _listing(stored: Table) -> tuple[fs.FileSystem, list[str]]:
    location = urlsplit(stored.location())
    files: fs.FileSystem = PyArrowFileIO(stored.io.properties).fs_by_scheme(location.scheme, location.netloc)
    found = files.get_file_info(fs.FileSelector(_plain(stored.location()), recursive=True, allow_not_found=True))
    return files, sorted(one.path for one in found if one.type == fs.FileType.File)


def _plain(location: str) -> str:
    parts = urlsplit(location)
    return parts.netloc + parts.path
