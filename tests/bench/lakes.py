"""One lake and its plain peers at one place, a folder or an S3 server; opened by the benches and their children."""

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from lakehouse.adapters import iceberg_catalogs
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_schema import iceberg_schema
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.definition import TableDefinition
from lakehouse.endpoint.engine import extension_file
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, Published, write_audit_publish

ORIGIN = Provenance(run_id="bench", code_commit="0" * 40)
# DuckDB's own size of row groups: it reads them in parallel, and leaves out those that cannot hold what is asked for.
PLAIN_GROUP_ROWS = 122_880


@dataclass(frozen=True)
class Server:
    """An S3 server that holds a lake, its buckets, and its process, whose processor time counts.

    `catalog` is the REST catalog inside it; without one the catalog is SQLite in the lake's folder.
    """

    endpoint: str
    access_key: str
    secret_key: str
    releases: str
    warehouse: str
    plain: str
    pid: int
    catalog: str = ""


@dataclass(frozen=True)
class Lake:
    """Where all is: the SQLite catalog in a folder, the files beside it or on a server; `place` says it in words."""

    place: str
    folder: str
    server: Server | None = None

    @classmethod
    def told(cls, text: str) -> "Lake":
        """Return what `text` says, as `tell` wrote it."""
        said = json.loads(text)
        return cls(said["place"], said["folder"], Server(**said["server"]) if said["server"] else None)

    def tell(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @property
    def pids(self) -> list[int]:
        return [self.server.pid] if self.server else []

    def tables(self) -> IcebergTables:
        one, locks = self.server, Path(self.folder)
        if one is None:
            where = Path(self.folder) / "tables"
            return IcebergTables(str(where), lambda: iceberg_catalogs.in_folder(where), locks)
        connect = IcebergTables.rest if one.catalog else IcebergTables.database
        return connect(
            one.catalog or f"sqlite:///{self.folder}/catalog.sqlite",
            warehouse=one.warehouse,
            access_key=one.access_key,
            secret_key=one.secret_key,
            s3_endpoint=f"http://{one.endpoint}",
            locks=locks,
        )

    def house(self) -> Lakehouse:
        one = self.server
        objects = (
            LocalObjects(Path(self.folder) / "objects")
            if one is None
            else S3Objects(one.endpoint, one.access_key, one.secret_key, one.releases)
        )
        return Lakehouse(self.tables(), objects, ReleaseLog(objects))

    def bare(self, house: Lakehouse) -> Catalog:
        """Return PyIceberg's own catalog, with its own access to files, over the same database or server."""
        ours = house.tables.catalog
        theirs = {name: value for name, value in ours.properties.items() if name != "py-io-impl"}
        kind = RestCatalog if isinstance(ours, RestCatalog) else SqlCatalog
        return kind(iceberg_catalogs.CATALOG, **theirs)

    def plain(self) -> tuple[fs.FileSystem, str]:
        """Return the storage and the folder in it for plain Parquet files."""
        if self.server is None:
            (Path(self.folder) / "plain").mkdir(exist_ok=True)
            return fs.LocalFileSystem(), f"{self.folder}/plain"
        files = fs.S3FileSystem(
            access_key=self.server.access_key,
            secret_key=self.server.secret_key,
            endpoint_override=self.server.endpoint,
            scheme="http",
            region="us-east-1",
        )
        return files, f"{self.server.plain}/plain"

    def write_bare(self, name: str, rows: pa.Table, **options: object) -> None:
        """Write rows as pyarrow does; where nothing is said, with Snappy and one row group for a million rows."""
        files, folder = self.plain()
        pq.write_table(rows, f"{folder}/{name}.parquet", filesystem=files, **options)

    def write_plain(self, name: str, rows: pa.Table) -> None:
        """Write rows with the compression and the row groups that ours have."""
        self.write_bare(name, rows, compression="zstd", row_group_size=PLAIN_GROUP_ROWS)

    def duck(self, pattern: str) -> duckdb.DuckDBPyConnection:
        """Return a database whose view `plain` is the plain files of that pattern."""
        db = duckdb.connect(":memory:")
        _, folder = self.plain()
        if self.server is not None:
            db.load_extension(str(extension_file("httpfs")))
            db.execute(
                "create secret (type s3, key_id $key, secret $secret, endpoint $endpoint, use_ssl false, "
                "url_style 'path', region 'us-east-1')",
                {
                    "key": self.server.access_key,
                    "secret": self.server.secret_key,
                    "endpoint": self.server.endpoint,
                },
            )
            folder = f"s3://{folder}"
        db.read_parquet(f"{folder}/{pattern}.parquet").create_view("plain")
        return db


def publish(house: Lakehouse, table: TableDefinition, rows: pa.Table, key: object) -> Published:
    """Append rows by the only way that makes them visible."""
    write = TableWrite(table, rows)
    return write_audit_publish(house, [write], key=f"{table.name}:{key}", provenance=ORIGIN)


class Place:
    """A lake that is open in this process, with fresh tables in it."""

    def __init__(self, lake: Lake, made: ModuleType) -> None:
        self.lake, self.made = lake, made
        self.house = lake.house()
        self.tables = self.house.tables
        self.bare = lake.bare(self.house)
        self.bare.create_namespace_if_not_exists("bench")
        self._numbers = itertools.count()

    def fresh(self, kind: str) -> TableDefinition:
        return self.made.enrolments(f"bench.{kind}_{next(self._numbers)}")

    def plain(self) -> Table:
        """Return a new table as bare PyIceberg makes it: without seals, a branch, an audit or a release."""
        table = self.fresh("bare")
        return self.bare.create_table(table.name, iceberg_schema(table))

    def ready(self) -> TableDefinition:
        """Return a new table of ours that is empty."""
        table = self.fresh("ours")
        self.tables.ensure(table)
        return table

    def publish(self, table: TableDefinition, rows: pa.Table, key: object) -> Published:
        return publish(self.house, table, rows, key)

    def close(self) -> None:
        self.bare.close()
        self.tables.close()
