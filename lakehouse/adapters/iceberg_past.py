"""What a table's metadata no longer hold of main's past: old snapshots, and the keys that were committed with them.

Metadata are read and written whole at every commit, so they keep main's newest snapshots only. An older one becomes a
small sealed record beside them, found by its id or by its key in one request, however long the history grows.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from lakehouse.adapters.iceberg_history import FORGOT, RECEIPT, file_system, forgotten, keys_of, properties
from lakehouse.adapters.iceberg_seal import store
from lakehouse.errors import NoTableError, WithdrawnError
from lakehouse.tables.sealed_json import seal, unseal

NEWEST, MOST = 16, 24
# The only endings that a table bucket of SeaweedFS takes are Iceberg's own.
ENDING = ".metadata.json"
SNAPSHOT, KEY = "past-", "key-"
LOOKED_AT = "upkeep-looked"


def surplus(stored: Table, head: Snapshot) -> list[Snapshot]:
    """Return the snapshots of `head`'s history that metadata need not hold any more, once there are many; oldest last.

    What a branch or tag points at stays.
    """
    history = list(ancestors_of(head, stored.metadata))
    if len(history) <= MOST:
        return []
    named = {ref.snapshot_id for ref in stored.metadata.refs.values()}
    return [snapshot for snapshot in history[NEWEST:] if snapshot.snapshot_id not in named]


def remember(stored: Table, snapshots: Iterable[Snapshot]) -> None:
    """Write down snapshots, and what is known by their keys, before metadata drop them; again is no error."""
    for snapshot in snapshots:
        summary = properties(snapshot)
        for lost in json.loads(summary.get(FORGOT, "[]")):
            _write(stored, f"{SNAPSHOT}{lost}", {"withdrawal": summary[RECEIPT]})
        for key in keys_of(summary):
            _write(stored, _key_name(key), {"key": key, "snapshot-id": snapshot.snapshot_id})
        _write(stored, f"{SNAPSHOT}{snapshot.snapshot_id}", {"snapshot": json.loads(snapshot.model_dump_json())})


def landed(stored: Table, snapshot_id: int) -> bool:
    """Say whether a snapshot is, or was, in main's history."""
    history = ancestors_of(stored.current_snapshot(), stored.metadata)
    if any(snapshot.snapshot_id == snapshot_id for snapshot in history):
        return True
    return _cut_short(stored) and _read(stored, f"{SNAPSHOT}{snapshot_id}") is not None


def snapshot(stored: Table, snapshot_id: int) -> Snapshot:
    """Return a snapshot that the metadata hold or once held.

    Raises:
        WithdrawnError: a withdrawal removed its rows.
        NoTableError: there is none, or it expired.
    """
    if (found := stored.snapshot_by_id(snapshot_id) or recall(stored, snapshot_id)) is not None:
        return found
    table = ".".join(stored.name())
    history = [properties(one) for one in ancestors_of(stored.current_snapshot(), stored.metadata)]
    receipt = forgotten(history, snapshot_id) or withdrawal_of(stored, snapshot_id)
    if receipt is not None:
        raise WithdrawnError(f"snapshot {snapshot_id} of {table} was removed by withdrawal {receipt}; read main")
    raise NoTableError(f"{table} has no snapshot {snapshot_id}; it may have expired")


def recall(stored: Table, snapshot_id: int) -> Snapshot | None:
    """Return a snapshot that metadata dropped, or None when it is unknown, expired or withdrawn."""
    record = _read(stored, f"{SNAPSHOT}{snapshot_id}")
    return Snapshot.model_validate(record["snapshot"]) if record and "snapshot" in record else None


def withdrawal_of(stored: Table, snapshot_id: int) -> str | None:
    """Return the receipt of the withdrawal that removed a snapshot which metadata dropped since, or None."""
    record = _read(stored, f"{SNAPSHOT}{snapshot_id}")
    return None if record is None else record.get("withdrawal")


def committed(stored: Table, key: str) -> int | None:
    """Return the snapshot that was committed under a key and dropped from metadata since, or None."""
    if not _cut_short(stored):
        return None
    record = _read(stored, _key_name(key))
    return None if record is None else int(record["snapshot-id"])


def snapshots(stored: Table) -> list[Snapshot]:
    """Return every snapshot that metadata dropped and whose rows are still to be had, oldest first."""
    ids = [int(name.removeprefix(SNAPSHOT)) for name in _names(stored, SNAPSHOT)]
    found = [snapshot for one in ids if (snapshot := recall(stored, one)) is not None]
    return sorted(found, key=lambda snapshot: snapshot.sequence_number or 0)


def keys(stored: Table) -> list[str]:
    """Return every key that metadata dropped."""
    records = (_read(stored, name) for name in _names(stored, KEY))
    return [record["key"] for record in records if record is not None]


def forget(stored: Table) -> None:
    """Drop all records, after a rewriting whose own snapshot knows the keys and names what it forgot."""
    for name in (*_names(stored, SNAPSHOT), *_names(stored, KEY)):
        stored.io.delete(_location(stored, name))


def expire(stored: Table, snapshots: Iterable[Snapshot]) -> None:
    """Let the rows of dropped snapshots go: nobody can read them any more. Their ids and keys stay known."""
    for snapshot in snapshots:
        _write(stored, f"{SNAPSHOT}{snapshot.snapshot_id}", {"expired": True})


def look(stored: Table) -> None:
    """Let the storage's clock say what time it is: its newest file is as young as this call."""
    _write(stored, LOOKED_AT, {})


def is_record(path: str) -> bool:
    """Say whether a file is one of these records."""
    return path.rsplit("/", 1)[-1].startswith((SNAPSHOT, KEY, LOOKED_AT))


def _cut_short(stored: Table) -> bool:
    """Say whether main's history in the metadata begins later than the table did."""
    history: Sequence[Snapshot] = list(ancestors_of(stored.current_snapshot(), stored.metadata))
    return bool(history) and (history[-1].sequence_number or 0) > 1


def _key_name(key: str) -> str:
    # Cut short, for whole hashes are the names of sealed files.
    return f"{KEY}{hashlib.sha256(key.encode()).hexdigest()[:48]}"


def _location(stored: Table, name: str) -> str:
    return f"{stored.location_provider().metadata_path}/{name}{ENDING}"


def _write(stored: Table, name: str, values: dict[str, Any]) -> None:
    store(stored.io, _location(stored, name), seal(values))


def _read(stored: Table, name: str) -> dict[str, Any] | None:
    location = _location(stored, name)
    try:
        with stored.io.new_input(location).open() as stream:
            body = stream.read()
    except FileNotFoundError:
        return None
    return unseal(bytes(body), location)


def _names(stored: Table, start: str) -> list[str]:
    folder = urlsplit(stored.location_provider().metadata_path)
    found = file_system(stored).get_file_info(fs.FileSelector(folder.netloc + folder.path, allow_not_found=True))
    names = (one.base_name for one in found if one.type == fs.FileType.File)
    return sorted(name.removesuffix(ENDING) for name in names if name.startswith(start))
