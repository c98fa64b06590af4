"""Puts simulated time, names and scheduling in the place of the real ones while histories are played."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest
from pyiceberg.avro import file as avro
from pyiceberg.catalog import sql
from pyiceberg.table import metadata as iceberg_metadata
from pyiceberg.table import update as iceberg_update
from pyiceberg.table.metadata import TableMetadataUtil
from pyiceberg.utils.concurrent import ExecutorFactory

from lakehouse.adapters import (
    catalog,
    iceberg_attempts,
    iceberg_avro,
    iceberg_commit,
    iceberg_past,
    iceberg_scan,
    iceberg_updates,
    iceberg_upkeep,
)
from lakehouse.tables import clocks, maintenance, release, write_audit_publish
from tests.simulation import storage
from tests.simulation.parsing import parsed


def _clock_s() -> float:
    return storage.NOW[-1].clock_s()


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.fromtimestamp(_clock_s(), tz or UTC)


class _AtOnce:
    """Runs what is handed to threads here and now, so that one seed gives one order."""

    def map(self, act: Callable[..., Any], *given: Any) -> Iterator[Any]:
        return map(act, *given)

    def submit(self, act: Callable[..., Any], *given: Any) -> Any:
        done = act(*given)
        return SimpleNamespace(result=lambda: done)


class _Known:
    """What one process has read of files that never change."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, location: str, read: Callable[[], Any]) -> Any:
        world, known = storage.NOW[-1], _cache(self.name)
        if location not in known:
            body = bytes(storage.SimFileIO().new_input(location).open().read())
            # Parsing is most of the time, and gives the same for the same bytes.
            known[location] = parsed((self.name, location, body), lambda: world.serve(read))
        return known[location]

    def keep(self, location: str, found: Any) -> None:
        _cache(self.name)[location] = found


class _WorkedOut:
    """What one process has worked out of such files, or wrote itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, key: str, work_out: Callable[[], Any]) -> Any:
        known = _cache(self.name)
        if key not in known:
            known[key] = work_out()
        return known[key]

    def keep(self, key: str, found: Any) -> None:
        _cache(self.name)[key] = found

    def take(self, key: str) -> Any:
        return _cache(self.name).pop(key, None)


def _cache(name: str) -> dict[str, Any]:
    """Return what the process knows that is at work; nobody else is at work for long."""
    process = storage.NOW[-1].process()
    return process.caches.setdefault(name, {}) if process else {}


class _Metadata:
    """PyIceberg's reader of metadata files, which parses the same bytes once."""

    @staticmethod
    def table_metadata(file: Any) -> Any:
        with file.open() as stream:
            body = bytes(stream.read())
        return parsed(("metadata", "", body), lambda: TableMetadataUtil.parse_raw(body.decode()))


def _name() -> uuid.UUID:
    return uuid.UUID(int=storage.NOW[-1].names.getrandbits(128), version=4)


def _once(made: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of PyIceberg's that depends on its arguments alone, made to keep its answers."""
    known: dict[Any, Any] = {}

    def of(*given: Any, **named: Any) -> Any:
        which = key(*given, **named)
        if which not in known:
            known[which] = made(*given, **named)
        return known[which]

    return of


def _shape(schema: Any) -> tuple[int, ...]:
    """Return what tells the schemas of manifests and their lists apart, as no table here has partitions."""
    return tuple(one.field_id for one in schema.fields)


def _reading(schema: Any, wanted: Any, types: Any = (), enums: Any = ()) -> Any:
    return _shape(schema), _shape(wanted), tuple(dict(types).items()), tuple(dict(enums).items())


def _quick(patch: pytest.MonkeyPatch) -> None:
    """Let PyIceberg work out how Avro files of one schema are read and written once, and not for every file."""
    patch.setattr(
        avro.AvroFileHeader,
        "get_schema",
        _once(avro.AvroFileHeader.get_schema, lambda head: head.meta[avro._SCHEMA_KEY]),
    )
    patch.setattr(avro, "resolve_reader", _once(avro.resolve_reader, _reading))
    patch.setattr(avro, "construct_reader", _once(avro.construct_reader, lambda one, types: _reading(one, one, types)))
    patch.setattr(avro, "construct_writer", _once(avro.construct_writer, _shape))
    patch.setattr(
        avro,
        "resolve_writer",
        _once(avro.resolve_writer, lambda record_schema, file_schema: (_shape(record_schema), _shape(file_schema))),
    )
    conversion = avro.AvroSchemaConversion
    plain = conversion.iceberg_to_avro
    patch.setattr(avro, "json", SimpleNamespace(loads=json.loads, dumps=_once(json.dumps, id)))
    patch.setattr(
        conversion, "iceberg_to_avro", _once(plain, lambda _, schema, schema_name=None: (_shape(schema), schema_name))
    )


@contextmanager
def simulated() -> Iterator[None]:
    """Play histories inside this block; few snapshots and files are many here, so that short histories are old."""
    time = SimpleNamespace(
        sleep=lambda seconds: storage.NOW[-1].wait(seconds), time=_clock_s, monotonic=_clock_s, perf_counter=_clock_s
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (iceberg_attempts, iceberg_commit, write_audit_publish):
            patch.setattr(module, "time", time)
        for module in (clocks, release, maintenance, iceberg_update, iceberg_updates):
            patch.setattr(module, "datetime", _Datetime)
        patch.setattr(iceberg_metadata, "datetime", SimpleNamespace(datetime=_Datetime))
        patch.setattr(catalog, "archive_lock", storage.lock)
        patch.setattr(uuid, "uuid4", _name)
        patch.setattr(ExecutorFactory, "get_or_create", staticmethod(_AtOnce))
        patch.setattr(iceberg_commit, "_lists", _Known("lists"))
        patch.setattr(iceberg_commit, "_entries", _Known("entries"))
        patch.setattr(iceberg_commit, "_written", _WorkedOut("written"))
        patch.setattr(iceberg_scan, "_reaches", _WorkedOut("reaches"))
        patch.setattr(sql, "FromInputFile", _Metadata)
        for module in (avro, iceberg_avro):
            patch.setattr(module, "os", SimpleNamespace(urandom=lambda count: storage.NOW[-1].names.randbytes(count)))
        _quick(patch)
        patch.setattr(iceberg_past, "NEWEST", 2)
        patch.setattr(iceberg_past, "MOST", 4)
        patch.setattr(iceberg_upkeep, "FEWEST_FILES", 3)
        yield
