"""What the steps need from outside, as Protocols, and the values that cross those borders."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from lakehouse.definition import Misfit, TableDefinition
from lakehouse.masking import Mask


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where rows come from; written into every Iceberg snapshot and release.

    `dataset_commit` is the DataLad commit (40 hex digits) or None for rows made from several datasets.
    """

    run_id: str
    code_commit: str
    dataset: str | None = None
    dataset_version: str | None = None
    dataset_commit: str | None = None
    model_version: str | None = None

    def summary(self) -> dict[str, str]:
        """Return the known fields as Iceberg snapshot properties, prefixed ``lakehouse.``."""
        pairs = {
            "lakehouse.run-id": self.run_id,
            "lakehouse.code-commit": self.code_commit,
            "lakehouse.dataset": self.dataset,
            "lakehouse.dataset-version": self.dataset_version,
            "lakehouse.dataset-commit": self.dataset_commit,
            "lakehouse.model-version": self.model_version,
        }
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TableWrite:
    """Rows for one table; ``append`` adds them, ``replace`` makes them the whole content."""

    table: TableDefinition
    rows: pa.Table
    mode: Literal["append", "replace"] = "append"


Change = Callable[[pa.Table], pa.Table]
"""Makes rows of one table from rows of another, some at a time; it may be sent to other machines."""


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows that lie in files of the table which no snapshot names yet, written here or on other machines.

    `broken` are the promises of the table's key that they break, one line each; None where nobody has looked yet.
    `files` is for the store alone.
    """

    num_rows: int
    broken: tuple[str, ...] | None = None
    files: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """Such rows for one table, which they join."""

    table: TableDefinition
    rows: StoredRows
    mode: Literal["append"] = "append"


AnyWrite = TableWrite | StoredWrite


@dataclass(frozen=True, slots=True)
class StagedWrite:
    """Rows that lie on an audit branch, not yet visible on main. `base` is where main was when it was cut."""

    table: TableDefinition
    branch: str
    snapshot_id: int
    base: int = 0


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows a staged snapshot added, and how many there were and are."""

    added: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class TablePointer:
    """The exact state of a table: its metadata file and a snapshot in it (None while the table is empty)."""

    name: str
    metadata_location: str
    snapshot_id: int | None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of some rows, how many are gone, how many cells were masked, and whether anything changed at all."""

    rows: pa.Table
    removed: int = 0
    masked: int = 0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A table whose main is one snapshot without a past: the snapshots it `forgot`, rows gone and cells masked."""

    table: str
    snapshot_id: int
    forgot: tuple[int, ...]
    removed: int
    masked: int


class ObjectStore(Protocol):
    """Whole objects by key in one bucket. Keys use ``/``; reads see the last acknowledged write."""

    def put(self, key: str, body: bytes) -> None:
        """Write or overwrite an object."""

    def note(self, key: str, body: bytes) -> None:
        """Write or overwrite an object that nobody misses: a power cut may take it, or bring the old one back."""

    def put_new(self, key: str, body: bytes) -> None:
        """Write an object that must not exist yet; raise ObjectExistsError when it does."""

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raise NoObjectError when there is none."""

    def keys(self, prefix: str) -> list[str]:
        """Return all keys that start with `prefix`, sorted."""

    def stored_at(self, key: str) -> datetime:
        """Return when an object was last written (UTC), by the storage's clock; raise NoObjectError for none."""

    def delete(self, key: str) -> None:
        """Remove an object; removing an absent one is no error."""


class TableStore(Protocol):
    """Iceberg tables with audit branches. Errors: NoTableError, SchemaError, AncestryError, CommitConflictError."""

    def turn(self) -> AbstractContextManager[None]:
        """Hold back other writers of this machine for some seconds, so that fewer attempts are in vain.

        Nothing depends on it: who waits too long goes ahead.
        """

    def ensure(self, table: TableDefinition) -> None:
        """Create namespace and table when absent, with an empty first snapshot so that branches can start."""

    def misfits(self, table: TableDefinition) -> Sequence[Misfit]:
        """Return what `ensure` would refuse of the definition, changing nothing; none where there is no such table.

        Raises TableOwnerError when the table belongs to another dataset.
        """

    def store_rows(self, table: TableDefinition, batches: Iterable[pa.Table]) -> StoredRows:
        """Store rows that come some at a time as files that no snapshot names yet; the table is made where needed."""

    def stored_columns(self, table: str, rows: StoredRows, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of stored rows, file by file and in order; no snapshot needs to name them."""

    def stage(self, write: AnyWrite, branch: str, summary: Mapping[str, str]) -> StagedWrite:
        """Write rows to a fresh `branch` cut from main; a left-over branch of that name is dropped first."""

    def read_staged(self, staged: StagedWrite) -> pa.Table:
        """Return all rows visible on the branch head."""

    def prove_staged(self, staged: StagedWrite) -> RowCounts:
        """Prove that what was staged is stored as it was written, and count; raise ChecksumError when it is not."""

    def staged_columns(self, staged: StagedWrite, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows that were staged, file by file and in order."""

    def similar(self, staged: StagedWrite, keys: pa.Table) -> Iterator[pa.Table]:
        """Yield the columns of `keys` of the rows before the staged ones, of each file that could hold one of them.

        Of `keys` nothing but the least and the greatest value of each column counts, and whether one is null.
        """

    def reachable(self, staged: StagedWrite) -> bool:
        """Say whether main is where the branch was cut from, or has the staged snapshot in its history."""

    def advance(self, staged: StagedWrite) -> int:
        """Fast-forward main to the staged snapshot and drop the branch; return main's snapshot id.

        Raises AncestryError when main is not an ancestor of the staged snapshot (another writer came between).
        """

    def discard(self, table: str, branch: str) -> None:
        """Drop a branch; an absent branch or table is no error."""

    def committed(self, table: str, key: str) -> int | None:
        """Return the snapshot of main, of whatever age, that was committed under this ``lakehouse.key``, else None."""

    def exists(self, table: str) -> bool:
        """Say whether the table is in the catalog."""

    def tables(self, namespace: str) -> list[str]:
        """Return the names ``namespace.table`` in a namespace, sorted; empty when the namespace is absent."""

    def read(self, table: str, *, columns: Sequence[str] | None = None, snapshot_id: int | None = None) -> pa.Table:
        """Return rows of main's head, or of `snapshot_id`."""

    def rewrite(
        self, table: str, clean: Callable[[pa.Table], Cleaned], receipt: str, renamed: Callable[[str], str]
    ) -> Rewritten | None:
        """Make what `clean` leaves of main's rows the only snapshot, if `clean` changes any file of any snapshot.

        None when it changes none. Properties, schema and committed keys stay, a key also under its `renamed` form;
        branches, tags and older snapshots go, and reading one of them raises WithdrawnError with `receipt`. The same
        receipt again changes nothing more and answers the same. Files stay until `sweep`.
        """

    def sweep(self, table: str, keep: Collection[str] = ()) -> int:
        """Delete every file of the table that its current metadata or the files `keep` do not need; return how many."""

    def head(
        self,
        table: str,
        limit: int,
        *,
        where: Mapping[str, str],
        snapshot_id: int | None = None,
        most_bytes: int | None = None,
    ) -> pa.Table:
        """Return at most `limit` rows whose columns equal `where`, reading no more files than that takes.

        Raises TooLargeError when they take more than `most_bytes` in memory; one file more at most has been read then.
        """

    def pointer(self, table: str) -> TablePointer:
        """Return where the table stands now."""

    def summaries(self, table: str) -> list[Mapping[str, str]]:
        """Return summaries of main's newest snapshots, at least 16, oldest first, each with ``snapshot-id`` added."""


class FarMaker(Protocol):
    """Makes rows where one machine's memory ends."""

    def make(
        self, into: TableDefinition, source: str, snapshot_id: int, where: Mapping[str, str], change: Change
    ) -> StoredRows:
        """Return what `change` makes of the rows of a snapshot of `source` whose columns equal `where`.

        Raises ChecksumError for a damaged file, SchemaError when `change` does or its rows do not fit `into`.
        """
        ...

    def pick(self, source: str, snapshot_id: int, where: Mapping[str, str], change: Change) -> Iterator[pa.Table]:
        """Yield what `change` makes of those rows, which should be few, for they are kept nowhere.

        Raises ChecksumError for a damaged file.
        """


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One accepted submission: a DataLad commit with a tag. `created_at` is in UTC.

    `replaces` are the commits it had before its history was rewritten, oldest first.
    """

    dataset: str
    version: str
    commit: str
    tag: str
    content_sha256: str
    created_at: datetime
    replaces: tuple[str, ...] = ()


class DatasetVersions(Protocol):
    """Versioned dataset contents. One repository a dataset, one commit and tag a version."""

    def save(self, folder: Path, dataset: str, version: str, content_sha256: str) -> DatasetVersion:
        """Commit `folder` as the whole content of a version and tag it.

        The same content again, under any label, returns the version it already is. Raises VersionTakenError when
        the label names other content.
        """

    def rewrite(self, dataset: str, change: Callable[[DatasetVersion, Path], str]) -> list[DatasetVersion]:
        """Replace the whole history: `change` alters a version's content in the folder and returns its new hash.

        Labels, order and dates stay, commits change and know the ones they replace. Nothing of the old content is left
        in the archive. Killed at any point, either the old or the new history is there, and the same call mends it.
        """

    def datasets(self) -> list[str]:
        """Return the names of all datasets, sorted."""

    def copies(self, dataset: str) -> list[str]:
        """Return the names of copies elsewhere that the store knows of; it cannot change those."""

    def find(self, dataset: str, version: str) -> DatasetVersion | None:
        """Return the version with that label, or None."""

    def find_content(self, dataset: str, content_sha256: str) -> DatasetVersion | None:
        """Return the version that holds exactly that content, or None."""

    def versions(self, dataset: str) -> list[DatasetVersion]:
        """Return all versions, oldest first; empty for an unknown dataset."""

    def export(self, version: DatasetVersion, into: Path) -> None:
        """Write the content of a version to an empty folder, verified against annex checksums."""

    def verify(self, dataset: str) -> list[str]:
        """Check every annexed file against its checksum; return one line per problem, empty when sound."""


class ModelVersions(Protocol):
    """Trained models, as far as a withdrawal has to know them."""

    def versions(self) -> list[str]:
        """Return all versions, oldest first."""

    def learned_from(self, version: str) -> Mapping[str, str]:
        """Return the commits of the dataset versions a model has learned from, by ``dataset@version``."""

    def quarantine(self, version: str, mask: Mask, receipt: str) -> bool:
        """Mark a version so that it is never chosen or found again; return whether its files had to be destroyed.

        They are when one of them spells out the person; else they stay, unused, until somebody deletes them.
        """

    def forget_work(self) -> int:
        """Delete corpora, evaluations and other work files, which can be made again; return how many files."""


@dataclass(frozen=True, slots=True)
class MirroredMetric:
    """One figure of a run at a step, 0 for what was measured once at its end."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class MirroredRun:
    """A training run as it is copied to a tracking server; times in milliseconds since 1970, UTC."""

    model_version: str
    started_ms: int
    ended_ms: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[MirroredMetric]


class RunMirror(Protocol):
    """Where training runs are copied to, for people who keep theirs there."""

    def mirror(self, run: MirroredRun) -> str:
        """Copy a run, once per model version; return its name there, and nothing where there is no such place.

        Raises MirrorError when the copy was not taken.
        """


class QueryEngine(Protocol):
    """SQL over what is published. Errors: QueryError, LoginError, ServiceUnavailableError."""

    def fetch(self, sql: str) -> pa.Table:
        """Run one statement and return all its rows."""
