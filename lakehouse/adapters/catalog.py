"""Iceberg tables through PyIceberg: a REST catalog over S3, or SQLite over a local folder."""

import contextlib
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from pyiceberg import exceptions as vendor
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import (
    RemoveSnapshotRefUpdate,
    TableUpdate,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from lakehouse.adapters import iceberg_history, iceberg_rewrite
from lakehouse.adapters.iceberg_faults import TRANSLATIONS
from lakehouse.adapters.iceberg_history import properties
from lakehouse.adapters.iceberg_schema import (
    conform,
    evolve,
    iceberg_schema,
    is_current,
    require_owner,
    table_properties,
)
from lakehouse.definition import TableDefinition
from lakehouse.errors import (
    AncestryError,
    CommitConflictError,
    LakehouseError,
    NoTableError,
    PermanentError,
    SchemaError,
    WithdrawnError,
)
from lakehouse.ports import Cleaned, Rewritten, StagedWrite, TablePointer, TableWrite
from lakehouse.tables.lock import archive_lock

CATALOG = "lakehouse"
ATTEMPTS = 20
PATIENCE = 5
FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 1.0


def _s3_properties(endpoint: str, access_key: str, secret_key: str) -> dict[str, str]:
    return {
        "s3.endpoint": endpoint,
        "s3.access-key-id": access_key,
        "s3.secret-access-key": secret_key,
        "s3.region": "us-east-1",
        "s3.connect-timeout": "5.0",
        "s3.request-timeout": "60.0",
    }


@dataclass(frozen=True)
class IcebergTables:
    """Tables of one catalog. Nothing is contacted before the first call; use one object a process."""

    place: str
    connect: Callable[[], Catalog]
    locks: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    @classmethod
    def local(cls, folder: Path) -> "IcebergTables":
        """Return tables whose catalog is SQLite and whose files lie in `folder`."""

        def connect() -> Catalog:
            folder.mkdir(parents=True, exist_ok=True)
            where = folder.resolve()
            return SqlCatalog(CATALOG, uri=f"sqlite:///{where}/catalog.sqlite", warehouse=f"file://{where}/warehouse")

        return cls(str(folder), connect)

    @classmethod
    def rest(
        cls,
        uri: str,
        *,
        warehouse: str,
        access_key: str,
        secret_key: str,
        s3_endpoint: str,
        locks: Path | None = None,
    ) -> "IcebergTables":
        """Return tables of an Iceberg REST catalog at `uri` whose files lie on S3.

        All processes of a machine must name the same folder of `locks`; the default is the temporary folder.
        """
        properties = {
            "uri": uri,
            "warehouse": warehouse,
            "credential": f"{access_key}:{secret_key}",
            "oauth2-server-uri": f"{uri}/v1/oauth/tokens",
            **_s3_properties(s3_endpoint, access_key, secret_key),
        }
        return cls(uri, lambda: RestCatalog(CATALOG, **properties), locks or Path(tempfile.gettempdir()))

    @classmethod
    def database(
        cls,
        uri: str,
        *,
        warehouse: str,
        access_key: str,
        secret_key: str,
        s3_endpoint: str,
        locks: Path | None = None,
    ) -> "IcebergTables":
        """Return tables whose catalog is the SQL database at `uri` (SQLAlchemy's form) and whose files lie on S3."""
        properties = {"uri": uri, "warehouse": warehouse, **_s3_properties(s3_endpoint, access_key, secret_key)}
        return cls(uri, lambda: SqlCatalog(CATALOG, **properties), locks or Path(tempfile.gettempdir()))

    @cached_property
    def _catalog(self) -> Catalog:
        with self._translated("the catalog"):
            try:
                return self.connect()
            except OperationalError:
                # Two processes that open a fresh SQLite catalog at once both create its tables; the second finds them.
                return self.connect()

    def close(self) -> None:
        """Close the connections; the object must not be used afterwards."""
        self._catalog.close()

    def ensure(self, table: TableDefinition) -> None:
        """Create namespace and table when absent, with an empty first snapshot so that branches can start."""
        with self._translated(table.name):
            with contextlib.suppress(vendor.NoSuchTableError):
                stored = self._catalog.load_table(table.name)
                require_owner(stored, table)
                if is_current(stored, table):
                    return
            # SeaweedFS 4.48 lets two creators of a table both succeed, and the second wipes out what the first has
            # written meanwhile. It runs on one machine, so a lock file there is enough; other catalogs refuse.
            with archive_lock(self._lock_file):
                stored = self._create(table)
                require_owner(stored, table)
                if not is_current(stored, table):
                    evolve(stored, table)

    @property
    def _lock_file(self) -> Path:
        name = hashlib.sha256(self.place.encode()).hexdigest()[:16]
        return self.locks / f"lakehouse-{os.getuid()}-{name}.lock"

    def stage(self, write: TableWrite, branch: str, summary: Mapping[str, str]) -> StagedWrite:
        """Write rows to a fresh `branch` cut from main; a left-over branch of that name is dropped first."""
        name = write.table.name
        rows = conform(write.rows, write.table)
        for attempt in _attempts():
            with self._translated(name):
                base = self._cut(name, branch)
                stored = self._catalog.load_table(name)
                emptied = write.mode == "replace" and _data_files(base) > 0
                made = self._made(stored, branch, attempt)
                if not made or not self._writes(stored, rows, branch, summary, emptied=emptied):
                    _pause(attempt)
                    continue
                own = list(ancestors_of(stored.snapshot_by_name(branch), stored.metadata))[: 2 if emptied else 1]
                # PyIceberg's retry would stack these rows on those of another run with the same branch.
                if own[-1].parent_snapshot_id == base.snapshot_id:
                    return StagedWrite(write.table, branch, own[0].snapshot_id)
            _pause(attempt)
        raise CommitConflictError(f"other writers kept changing {name} for {ATTEMPTS} attempts; run the step again")

    def _made(self, stored: Table, branch: str, attempt: int) -> bool:
        """Say whether the branch just cut is there; rows staged on one that is not would land on main.

        Another run of the same step may have dropped it. But some catalogs accept a branch and keep none.
        """
        if branch not in stored.metadata.refs and attempt >= PATIENCE:
            raise PermanentError(
                f"{self.place} keeps no branches of tables, so nothing can be audited before it is seen; "
                "use a catalog that does, see docs/decisions/0201-branches-in-each-catalog.md"
            )
        return branch in stored.metadata.refs

    def read_staged(self, staged: StagedWrite) -> pa.Table:
        """Return all rows visible on the branch head."""
        return self.read(staged.table.name, snapshot_id=staged.snapshot_id)

    def advance(self, staged: StagedWrite) -> int:
        """Fast-forward main to the staged snapshot and drop the branch; return main's snapshot id.

        Doing it again is no error. Raises AncestryError when main is not an ancestor of the staged snapshot.
        """
        name = staged.table.name
        for attempt in _attempts():
            with self._translated(name):
                stored = self._catalog.load_table(name)
                main = iceberg_rewrite.head_of(stored)
                if _is_ancestor(stored, staged.snapshot_id, of=main):
                    self._drop(stored, staged.branch, only=staged.snapshot_id)
                    return main
                target = stored.snapshot_by_id(staged.snapshot_id)
                if target is None:
                    raise NoTableError(f"{name} has no snapshot {staged.snapshot_id}; stage its rows again")
                if not _is_ancestor(stored, main, of=staged.snapshot_id):
                    raise AncestryError(
                        f"main of {name} moved to {main}, which is no ancestor of {staged.branch}; stage its rows again"
                    )
                updates: list[TableUpdate] = [iceberg_rewrite.set_branch(MAIN_BRANCH, staged.snapshot_id)]
                ref = stored.metadata.refs.get(staged.branch)
                if ref is not None and ref.snapshot_id == staged.snapshot_id:
                    updates.append(RemoveSnapshotRefUpdate(ref_name=staged.branch))
                if self._commits(stored, MAIN_BRANCH, main, updates):
                    return staged.snapshot_id
            _pause(attempt)
        raise CommitConflictError(f"main of {name} kept moving for {ATTEMPTS} attempts; run the step again")

    def discard(self, table: str, branch: str) -> None:
        """Drop a branch; an absent branch or table is no error."""
        if branch == MAIN_BRANCH:
            raise PermanentError(f"main of {table} is no audit branch and is never dropped")
        for attempt in _attempts():
            with self._translated(table):
                try:
                    stored = self._catalog.load_table(table)
                except vendor.NoSuchTableError:
                    return
                if self._drop(stored, branch):
                    return
            _pause(attempt)
        raise CommitConflictError(f"branch {branch} of {table} kept moving for {ATTEMPTS} attempts; run the step again")

    def committed(self, table: str, key: str) -> int | None:
        """Return the snapshot id in main's ancestry whose summary has ``lakehouse.key == key``, else None."""
        try:
            snapshots = self._history(table)
        except NoTableError:
            return None
        return next((s.snapshot_id for s in snapshots if key in iceberg_history.keys_of(properties(s))), None)

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
        if snapshot_id is not None and stored.snapshot_by_id(snapshot_id) is None:
            raise self._gone(table, snapshot_id)
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
        for attempt in _attempts():
            with self._translated(table):
                stored = self._catalog.load_table(table)
                if iceberg_rewrite.done(stored, receipt):
                    if iceberg_rewrite.expire(self._catalog, stored):
                        return iceberg_rewrite.done(stored, receipt)
                elif not any(clean(rows).changed for rows in iceberg_history.file_rows(stored)):
                    return None
                else:
                    iceberg_rewrite.move_to_copy(self._catalog, stored, clean(self.read(table)), receipt, renamed)
                    continue
            _pause(attempt)
        raise CommitConflictError(f"other writers kept changing {table} for {ATTEMPTS} attempts; run the step again")

    def sweep(self, table: str, keep: Collection[str] = ()) -> int:
        """Delete every file that the current metadata and `keep` do not need; return how many."""
        stored = self._load(table)
        with self._translated(table):
            return iceberg_history.sweep(stored, keep)

    def head(self, table: str, limit: int, *, where: Mapping[str, str], snapshot_id: int | None = None) -> pa.Table:
        """Return at most `limit` rows whose columns equal `where`, of main's head or of `snapshot_id`."""
        stored = self._load(table)
        chosen: BooleanExpression = AlwaysTrue()
        for name, value in where.items():
            chosen = And(chosen, EqualTo(name, value))  # type: ignore[call-arg]  # its own __init__ takes both in order
        with self._translated(table):
            try:
                return stored.scan(row_filter=chosen, limit=limit, snapshot_id=snapshot_id).to_arrow()
            except ValueError as error:
                raise NoTableError(f"{table} cannot give rows of snapshot {snapshot_id}: {error}") from error

    def pointer(self, table: str) -> TablePointer:
        """Return where the table stands now."""
        stored = self._load(table)
        head = stored.current_snapshot()
        return TablePointer(table, stored.metadata_location, head.snapshot_id if head else None)

    def summaries(self, table: str) -> list[Mapping[str, str]]:
        """Return snapshot summaries along main's ancestry, oldest first, each with ``snapshot-id`` added."""
        return [{**properties(s), "snapshot-id": str(s.snapshot_id)} for s in reversed(self._history(table))]

    def _gone(self, table: str, snapshot_id: int) -> LakehouseError:
        receipt = iceberg_history.forgotten(self.summaries(table), snapshot_id)
        if receipt is not None:
            return WithdrawnError(f"snapshot {snapshot_id} of {table} was removed by withdrawal {receipt}; read main")
        return NoTableError(f"{table} has no snapshot {snapshot_id}; it may have expired")

    def _load(self, table: str) -> Table:
        with self._translated(table):
            return self._catalog.load_table(table)

    def _writes(self, stored: Table, rows: pa.Table, branch: str, summary: Mapping[str, str], *, emptied: bool) -> bool:
        """Commit rows to the branch; False when another writer of this table, on whatever branch, was faster.

        Cutting the branch and writing to it are two commits: PyIceberg's retry of a joint one forgets the cut
        (Transaction._rebuild_snapshot_updates) and would start an orphan branch without main's rows.
        """
        numbered = _last_number(stored)
        try:
            with stored.transaction() as transaction:
                if emptied:
                    transaction.delete(AlwaysTrue(), branch=branch)
                transaction.append(rows, snapshot_properties=dict(summary), branch=branch)
        except (ValueError, vendor.BadRequestError) as error:
            # Snapshots of all branches share one sequence; PyIceberg and SeaweedFS refuse a number that was taken
            # meanwhile as a bad value, not as a conflict.
            if _last_number(self._catalog.load_table(stored.name())) > numbered:
                return False
            raise SchemaError(f"rows for {'.'.join(stored.name())} do not fit the stored table: {error}") from error
        return True

    def _create(self, table: TableDefinition) -> Table:
        # SQLite reports a namespace that another writer has just made as a broken constraint.
        with contextlib.suppress(IntegrityError):
            self._catalog.create_namespace_if_not_exists(table.namespace)
        return self._catalog.create_table_if_not_exists(
            table.name, iceberg_schema(table), properties=table_properties(table)
        )

    def _cut(self, table: str, branch: str) -> Snapshot:
        """Point `branch` at main's head, wherever it pointed before; return that head."""
        for attempt in _attempts():
            stored = self._catalog.load_table(table)
            head = stored.current_snapshot()
            if head is None:
                raise NoTableError(f"{table} has no first snapshot; call ensure before staging")
            ref = stored.metadata.refs.get(branch)
            if self._commits(
                stored, branch, ref.snapshot_id if ref else None, [iceberg_rewrite.set_branch(branch, head.snapshot_id)]
            ):
                return head
            _pause(attempt)
        raise CommitConflictError(f"branch {branch} of {table} kept moving for {ATTEMPTS} attempts; run the step again")

    def _drop(self, stored: Table, branch: str, *, only: int | None = None) -> bool:
        """Remove the branch if it is there (and at `only`, when given); False when another writer was faster."""
        ref = stored.metadata.refs.get(branch)
        if ref is None or (only is not None and ref.snapshot_id != only):
            return True
        return self._commits(stored, branch, ref.snapshot_id, [RemoveSnapshotRefUpdate(ref_name=branch)])

    def _commits(self, stored: Table, ref: str, at: int | None, updates: list[TableUpdate]) -> bool:
        return iceberg_rewrite.commits(self._catalog, stored, ref, at, updates)

    def _history(self, table: str) -> list[Snapshot]:
        stored = self._load(table)
        return list(ancestors_of(stored.current_snapshot(), stored.metadata))

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Raise this library's errors for PyIceberg's, Arrow's, the HTTP client's and SQLite's."""
        try:
            yield
        except tuple(TRANSLATIONS) as error:
            kind, advice = next(TRANSLATIONS[cause] for cause in type(error).__mro__ if cause in TRANSLATIONS)
            raise kind(f"{what} in {self.place}: {advice} ({type(error).__name__}: {error})") from error


def _is_ancestor(stored: Table, snapshot_id: int, *, of: int) -> bool:
    """Say whether `snapshot_id` is `of` or one of its ancestors."""
    history = ancestors_of(stored.snapshot_by_id(of), stored.metadata)
    return any(snapshot.snapshot_id == snapshot_id for snapshot in history)


def _last_number(stored: Table) -> int:
    return max((snapshot.sequence_number or 0 for snapshot in stored.snapshots()), default=0)


def _data_files(snapshot: Snapshot) -> int:
    """Count the data files; PyIceberg warns when a delete has nothing to delete."""
    return int(properties(snapshot).get("total-data-files", "1"))


def _attempts() -> range:
    return range(ATTEMPTS)


def _pause(attempt: int) -> None:
    # Full jitter, so that writers that collided once do not collide in step.
    time.sleep(random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))  # noqa: S311 - no secret
