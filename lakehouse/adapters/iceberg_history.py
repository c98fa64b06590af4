"""What an Iceberg table's snapshots remember, which files it has, and which of them nothing needs any more."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakehouse.adapters.iceberg_commit import entries_of, manifests_of
from lakehouse.adapters.iceberg_seal import require_sealed

KEY = "lakehouse.key"
KEPT_KEYS = "lakehouse.kept-keys"
RECEIPT = "lakehouse.withdrawal"
FORGOT = "lakehouse.withdrawal-forgot"
REMOVED = "lakehouse.withdrawal-removed"
MASKED = "lakehouse.withdrawal-masked"
BATCH_ROWS = 1 << 16
ALWAYS_TRUE = AlwaysTrue()


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
    """Yield the rows of every data file in the table's folder, referenced or left over, some at a time of one file."""
    files = file_system(stored)
    for path in _paths(stored):
        if path.endswith(".parquet"):
            with files.open_input_file(path) as file:
                body = file.read_buffer()
            require_sealed(path, body)
            for batch in pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True).iter_batches(
                BATCH_ROWS, use_threads=False
            ):
                yield pa.Table.from_batches([batch])


def main_rows(stored: Table) -> Iterator[pa.Table]:
    """Yield the rows of main in its schema, some at a time: PyIceberg's own readers hold whole files, and several."""
    head, schema = stored.current_snapshot(), stored.schema().as_arrow()
    for task in stored.scan(snapshot_id=head.snapshot_id if head else None).plan_files():
        path = plain(task.file.file_path)
        with file_system(stored).open_input_file(path) as stream:
            body = stream.read_buffer()
        require_sealed(path, body)
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True)
        if task.delete_files or not set(file.schema_arrow.names) <= set(schema.names):
            whole = ArrowScan(stored.metadata, stored.io, stored.schema(), ALWAYS_TRUE).to_table([task])
            yield whole.cast(schema)
            continue
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            yield _in_schema(pa.Table.from_batches([batch]), schema)


def _in_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows of a file in the table's schema; a column that came later is null."""
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names).cast(schema)


def sweep(stored: Table, keep: Collection[str], past: Iterable[Snapshot], spared: Callable[[str], bool]) -> int:
    """Delete what lies in the table's folder and nothing needs; return how many files.

    Needed are `keep`, what is `spared`, and all that the metadata and the snapshots of the `past` name.
    """
    names = needed(stored, past, keep)
    files = file_system(stored)
    surplus = [path for path in _paths(stored) if path not in names and not spared(path)]
    for path in surplus:
        files.delete_file(path)
    return len(surplus)


def needed(stored: Table, past: Iterable[Snapshot], keep: Collection[str] = ()) -> set[str]:
    """Return the paths of `keep` and of all files that the metadata and the snapshots of the `past` name."""
    return {plain(path) for path in (*_needed(stored, past), *keep)}


def _needed(stored: Table, past: Iterable[Snapshot]) -> Iterator[str]:
    yield stored.metadata_location
    yield from (one.statistics_path for one in stored.metadata.statistics)
    for snapshot in (*stored.snapshots(), *past):
        yield snapshot.manifest_list
        for manifest in manifests_of(stored.io, snapshot):
            yield manifest.manifest_path
            yield from (entry.data_file.file_path for entry in entries_of(stored.io, manifest))


def file_system(stored: Table) -> fs.FileSystem:
    """Return the storage that the table lies in."""
    location = urlsplit(stored.location())
    assert isinstance(stored.io, PyArrowFileIO), "every catalog here is given SealedFileIO"
    files: fs.FileSystem = stored.io.fs_by_scheme(location.scheme, location.netloc)
    return files


def file_infos(stored: Table) -> list[fs.FileInfo]:
    """Return every file that lies in the table's folder."""
    chosen = fs.FileSelector(plain(stored.location()), recursive=True, allow_not_found=True)
    return [one for one in file_system(stored).get_file_info(chosen) if one.type == fs.FileType.File]


def _paths(stored: Table) -> list[str]:
    return sorted(one.path for one in file_infos(stored))


def plain(location: str) -> str:
    """Return the path that a location has in its storage."""
    parts = urlsplit(location)
    return parts.netloc + parts.path
