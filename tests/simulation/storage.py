"""Files, objects and a catalog of the simulated world, behind the very classes that the product uses."""

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow import fs
from pyiceberg import exceptions as vendor
from pyiceberg.catalog import MetastoreCatalog, sql
from pyiceberg.catalog.sql import IcebergNamespaceProperties, SqlCatalogBaseTable
from pyiceberg.catalog.sql import IcebergTables as Rows
from pyiceberg.table import Table
from sqlalchemy import create_engine, delete
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from lakehouse.adapters.iceberg_seal import SealedFileIO
from lakehouse.adapters.iceberg_sql import SealedSqlCatalog
from lakehouse.errors import NoObjectError, ObjectExistsError, ServiceUnavailableError, TransientError
from tests.simulation.world import File, Killed, World

WAREHOUSE = "sim://warehouse"
PATIENCE = 30
NOW: list[World] = []
"""The world that simulated classes belong to whose makers cannot be told: PyIceberg makes them by name."""


def _no_answer() -> OSError:
    return OSError("simulated: no answer")


class SimFiles:
    """What is asked of a `pyarrow.fs.FileSystem`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def open_input_file(self, path: str) -> pa.BufferReader:
        def read() -> pa.BufferReader:
            if path not in self.world.files:
                raise FileNotFoundError(2, f"simulated: {path} is not there")
            return pa.BufferReader(self.world.files[path].body)

        return self.world.meet("read", path, read, failed=_no_answer)

    def open_output_stream(self, path: str, buffer_size: int = 0) -> "_Sink":
        if self.world.torn and self.world.process():
            self.put(path, b"")
        return _Sink(self, path)

    def put(self, path: str, body: bytes) -> None:
        self.world.files[path] = File(body, self.world.storage_s)

    def get_file_info(self, chosen: Any) -> Any:
        if isinstance(chosen, str):
            return self.world.meet("look", chosen, lambda: self._info(chosen), failed=_no_answer)

        def listed() -> list[fs.FileInfo]:
            start = f"{chosen.base_dir.rstrip('/')}/"
            return [self._info(path) for path in self.world.files if path.startswith(start)]

        return self.world.meet("list", chosen.base_dir, listed, failed=_no_answer)

    def _info(self, path: str) -> fs.FileInfo:
        file = self.world.files.get(path)
        if file is None:
            return fs.FileInfo(path, fs.FileType.NotFound)
        return fs.FileInfo(path, fs.FileType.File, size=len(file.body), mtime_ns=int(file.time_s * 1e9))

    def delete_file(self, path: str) -> None:
        def drop() -> None:
            if path not in self.world.files:
                raise FileNotFoundError(2, f"simulated: {path} is not there")
            del self.world.files[path]

        self.world.meet("delete", path, drop, failed=_no_answer, unknown=_no_answer)


class _Sink:
    """Takes the bytes of one file; they appear together or not at all, unless the world is torn."""

    def __init__(self, files: SimFiles, path: str) -> None:
        self.files, self.path = files, path
        self.buffer = io.BytesIO()
        self.closed = False

    def write(self, body: Any) -> int:
        return self.buffer.write(body)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        world, body = self.files.world, self.buffer.getvalue()
        try:
            world.meet(
                "write", self.path, lambda: self.files.put(self.path, body), failed=_no_answer, unknown=_no_answer
            )
        except (Killed, OSError):
            if world.torn and world.draw.random() < 0.5 and not world.files[self.path].body:
                self.files.put(self.path, body[: world.draw.randrange(len(body))])
            raise

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()


class SimFileIO(SealedFileIO):
    """The product's own file access, over simulated files."""

    def _initialize_fs(self, scheme: str, netloc: str | None = None) -> Any:
        return SimFiles(NOW[-1])


class SimObjects:
    """Objects by key in one simulated bucket."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _ask(self, what: str, key: str, effect: Callable[[], Any], *, changes: bool) -> Any:
        def failed() -> BaseException:
            return ServiceUnavailableError(f"simulated: {key} does not answer; try again")

        return self.world.meet(f"object {what}", key, effect, failed=failed, unknown=failed if changes else None)

    def put(self, key: str, body: bytes) -> None:
        def write() -> None:
            self._store(key, body)

        self._ask("put", key, write, changes=True)

    def note(self, key: str, body: bytes) -> None:
        self.put(key, body)

    def put_new(self, key: str, body: bytes) -> None:
        def create() -> None:
            if key in self.world.objects:
                raise ObjectExistsError(f"object {key!r} already exists; read it before writing again")
            self._store(key, body)

        self._ask("create", key, create, changes=True)

    def get(self, key: str) -> bytes:
        def read() -> bytes:
            if key not in self.world.objects:
                raise NoObjectError(f"no object {key!r}; list its prefix to see what there is")
            return self.world.objects[key]

        body: bytes = self._ask("get", key, read, changes=False)
        return body

    def _store(self, key: str, body: bytes) -> None:
        self.world.objects[key] = body
        self.world.object_times[key] = self.world.storage_s
        self.world.written(key)

    def stored_at(self, key: str) -> datetime:
        def look() -> datetime:
            if key not in self.world.objects:
                raise NoObjectError(f"no object {key!r}; list its prefix to see what there is")
            return datetime.fromtimestamp(self.world.object_times[key], UTC)

        stored: datetime = self._ask("look", key, look, changes=False)
        return stored

    def keys(self, prefix: str) -> list[str]:
        def listed() -> list[str]:
            return sorted(key for key in self.world.objects if key.startswith(prefix))

        found: list[str] = self._ask("list", prefix, listed, changes=False)
        return found

    def delete(self, key: str) -> None:
        self._ask("delete", key, lambda: self.world.objects.pop(key, None), changes=True)


CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
ENGINE = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: CONNECTION)
NAMESPACE = "select 1 from iceberg_namespace_properties where namespace = ?"
WHERE = "select metadata_location from iceberg_tables where table_namespace = ? and table_name = ?"


def empty_catalog() -> None:
    """Forget every table of the last history."""
    SqlCatalogBaseTable.metadata.create_all(ENGINE)
    with ENGINE.begin() as connection:
        connection.execute(delete(Rows))
        connection.execute(delete(IcebergNamespaceProperties))


def _catalog_failed() -> BaseException:
    world = NOW[-1]
    kind = world.draw.randrange(3)
    if kind == 0:
        return OperationalError("simulated", {}, Exception("the database is locked"))
    return vendor.ServiceUnavailableError("simulated") if kind == 1 else _no_answer()


def _commit_unknown() -> BaseException:
    return NOW[-1].draw.choice((vendor.CommitStateUnknownException("simulated"), _no_answer()))


class SimCatalog(SealedSqlCatalog):
    """The product's SQL catalog in a database in memory, that answers late, never or twice."""

    def __init__(self, world: World) -> None:
        MetastoreCatalog.__init__(
            self,
            "lakehouse",
            uri="sqlite://",
            warehouse=WAREHOUSE,
            **{"py-io-impl": "tests.simulation.storage.SimFileIO"},
        )
        self.engine = ENGINE
        self._schema_version = "v1"
        self.world = world

    def close(self) -> None:
        """Keep the database, which the other processes use too."""

    def namespace_exists(self, namespace: Any) -> bool:
        """Say what PyIceberg would, in one statement instead of four."""
        name = self.namespace_to_string(self.identifier_to_tuple(namespace))
        return CONNECTION.execute(NAMESPACE, (name,)).fetchone() is not None

    def load_table(self, identifier: Any) -> Any:
        namespace, name = self.identifier_to_tuple(identifier)

        def location() -> str:
            # Past SQLAlchemy, which would be most of the time.
            row = CONNECTION.execute(WHERE, (namespace, name)).fetchone()
            if row is None:
                raise vendor.NoSuchTableError(f"Table does not exist: {namespace}.{name}")
            return row[0]

        at = self.world.meet("load", f"{namespace}.{name}", location, failed=_catalog_failed)
        files = SimFileIO(self.properties)
        return Table((namespace, name), sql.FromInputFile.table_metadata(files.new_input(at)), at, files, self)

    def create_table(self, *given: Any, **named: Any) -> Any:
        return self.world.meet(
            "create", "", lambda: super(SimCatalog, self).create_table(*given, **named), failed=_catalog_failed
        )

    def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
        return self.world.meet(
            "commit",
            str(table.name()),
            lambda: super(SimCatalog, self).commit_table(table, requirements, updates),
            failed=_catalog_failed,
            unknown=_commit_unknown,
        )


@contextmanager
def lock(_path: object, *, timeout_s: float = 0.0) -> Iterator[None]:
    """Stand in for the lock file: one process at a time, or no lock at all on machines that share no folder."""
    world = NOW[-1]
    process = world.process()
    if process is None or not world.traits.one_lock:
        yield
        return
    for _ in range(PATIENCE):
        if not world.locked:
            break
        world.wait()
    else:
        raise TransientError("simulated: the lock is held for too long; try again")
    world.locked.add(process)
    try:
        yield
    finally:
        world.locked.discard(process)
