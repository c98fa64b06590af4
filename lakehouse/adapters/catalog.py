"""Iceberg tables through PyIceberg: a REST catalog or a database over S3, or SQLite over a local folder."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import pyarrow as pa
from pyiceberg import exceptions as vendor
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from lakehouse.adapters import (
    iceberg_advance,
    iceberg_branches,
    iceberg_catalogs,
    iceberg_history,
    iceberg_past,
    iceberg_pins,
    iceberg_rewrite,
    iceberg_scan,
)
from lakehouse.adapters.catalog_address import shown
from lakehouse.adapters.iceberg_attempts import ATTEMPTS, pause
from lakehouse.adapters.iceberg_database import PATIENCE_SECONDS
from lakehouse.adapters.iceberg_faults import TRANSLATIONS
from lakehouse.adapters.iceberg_files import write_batches
from lakehouse.adapters.iceberg_history import properties
from lakehouse.adapters.iceberg_schema import (
    conform,
    evolve,
    iceberg_schema,
    is_current,
    misfits,
    require_owner,
    table_properties,
)
from lakehouse.adapters.iceberg_sql import SealedSqlCatalog
from lakehouse.definition import Misfit, TableDefinition
from lakehouse.errors import (
    CommitConflictError,
    NoTableError,
    PermanentError,
    SchemaError,
    TransientError,
)
from lakehouse.ports import (
    AnyWrite,
    Cleaned,
    Rewritten,
    RowCounts,
    StagedWrite,
    StoredRows,
    TablePointer,
    TableWrite,
)
from lakehouse.tables.lock import archive_lock

TURN_S = 20.0


@dataclass(frozen=True)
class IcebergTables:
    """Tables of one catalog. Nothing is contacted before the first call; use one object a process."""

    place: str
    connect: Callable[[], Catalog]
    locks: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    @classmethod
    def local(cls, folder: Path) -> "IcebergTables":
        """Return tables whose catalog is SQLite and whose files lie in `folder`."""
        return cls(str(folder), lambda: iceberg_catalogs.in_folder(folder))

    @classmethod
    def rest(
        cls,
        uri: str,
        *,
        warehouse: str,
        access_key: str,
        secret_key: str,
        s3_endpoint: str,
        s3_ca_file: Path | None = None,
        locks: Path | None = None,
    ) -> "IcebergTables":
        """Return tables of an Iceberg REST catalog at `uri` whose files lie on S3.

        All processes of a machine must name the same folder of `locks`; the default is the temporary folder.
        """
        s3 = iceberg_catalogs.s3_properties(s3_endpoint, access_key, secret_key, s3_ca_file)
        files = {"warehouse": warehouse, **s3}
        credential = f"{access_key}:{secret_key}"
        return cls(
            shown(uri),
            lambda: iceberg_catalogs.over_rest(uri, credential=credential, files=files),
            locks or Path(tempfile.gettempdir()),
        )

    @classmethod
    def database(
        cls,
        uri: str,
        *,
        warehouse: str,
        access_key: str,
        secret_key: str,
        s3_endpoint: str,
        s3_ca_file: Path | None = None,
        password: str = "",
        locks: Path | None = None,
        patience_s: float = PATIENCE_SECONDS,
    ) -> "IcebergTables":
        """Return tables whose catalog is the SQL database at `uri` and whose files lie on S3.

        ``postgresql://user@host:port/database``, to which what libpq knows may be added (``?sslmode=verify-full``), and
        the password by itself; a server that is away is asked again for `patience_s` seconds. For SQLite, SQLAlchemy's
        form.
        """
        s3 = iceberg_catalogs.s3_properties(s3_endpoint, access_key, secret_key, s3_ca_file)
        files = {"warehouse": warehouse, **s3}
        return cls(
            shown(uri),
            lambda: iceberg_catalogs.in_database(uri, password=password, patience_s=patience_s, files=files),
            locks or Path(tempfile.gettempdir()),
        )

    @cached_property
    def _seen(self) -> dict[str, Table]:
        """Tables as they were when this object last looked; a commit that starts from one too old is refused."""
        return {}

    @cached_property
    def _moved(self) -> dict[str, Table]:
        """Tables as they were when this object had moved main; what became of them since, the catalog says."""
        return {}

    @cached_property
    def _unpinned(self) -> set[int]:
        """Snapshots that this object moved main to, until they are pinned: no pin of them need be looked for."""
        return set()

    @cached_property
    def _catalog(self) -> Catalog:
        with self._translated("the catalog"):
            try:
                return self.connect()
            except (OperationalError, ProgrammingError, IntegrityError):
                # Two processes that open a fresh SQL catalog at once both create its tables; the second finds them.
                # SQLite and PostgreSQL each have their own words for it.
                return self.connect()

    def close(self) -> None:
        """Close the connections, if there are any; the object must not be used afterwards."""
        if "_catalog" in self.__dict__:
            self._catalog.close()

    def ensure(self, table: TableDefinition) -> None:
        """Create namespace and table when absent, with an empty first snapshot so that branches can start."""
        with self._translated(table.name):
            with contextlib.suppress(vendor.NoSuchTableError):
                stored = self._seen.get(table.name) or self._catalog.load_table(table.name)
                require_owner(stored, table)
                if is_current(stored, table):
                    self._seen[table.name] = stored
                    return
            # SeaweedFS 4.48 lets two creators of a table both succeed, and the second wipes out what the first has
            # written meanwhile. It runs on one machine, so a lock file there is enough; other catalogs refuse.
            with archive_lock(self._lock_file):
                stored = self._create(table)
                require_owner(stored, table)
                if not is_current(stored, table):
                    evolve(stored, table)
                iceberg_branches.begin(self._catalog, stored)
                self._seen.pop(table.name, None)

    def misfits(self, table: TableDefinition) -> list[Misfit]:
        """Return what `ensure` would refuse of the definition, changing nothing; none where there is no such table."""
        try:
            stored = self._load(table.name)
        except NoTableError:
            return []
        require_owner(stored, table)
        return misfits(stored, table)

    @property
    def _lock_file(self) -> Path:
        name = hashlib.sha256(self.place.encode()).hexdigest()[:16]
        return self.locks / f"lakehouse-{os.getuid()}-{name}.lock"

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Hold back other writers of this machine for some seconds; who waits longer goes ahead."""
        with contextlib.ExitStack() as held:
            with contextlib.suppress(TransientError):
                held.enter_context(archive_lock(self._lock_file.with_suffix(".turn"), timeout_s=TURN_S))
            yield

    def store_rows(self, table: TableDefinition, batches: Iterable[pa.Table]) -> StoredRows:
        """Store rows that come some at a time as files that no snapshot names yet; the table is made where needed."""
        self.ensure(table)
        given = 0

        def conforming() -> Iterator[pa.Table]:
            nonlocal given
            for rows in batches:
                given += rows.num_rows
                yield conform(rows, table)

        with self._translated(table.name):
            files = write_batches(self._catalog.load_table(table.name), conforming())
        return StoredRows(given, files=tuple(files))

    def stored_columns(self, table: str, rows: StoredRows, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of stored rows, file by file and in order; no snapshot needs to name them."""
        stored = self._load(table)
        with self._translated(table):
            yield from iceberg_scan.file_columns(stored, cast(Sequence[DataFile], rows.files), columns)

    def stage(self, write: AnyWrite, branch: str, summary: Mapping[str, str]) -> StagedWrite:
        """Write rows to a fresh `branch` cut from main; a left-over branch of that name is dropped first."""
        name = write.table.name
        rows = conform(write.rows, write.table) if isinstance(write, TableWrite) else write.rows
        staging = iceberg_branches.Staging(self._catalog, write, rows, branch)
        known = self._seen.pop(name, None)
        for attempt in range(ATTEMPTS):
            with self._translated(name):
                stored = known or self._catalog.load_table(name)
                known = None
                snapshot = staging.attempt(stored, summary)
            if snapshot is not None:
                self._seen[name] = staging.after
                return StagedWrite(write.table, branch, snapshot.snapshot_id, snapshot.parent_snapshot_id or 0)
            pause(attempt)
        raise CommitConflictError(f"other writers kept changing {name} for {ATTEMPTS} attempts; run the step again")

    def read_staged(self, staged: StagedWrite) -> pa.Table:
        """Return all rows visible on the branch head."""
        return self.read(staged.table.name, snapshot_id=staged.snapshot_id)

    def prove_staged(self, staged: StagedWrite) -> RowCounts:
        """Prove that what was staged is stored as it was written, and count; raise ChecksumError when it is not."""
        name = staged.table.name
        stored = self._holding(name, staged.snapshot_id)
        with self._translated(name):
            return iceberg_scan.count_rows(
                stored, self._snapshot(stored, staged.snapshot_id), self._snapshot(stored, staged.base)
            )

    def staged_columns(self, staged: StagedWrite, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows that were staged, file by file and in order."""
        name = staged.table.name
        stored = self._holding(name, staged.snapshot_id)
        with self._translated(name):
            yield from iceberg_scan.added_columns(stored, self._snapshot(stored, staged.snapshot_id), columns)

    def similar(self, staged: StagedWrite, keys: pa.Table) -> Iterator[pa.Table]:
        """Yield the columns of `keys` of the rows before the staged ones, of each file that could hold one of them."""
        name = staged.table.name
        stored = self._holding(name, staged.snapshot_id)
        with self._translated(name):
            yield from iceberg_scan.similar_rows(stored, self._snapshot(stored, staged.base), keys)

    def reachable(self, staged: StagedWrite) -> bool:
        """Say whether main is where the branch was cut from, or has the staged snapshot in its history."""
        name = staged.table.name
        with self._translated(name):
            stored = self._seen[name] = self._now(name)
            return iceberg_branches.head_of(stored) == staged.base or iceberg_past.landed(stored, staged.snapshot_id)

    def advance(self, staged: StagedWrite) -> int:
        """Fast-forward main to the staged snapshot and drop the branch; return main's snapshot id.

        Doing it again is no error. Raises AncestryError when main is not an ancestor of the staged snapshot.
        """
        name = staged.table.name
        known = self._seen.pop(name, None)
        for attempt in range(ATTEMPTS):
            with self._translated(name):
                stored = known or self._catalog.load_table(name)
                known = None
                after = iceberg_advance.attempt(self._catalog, stored, staged)
            if after is not None:
                self._moved[name] = after
                if after is not stored:
                    self._unpinned.add(staged.snapshot_id)
                return iceberg_branches.head_of(after)
            pause(attempt)
        raise CommitConflictError(f"main of {name} kept moving for {ATTEMPTS} attempts; run the step again")

    def discard(self, table: str, branch: str) -> None:
        """Drop a branch; an absent branch or table is no error."""
        if branch == MAIN_BRANCH:
            raise PermanentError(f"main of {table} is no audit branch and is never dropped")
        for attempt in range(ATTEMPTS):
            with self._translated(table):
                try:
                    stored = self._catalog.load_table(table)
                except vendor.NoSuchTableError:
                    return
                if iceberg_branches.drop_branch(self._catalog, stored, branch):
                    return
            pause(attempt)
        raise CommitConflictError(f"branch {branch} of {table} kept moving for {ATTEMPTS} attempts; run the step again")

    def committed(self, table: str, key: str) -> int | None:
        """Return the snapshot of main, of whatever age, that was committed under this ``lakehouse.key``, else None."""
        try:
            stored = self._seen[table] = self._now(table)
        except NoTableError:
            return None
        history = ancestors_of(stored.current_snapshot(), stored.metadata)
        found = next((s.snapshot_id for s in history if key in iceberg_history.keys_of(properties(s))), None)
        with self._translated(table):
            return iceberg_past.committed(stored, key) if found is None else found

    def exists(self, table: str) -> bool:
        """Say whether the table is in the catalog."""
        with self._translated(table):
            return bool(self._catalog.table_exists(table))

    def tables(self, namespace: str) -> list[str]:
        """Return the names ``namespace.table`` in a namespace, sorted; empty when the namespace is absent."""
        with self._translated(namespace):
            try:
                return sorted(".".join(name) for name in self._catalog.list_tables(namespace))
            except vendor.NoSuchNamespaceError:
                return []

    def read(self, table: str, *, columns: Sequence[str] | None = None, snapshot_id: int | None = None) -> pa.Table:
        """Return rows of main's head, or of `snapshot_id`."""
        stored = self._load(table)
        if snapshot_id is not None:
            stored = iceberg_scan.with_snapshot(stored, self._snapshot(stored, snapshot_id))
        selected = tuple(columns) if columns is not None else ("*",)
        with self._translated(table):
            try:
                return stored.scan(selected_fields=selected, snapshot_id=snapshot_id).to_arrow()
            except ValueError as error:
                raise SchemaError(f"{table} cannot give columns {columns}: {error}") from error

    def rewrite(
        self, table: str, clean: Callable[[pa.Table], Cleaned], receipt: str, renamed: Callable[[str], str]
    ) -> Rewritten | None:
        """Make what `clean` leaves of main's rows the only snapshot; see `lakehouse.ports.TableStore`."""
        for attempt in range(ATTEMPTS):
            with self._translated(table):
                stored = self._catalog.load_table(table)
                if iceberg_rewrite.done(stored, receipt):
                    if iceberg_rewrite.expire(self._catalog, stored):
                        iceberg_past.forget(stored)
                        return iceberg_rewrite.done(stored, receipt)
                elif not any(clean(rows).changed for rows in iceberg_history.file_rows(stored)):
                    return None
                else:
                    iceberg_rewrite.move_to_copy(self._catalog, stored, clean, receipt, renamed)
                    continue
            pause(attempt)
        raise CommitConflictError(f"other writers kept changing {table} for {ATTEMPTS} attempts; run the step again")

    def sweep(self, table: str, keep: Collection[str] = ()) -> int:
        """Delete every file that the current metadata and `keep` do not need; return how many."""
        stored = self._load(table)
        with self._translated(table):
            return iceberg_history.sweep(stored, keep, iceberg_past.snapshots(stored), iceberg_past.is_record)

    def head(
        self,
        table: str,
        limit: int,
        *,
        where: Mapping[str, str],
        snapshot_id: int | None = None,
        most_bytes: int | None = None,
    ) -> pa.Table:
        """Return at most `limit` rows whose columns equal `where`, of main's head or of `snapshot_id`."""
        stored = self._load(table)
        if snapshot_id is not None:
            stored = iceberg_scan.with_snapshot(stored, self._snapshot(stored, snapshot_id))
        chosen = iceberg_scan.equal_to(where)
        with self._translated(table):
            try:
                scan = stored.scan(row_filter=chosen, limit=limit, snapshot_id=snapshot_id)
                return scan.to_arrow() if most_bytes is None else iceberg_scan.bounded(scan, most_bytes)
            except ValueError as error:
                raise NoTableError(f"{table} cannot give rows of snapshot {snapshot_id}: {error}") from error

    def pointer(self, table: str) -> TablePointer:
        """Return where the table stands now, as a pin that no later commit touches."""
        stored = self._now(table)
        head = stored.current_snapshot()
        if head is None:
            return TablePointer(table, stored.metadata_location, None)
        with self._translated(table):
            pin = iceberg_pins.pin_first if head.snapshot_id in self._unpinned else iceberg_pins.pin
            self._unpinned.discard(head.snapshot_id)
            return TablePointer(table, pin(stored, head), head.snapshot_id)

    def summaries(self, table: str) -> list[Mapping[str, str]]:
        """Return summaries of main's newest snapshots, at least 16, oldest first, each with ``snapshot-id`` added."""
        return [{**properties(s), "snapshot-id": str(s.snapshot_id)} for s in reversed(self._history(table))]

    def _snapshot(self, stored: Table, snapshot_id: int) -> Snapshot:
        """Return a snapshot that metadata hold or once held; WithdrawnError or NoTableError when its rows are gone."""
        with self._translated(".".join(stored.name())):
            return iceberg_past.snapshot(stored, snapshot_id)

    @contextlib.contextmanager
    def opened(self, table: str) -> Iterator[Table]:
        """Give the stored table to this library's other adapters, and translate their errors."""
        with self._translated(table):
            yield self._catalog.load_table(table)

    @property
    def catalog(self) -> Catalog:
        """The catalog, for this library's other adapters."""
        return self._catalog

    def _holding(self, table: str, snapshot_id: int) -> Table:
        """Return the table as it was when the snapshot had just been staged, or as it is now."""
        seen = self._seen.get(table)
        return seen if seen is not None and seen.snapshot_by_id(snapshot_id) is not None else self._load(table)

    def _load(self, table: str) -> Table:
        with self._translated(table):
            return self._catalog.load_table(table)

    def _now(self, table: str) -> Table:
        """Return the table as the catalog has it now; metadata that it was left with here are not read once more."""
        known = self._seen.get(table) or self._moved.get(table)
        with self._translated(table):
            if known is not None and isinstance(self._catalog, SealedSqlCatalog) and self._catalog.is_still(known):
                return known
            return self._catalog.load_table(table)

    def _create(self, table: TableDefinition) -> Table:
        # SQLite reports a namespace that another writer has just made as a broken constraint.
        with contextlib.suppress(IntegrityError):
            self._catalog.create_namespace_if_not_exists(table.namespace)
        return self._catalog.create_table_if_not_exists(
            table.name, iceberg_schema(table), properties=table_properties(table)
        )

    def _history(self, table: str) -> list[Snapshot]:
        stored = self._now(table)
        return list(ancestors_of(stored.current_snapshot(), stored.metadata))

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Raise this library's errors for PyIceberg's, Arrow's, the HTTP client's and SQLite's."""
        try:
            yield
        except tuple(TRANSLATIONS) as error:
            kind, advice = next(TRANSLATIONS[cause] for cause in type(error).__mro__ if cause in TRANSLATIONS)
            raise kind(f"{what} in {self.place}: {advice} ({type(error).__name__}: {error})") from error
