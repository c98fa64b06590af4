"""Whether a table's files are still what was written: each is hashed and must be what its name says.

DuckDB does not look at Parquet's page checksums, and nothing in a plain Iceberg file tells a flipped bit. The names of
this project's files are hashes of their content (docs/flow/store.md), so the tree below a release can be checked.
"""

import contextlib
import json
import math
import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
from sqlglot import exp

from lakehouse.endpoint.faults import BusyError, DamagedTableError
from lakehouse.endpoint.listing import DATA, Contents, DataFile
from lakehouse.ports import TablePointer

LONG_SEAL = re.compile(r"-([0-9a-f]{64})\.(?:parquet|avro|metadata\.json)$")
SHORT_SEAL = re.compile(r"/\d+-([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.metadata\.json$")
RECHECK_SECONDS = 3600.0
# Files hashed by one query, which holds their bytes.
AT_ONCE = 16

Values = Callable[[exp.Query], list[str]]
"""Runs a query of one column of texts, named value."""


class Soundness:
    """What was found sound, and when. Sealed files never change, so a large one is not hashed for every snapshot."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._sound: dict[str, float] = {}

    def require_metadata(self, pointer: TablePointer) -> None:
        """Hash a pin's metadata file; raise DamagedTableError when it is not what was written."""
        self._hash(pointer, [pointer.metadata_location])

    def require_files(self, pointer: TablePointer, *, remembered: float) -> Contents | None:
        """Hash every file below a pin's metadata, unless it was found sound less than `remembered` seconds ago.

        Return what the snapshot consists of, None of an empty table. Raises DamagedTableError before DuckDB has read
        anything of a file that is not what was written.
        """
        metadata = self._metadata(pointer)
        snapshot = _snapshot(metadata, pointer)
        if snapshot is None or (listing := snapshot.get("manifest-list")) is None:
            return None
        self._hash(pointer, [listing])
        manifests = self._column(exp.column("manifest_path"), listing)
        self._hash(pointer, manifests)
        version = int(metadata.get("format-version", 1))
        files = tuple(file for one in manifests for file in self._files(one, version))
        due = [one.path for one in files if time.monotonic() - self._sound.get(one.path, -math.inf) >= remembered]
        self._hash(pointer, due)
        self._sound.update(dict.fromkeys(due, time.monotonic()))
        return Contents(version, _columns(metadata, snapshot), files)

    def _files(self, manifest: str, version: int) -> list[DataFile]:
        """Return the files that a manifest names and that are there; the first version of the format has data only.

        A table of the second version may have manifests from before it was upgraded.
        """
        if version > 1:
            with contextlib.suppress(duckdb.BinderException):
                return self._named(manifest, exp.column("content", table="data_file"))
        return self._named(manifest, exp.Literal.string(DATA))

    def _named(self, manifest: str, content: exp.Expr) -> list[DataFile]:
        parts = [content, *(exp.column(name, table="data_file") for name in ("file_format", "file_path"))]
        spaced = [parts[0], exp.Literal.string(" "), parts[1], exp.Literal.string(" "), parts[2]]
        live = exp.NEQ(this=exp.column("status"), expression=exp.Literal.number(2))
        texts = self._column(exp.Anonymous(this="concat", expressions=spaced), manifest, live)
        return [DataFile(*text.split(" ", 2)) for text in texts]

    def _hash(self, pointer: TablePointer, paths: Sequence[str]) -> None:
        sealed = [path for path in paths if _seal(path) is not None]
        for start in range(0, len(sealed), AT_ONCE):
            some = {path.rsplit("/", 1)[-1]: path for path in sealed[start : start + AT_ONCE]}
            found = self._hashes(list(some.values()))
            for name, path in some.items():
                seal = str(_seal(path))
                digest = found.get(name, "")
                actual = _shortened(digest) if digest and "-" in seal else digest
                if actual != seal:
                    raise DamagedTableError(pointer.name, path, f"its bytes hash to {actual}, its name says {seal}")

    def _hashes(self, paths: Sequence[str]) -> dict[str, str]:
        """Return the hashes of files by their names without folders."""
        digest = exp.Anonymous(this="sha256", expressions=[exp.column("content")])
        pair = exp.Anonymous(this="concat", expressions=[exp.column("filename"), exp.Literal.string(" "), digest])
        files = exp.Array(expressions=[exp.Literal.string(path) for path in paths])
        rows = self._values(exp.select(exp.alias_(pair, "value")).from_(_function("read_blob", files)))
        pairs = (row.rsplit(" ", 1) for row in rows)
        return {path.rsplit("/", 1)[-1]: found for path, found in pairs}

    def _column(self, column: exp.Expr, path: str, condition: exp.Expr | None = None) -> list[str]:
        query = exp.select(exp.alias_(column, "value")).from_(_function("read_avro", exp.Literal.string(path)))
        return self._values(query.where(condition) if condition is not None else query)

    def _metadata(self, pointer: TablePointer) -> dict[str, Any]:
        source = _function("read_text", exp.Literal.string(pointer.metadata_location))
        found = self._values(exp.select(exp.alias_(exp.column("content"), "value")).from_(source))
        if not found:
            raise BusyError(f"the files of table {pointer.name} cannot be read now; try again later")
        metadata: dict[str, Any] = json.loads(found[0])
        return metadata


def _snapshot(metadata: dict[str, Any], pointer: TablePointer) -> dict[str, Any] | None:
    wanted = pointer.snapshot_id or metadata.get("current-snapshot-id")
    return {one["snapshot-id"]: one for one in metadata.get("snapshots", [])}.get(wanted)


def _columns(metadata: dict[str, Any], snapshot: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Return ids and names of the columns that a snapshot was written with; none where it does not say."""
    schemas = {one["schema-id"]: one for one in metadata.get("schemas", [])}
    fields = schemas.get(snapshot.get("schema-id"), {}).get("fields", [])
    return frozenset((str(one["id"]), str(one["name"])) for one in fields)


def _function(name: str, argument: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[argument])


def _seal(path: str) -> str | None:
    found = LONG_SEAL.search(path) or SHORT_SEAL.search(path)
    return found[1] if found else None


def _shortened(digest: str) -> str:
    """Return the UUID of version 8 that a metadata file's name is made of."""
    raw = bytearray(bytes.fromhex(digest)[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))
