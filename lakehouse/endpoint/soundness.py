"""Whether a table's files are still what was written: each is hashed and must be what its name says.

DuckDB does not look at Parquet's page checksums, and nothing in a plain Iceberg file tells a flipped bit. The names of
this project's files are hashes of their content (docs/flow/store.md), so the tree below a release can be checked. What
was found sound has a mark that its storage gives it (size and time of change); with another mark it is hashed again.
"""

import contextlib
import json
import math
import os
import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
# From so many files of one folder on, a list of the folder costs less than a question about each.
LISTED = 8
# But for a folder whose list told so many times as many, most of them files of earlier snapshots.
CROWDED = 5
SPACE = "\t"
WILD = re.compile(r"[*?\[\]{}\\]")
"""What DuckDB would not take for itself in a path."""
# To whole seconds, as a storage tells it of a single file; in a list of a folder it may tell finer ones.
MARK = (
    exp.column("size"),
    exp.Anonymous(this="date_trunc", expressions=[exp.Literal.string("second"), exp.column("last_modified")]),
)
DIGEST = exp.Anonymous(this="sha256", expressions=[exp.column("content")])

Values = Callable[[exp.Query], list[str]]
"""Runs a query of one column of texts, named value."""


class Found(NamedTuple):
    """When a file was found sound, and the mark that its storage gave it before it was read for that."""

    when: float
    mark: str


NEVER = Found(-math.inf, "")


class Soundness:
    """What was found sound, and when. Sealed files never change, so a large one is not hashed for every snapshot."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._sound: dict[str, Found] = {}
        self._crowds: dict[str, int] = {}
        """How many files the last list of a folder told."""

    def require_metadata(self, pointer: TablePointer) -> None:
        """Hash a pin's metadata file; raise DamagedTableError when it is not what was written."""
        self._hash(pointer.name, [pointer.metadata_location], self._values)

    def require_unchanged(self, table: str, paths: Sequence[str], values: Values) -> None:
        """Hash those of a table's files that changed since they were found sound, by what their storage says of them.

        Raises DamagedTableError for one that is not what was written; what is gone the reading itself tells.
        """
        marks = self._marks(paths, values)
        self._hash(table, [path for path in marks if self._sound.get(path, NEVER).mark != marks[path]], values)

    def require_files(self, pointer: TablePointer, *, remembered: float) -> Contents | None:
        """Hash every file below a pin's metadata, but for rows that did not change since they were found sound.

        That counts for `remembered` seconds. Return what the snapshot consists of, None of an empty table. Raises
        DamagedTableError before DuckDB has read anything of a file that is not what was written.
        """
        metadata = self._metadata(pointer)
        snapshot = _snapshot(metadata, pointer)
        if snapshot is None or (listing := snapshot.get("manifest-list")) is None:
            return None
        self._hash(pointer.name, [listing], self._values)
        manifests = self._column(exp.column("manifest_path"), listing)
        self._hash(pointer.name, manifests, self._values)
        version = int(metadata.get("format-version", 1))
        files = tuple(file for one in manifests for file in self._files(one, version))
        since = time.monotonic() - remembered
        old: list[str] = []
        recent: list[str] = []
        for file in files:
            (old if self._sound.get(file.path, NEVER).when <= since else recent).append(file.path)
        self._hash(pointer.name, old, self._values)
        self.require_unchanged(pointer.name, recent, self._values)
        lists = (pointer.metadata_location, listing, *manifests)
        return Contents(version, _columns(metadata, snapshot), files, lists)

    def _marks(self, paths: Sequence[str], values: Values) -> dict[str, str]:
        """Return what storage says of files, by which a change is seen: of those that are there."""
        marks = _local_marks(paths)
        folders: dict[str, list[str]] = {}
        for path in paths:
            if not _is_local(path):
                folders.setdefault(path.rpartition("/")[0], []).append(path)
        for folder, inside in folders.items():
            crowded = self._crowds.get(folder, 0) > CROWDED * len(inside)
            if len(inside) < LISTED or crowded or WILD.search(folder):
                marks |= _told(inside, MARK, values)
            else:
                marks |= self._listed(folder, inside, values)
        return marks

    def _listed(self, folder: str, inside: Sequence[str], values: Values) -> dict[str, str]:
        lines: list[str] = []

        def counted(query: exp.Query) -> list[str]:
            lines.extend(values(query))
            return lines

        marks = _told(inside, MARK, counted, [f"{folder}/*"])
        self._crowds[folder] = len(lines)
        return marks

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

    def _hash(self, table: str, paths: Sequence[str], values: Values) -> None:
        sealed = [path for path in paths if _seal(path) is not None]
        for start in range(0, len(sealed), AT_ONCE):
            some = sealed[start : start + AT_ONCE]
            marks, now = _local_marks(some), time.monotonic()
            told = _told(some, (*MARK, DIGEST), values)
            for path in some:
                mark, _, digest = told.get(path, "").rpartition(SPACE)
                seal = str(_seal(path))
                actual = _shortened(digest) if digest and "-" in seal else digest
                if actual != seal:
                    raise DamagedTableError(table, path, f"its bytes hash to {actual}, its name says {seal}")
                self._sound[path] = Found(now, marks.get(path, mark))

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


def _local_marks(paths: Sequence[str]) -> dict[str, str]:
    found = {}
    for path in filter(_is_local, paths):
        with contextlib.suppress(FileNotFoundError):
            told = os.stat(path.removeprefix("file://"))  # noqa: PTH116 - a Path for each file of each statement is dear
            found[path] = f"{told.st_ino} {told.st_size} {told.st_mtime_ns} {told.st_ctime_ns}"
    return found


def _is_local(path: str) -> bool:
    return "://" not in path.removeprefix("file://")


def _told(
    paths: Sequence[str], parts: Sequence[exp.Expr], values: Values, asked: Sequence[str] | None = None
) -> dict[str, str]:
    """Return what `read_blob` says of files; it reads of them only what it is asked for.

    `asked` is what it is asked of instead, such as all files of their folder.
    """
    told: list[exp.Expr] = [exp.column("filename")]
    for part in parts:
        told += [exp.Literal.string(SPACE), part.copy()]
    files = exp.Array(expressions=[exp.Literal.string(path) for path in asked or paths])
    line = exp.Anonymous(this="concat", expressions=told)
    rows = (
        row.split(SPACE, 1)
        for row in values(exp.select(exp.alias_(line, "value")).from_(_function("read_blob", files)))
    )
    names = {path.rsplit("/", 1)[-1]: path for path in paths}
    found = ((names.get(name.rsplit("/", 1)[-1]), said) for name, said in rows)
    return {path: said for path, said in found if path is not None}


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
