"""The DuckDB instance inside: opened with its extensions, locked down, and filled with pinned tables and views."""

import json
import logging
import threading
from collections import deque
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

import duckdb
import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.config import EndpointConfig, S3Access
from lakehouse.endpoint.faults import BusyError
from lakehouse.endpoint.macros import MACROS
from lakehouse.endpoint.wire import wire_schema
from lakehouse.ports import TablePointer

log = logging.getLogger(__name__)
SCHEMA = "pins"
BARRIER = 2**62  # more rows than there can be
EXTENSIONS = ("avro", "httpfs", "iceberg")  # iceberg needs avro first


class Relation:
    """A table or view inside DuckDB. Dropped some time after the last catalogue or plan forgets it.

    `needs` are the relations a view reads; they stay while it does.
    """

    def __init__(self, name: str, schema: pa.Schema, needs: tuple["Relation", ...] = ()) -> None:
        self.name = name
        self.schema = schema
        self.needs = needs

    @property
    def qualified(self) -> str:
        """The name statements use."""
        return f"{SCHEMA}.{self.name}"


class Duck:
    """Owns the database. Reading goes through `cursor`; who builds a catalogue holds `changing` meanwhile."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._db = _open(config)
        self._relations: WeakValueDictionary[str, Relation] = WeakValueDictionary()
        self._forgotten: deque[tuple[str, str]] = deque()
        self._cached: dict[str, int] = {}
        self.changing = threading.RLock()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the same database, for one statement."""
        return self._db.cursor()

    def close(self) -> None:
        """Close the database; running statements end with an error."""
        self._db.close()

    def pin(self, pointer: TablePointer) -> Relation:
        """Return the relation that shows exactly this snapshot of a table; made once for each snapshot.

        Raises BusyError when its files cannot be read.
        """
        name = "t_" + _digest(pointer.metadata_location, str(pointer.snapshot_id))
        known = self._relations.get(name)
        if known is not None:
            return known
        with self.cursor() as cursor:
            try:
                size = self._size(cursor, pointer)
                select = _pin_query(cursor, pointer)
                kind = "TABLE" if self._fits(size) else "VIEW"
                self._create(cursor, kind, name, select)
                relation = Relation(name, _schema(cursor, name))
            except duckdb.Error as error:
                log.warning("cannot read table=%s error=%s", pointer.name, error)
                raise BusyError(f"the files of table {pointer.name} cannot be read now; try again later") from error
        if kind == "TABLE":
            self._cached[name] = size
        return self._keep(relation, kind)

    def view(self, path: str, translated: str) -> Relation:
        """Return the relation for a view whose statement is already DuckDB's."""
        name = "v_" + _digest(path, translated)
        known = self._relations.get(name)
        if known is not None:
            return known
        with self.cursor() as cursor:
            self._create(cursor, "VIEW", name, exp.Var(this=translated))
            return self._keep(Relation(name, _schema(cursor, name)), "VIEW")

    def read(self, query: exp.Query) -> pa.Table:
        """Return the rows of a query of this program's own."""
        with self.cursor() as cursor:
            return cursor.execute(query.sql("duckdb")).to_arrow_table()

    def restricted(self, query: exp.Query, needs: tuple[Relation, ...]) -> Relation:
        """Return the relation that shows what a query lets through of others, behind a barrier.

        The LIMIT, which limits nothing, keeps DuckDB from asking a statement's own conditions about rows that the
        query leaves out: their values would be seen in errors.
        """
        text = query.limit(BARRIER).sql("duckdb")
        name = "r_" + _digest(text)
        known = self._relations.get(name)
        if known is not None:
            return known
        with self.cursor() as cursor:
            self._create(cursor, "VIEW", name, exp.Var(this=text))
            return self._keep(Relation(name, _schema(cursor, name), needs), "VIEW")

    def rows(self, label: str, rows: pa.Table) -> Relation:
        """Return a relation that holds these rows, for metadata tables."""
        with self.cursor() as cursor:
            name = f"m_{_digest(label, repr(rows.to_pydict()))}"
            known = self._relations.get(name)
            if known is not None:
                return known
            cursor.register(f"arrow_{name}", rows)
            self._create(cursor, "TABLE", name, exp.select("*").from_(exp.to_identifier(f"arrow_{name}")))
            cursor.unregister(f"arrow_{name}")
            return self._keep(Relation(name, _schema(cursor, name)), "TABLE")

    def sweep(self) -> None:
        """Drop the relations that nobody holds any more."""
        while self._forgotten:
            kind, name = self._forgotten.popleft()
            if name in self._relations:
                continue
            with self.cursor() as cursor:
                cursor.execute(exp.Drop(tables=[_table(name)], kind=kind, exists=True).sql("duckdb"))
            self._cached.pop(name, None)

    def _keep(self, relation: Relation, kind: str) -> Relation:
        self._relations[relation.name] = relation
        finalize(relation, self._forgotten.append, (kind, relation.name))
        return relation

    def _fits(self, size: int) -> bool:
        within = size <= self._config.cache_table_bytes
        return within and sum(self._cached.values()) + size <= self._config.cache_bytes

    def _create(self, cursor: duckdb.DuckDBPyConnection, kind: str, name: str, select: exp.Expr) -> None:
        statement = exp.Create(this=_table(name), kind=kind, replace=True, expression=select)
        cursor.execute(statement.sql("duckdb"))

    def _size(self, cursor: duckdb.DuckDBPyConnection, pointer: TablePointer) -> int:
        """Return the compressed bytes of a snapshot, from its summary; a huge number when it does not say."""
        row = cursor.execute("select content from read_text(?)", [pointer.metadata_location]).fetchone()
        metadata = json.loads(row[0]) if row else {}
        wanted = pointer.snapshot_id or metadata.get("current-snapshot-id")
        for snapshot in metadata.get("snapshots", []):
            if snapshot["snapshot-id"] == wanted:
                return int(snapshot.get("summary", {}).get("total-files-size", self._config.cache_table_bytes + 1))
        return 0


def _open(config: EndpointConfig) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(
        ":memory:",
        config={
            "threads": config.threads,
            "memory_limit": config.memory_limit,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "allow_persistent_secrets": False,
            "temp_directory": "",
        },
    )
    for extension in EXTENSIONS:
        db.load_extension(str(_extension_file(extension)))
    if config.s3 is not None:
        db.execute(_secret(config.s3).sql("duckdb"))
    for name, value in (("TimeZone", "UTC"), ("integer_division", "true"), ("enable_object_cache", "true")):
        db.execute(_set(name, exp.Literal.string(value)))
    for macro in MACROS:
        db.execute(macro)
    db.execute(exp.Create(this=exp.Table(db=exp.to_identifier(SCHEMA)), kind="SCHEMA").sql("duckdb"))
    _lock(db, config.roots)
    return db


def _lock(db: duckdb.DuckDBPyConnection, roots: tuple[str, ...]) -> None:
    """Shut the door: only table folders can be read, nothing can be configured any more."""
    folders = [root.removeprefix("file://").rstrip("/") + "/" for root in roots]
    db.execute(_set("allowed_directories", exp.Array(expressions=[exp.Literal.string(folder) for folder in folders])))
    db.execute(_set("enable_external_access", exp.false()))
    db.execute(_set("lock_configuration", exp.true()))


def _set(name: str, value: exp.Expr) -> str:
    return f"SET GLOBAL {exp.to_identifier(name).sql('duckdb')} = {value.sql('duckdb')}"


def _extension_file(name: str) -> Path:
    """Return the signed binary inside its PyPI wheel."""
    package = Path(str(resources.files(f"duckdb_extension_{name}")))
    found = sorted(package.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"))
    if not found:
        wanted = f"duckdb-extension-{name}=={duckdb.__version__}"
        raise BusyError(f"no {name} extension for DuckDB {duckdb.__version__}; install {wanted}")
    return found[0]


def _secret(s3: S3Access) -> exp.Expr:
    values = {
        "key_id": exp.Literal.string(s3.access_key),
        "secret": exp.Literal.string(s3.secret_key),
        "endpoint": exp.Literal.string(s3.endpoint),
        "region": exp.Literal.string(s3.region),
        "url_style": exp.Literal.string("path"),
        "use_ssl": exp.true() if s3.secure else exp.false(),
    }
    words = " ".join(f", {name} {value.sql('duckdb')}" for name, value in values.items())
    return exp.Command(this="CREATE", expression=f"SECRET lake (TYPE s3{words})")


def _pin_query(cursor: duckdb.DuckDBPyConnection, pointer: TablePointer) -> exp.Expr:
    """Return a query over the snapshot; instants are in UTC, without a zone, cut to milliseconds, as in Dremio."""
    options: list[exp.Expr] = [exp.Literal.string(pointer.metadata_location)]
    if pointer.snapshot_id is not None:
        options.append(exp.EQ(this=exp.column("snapshot_from_id"), expression=exp.Literal.number(pointer.snapshot_id)))
    source = exp.Anonymous(this="iceberg_scan", expressions=options)
    relation = cursor.sql(exp.select("*").from_(source).sql("duckdb"))
    columns = [_pinned(name, str(kind.id).lower()) for name, kind in zip(relation.columns, relation.types, strict=True)]
    return exp.select(*columns).from_(source)


def _pinned(name: str, kind: str) -> exp.Expr:
    column = exp.column(exp.to_identifier(name, quoted=True))
    if kind.startswith("timestamp"):
        moment = exp.Anonymous(
            this="date_trunc", expressions=[exp.Literal.string("millisecond"), exp.cast(column, "TIMESTAMP")]
        )
        return exp.alias_(exp.cast(moment, "TIMESTAMP"), name, quoted=True)
    return column


def _schema(cursor: duckdb.DuckDBPyConnection, name: str) -> pa.Schema:
    relation: Any = cursor.sql(exp.select("*").from_(_table(name)).sql("duckdb"))
    return wire_schema(relation.columns, relation.types)


def _table(name: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name), db=exp.to_identifier(SCHEMA))


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:24]
