"""Fixtures that several kinds of tests share: tiny tables, and one SeaweedFS for each test process."""

import gc
import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from absl import logging as absl_logging

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.definition import Column, TableDefinition
from lakehouse.ports import Provenance
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse
from tests.servers import (
    MinioServer,
    PostgresServer,
    Seaweed,
    running_minio,
    running_postgres,
    running_seaweed,
)

_spec = importlib.util.spec_from_file_location("together", Path(__file__).with_name("together.py"))
assert _spec is not None, "the file is there"
together = importlib.util.module_from_spec(_spec)
sys.modules["together"] = together
_spec.loader.exec_module(together)
pytest_xdist_make_scheduler = together.pytest_xdist_make_scheduler

# What a shell that is no terminal starts in the background has Ctrl-C ignored, and so has all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# mlcroissant's logger closes the stream that was sys.stderr when it was loaded, unless it still is, as soon as somebody
# sets up logging anew, as Dagster does in each run. Here that would be pytest's stream; the process's own it spares.
absl_logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

# What was loaded and collected stays to the end: it is not looked through for garbage again and again.
gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="session")
def run_seaweed() -> Callable[..., AbstractContextManager[Seaweed]]:
    """Start one more SeaweedFS, for a lake of its own."""
    return running_seaweed


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """One SeaweedFS on free loopback ports, for all tests of this process."""
    with running_seaweed() as server:
        yield server


@pytest.fixture(scope="session")
def run_minio() -> Callable[..., AbstractContextManager[MinioServer]]:
    """Start one more MinIO, with TLS for example."""
    return running_minio


@pytest.fixture(scope="session")
def run_postgres() -> Callable[..., AbstractContextManager[PostgresServer]]:
    """Start one more PostgreSQL, with users and options of its own."""
    return running_postgres


@pytest.fixture(scope="session")
def minio() -> Iterator[MinioServer]:
    """One MinIO on a free loopback port, for all tests of this process."""
    with running_minio() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL on a free loopback port, for all tests of this process."""
    with running_postgres() as server:
        yield server


BACKENDS = ["local", *(pytest.param(name, marks=pytest.mark.servers) for name in ("seaweedfs", "minio", "postgres"))]


@dataclass(frozen=True)
class Backend:
    """Adapters of one kind, whose new instances see the same state."""

    tables: Callable[[], IcebergTables]
    objects: Callable[[], LocalObjects | S3Objects]

    def house(self) -> Lakehouse:
        objects = self.objects()
        return Lakehouse(self.tables(), objects, ReleaseLog(objects))


@pytest.fixture
def as_in_the_cluster() -> bool:
    """Whether a catalog in PostgreSQL has its files on MinIO, which takes twice the time; a module may say so."""
    return False


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path, as_in_the_cluster: bool) -> Iterator[Backend]:
    """Tables and objects on a folder, on SeaweedFS, on MinIO, and with a catalog in PostgreSQL; no objects at first."""
    opened: list[IcebergTables] = []

    def remember(tables: IcebergTables) -> IcebergTables:
        opened.append(tables)
        return tables

    if request.param == "local":
        yield Backend(
            lambda: remember(IcebergTables.local(tmp_path / "tables")), lambda: LocalObjects(tmp_path / "objects")
        )
    elif request.param == "postgres":
        catalog: PostgresServer = request.getfixturevalue("postgres")
        if as_in_the_cluster:
            storage: MinioServer = request.getfixturevalue("minio")
            storage.empty()
            yield Backend(lambda: remember(catalog.tables_on(storage)), storage.objects)
        else:
            folder = tmp_path / "tables"
            yield Backend(lambda: remember(catalog.tables(folder)), lambda: LocalObjects(tmp_path / "objects"))
    elif request.param == "minio":
        other: MinioServer = request.getfixturevalue("minio")
        other.empty()
        yield Backend(lambda: remember(other.tables(tmp_path / "catalog.sqlite")), other.objects)
    else:
        server: Seaweed = request.getfixturevalue("seaweed")
        objects = server.objects()
        for key in objects.keys(""):
            objects.delete(key)
        yield Backend(lambda: remember(server.tables()), server.objects)
    for tables in opened:
        tables.close()


NewTable = Callable[..., TableDefinition]
MarksOf = Callable[..., pa.Table]


@pytest.fixture
def new_table(tmp_path: Path) -> NewTable:
    """Make small table definitions whose names no other test uses."""

    def make(suffix: str = "") -> TableDefinition:
        return TableDefinition(
            name=f"silver.marks_{tmp_path.name}{suffix}".lower(),
            grain="one row per student and course",
            key=("student", "course"),
            columns=(
                Column("student", pa.string(), "Pseudonym.", nullable=False),
                Column("course", pa.string(), "Course code.", nullable=False),
                Column("mark", pa.float64(), "Points.", unit="1"),
            ),
        )

    return make


@pytest.fixture
def released_tables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let maintenance pass over the tables of other tests, which are in the same catalog and in no release."""
    for spaces in ("LAYERS", "HOUSE"):
        monkeypatch.setattr(f"lakehouse.tables.maintenance.{spaces}", ())


@pytest.fixture
def marks_of() -> MarksOf:
    """Make rows for `new_table`: one per student."""

    def make(*students: str) -> pa.Table:
        return pa.table(
            {
                "student": pa.array(students, pa.string()),
                "course": pa.array(["maths"] * len(students), pa.string()),
                "mark": pa.array([float(len(student)) for student in students], pa.float64()),
            }
        )

    return make


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(run_id="run-1", code_commit="c0ffee", dataset="marks", dataset_version="1")
