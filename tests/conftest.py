"""Fixtures that several kinds of tests share: tiny tables, and one SeaweedFS for each test process."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.adapters import seaweedfs
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.definition import Column, TableDefinition
from lakehouse.ports import Provenance
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse

ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret"


@dataclass
class Seaweed:
    """A running SeaweedFS: where it is, and how to kill it and start it again."""

    data: Path
    ports: seaweedfs.SeaweedPorts
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {"PATH": os.defpath, "HOME": str(self.data), **seaweedfs.environment(ACCESS_KEY, SECRET_KEY)}
        with (self.data / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(
                seaweedfs.command(seaweedfs.binary(), data=self.data, ports=self.ports),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env=environment,
            )
        process = self.process
        seaweedfs.wait(
            self.ports,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            timeout_s=60,
            alive=lambda: process.poll() is None,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def objects(self) -> S3Objects:
        return S3Objects(f"127.0.0.1:{self.ports.s3}", ACCESS_KEY, SECRET_KEY, seaweedfs.BUCKET)

    def tables(self) -> IcebergTables:
        return IcebergTables.rest(
            seaweedfs.catalog_uri(self.ports),
            warehouse=seaweedfs.WAREHOUSE,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            s3_endpoint=seaweedfs.s3_endpoint(self.ports),
        )


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """One SeaweedFS on free loopback ports, for all tests of this process."""
    with tempfile.TemporaryDirectory(prefix="seaweed-") as folder:
        server = Seaweed(Path(folder), seaweedfs.SeaweedPorts.free())
        server.start()
        yield server
        server.kill()


BACKENDS = ["local", pytest.param("seaweedfs", marks=pytest.mark.servers)]


@dataclass(frozen=True)
class Backend:
    """Adapters of one kind, whose new instances see the same state."""

    tables: Callable[[], IcebergTables]
    objects: Callable[[], LocalObjects | S3Objects]

    def house(self) -> Lakehouse:
        objects = self.objects()
        return Lakehouse(self.tables(), objects, ReleaseLog(objects))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Tables and objects on a folder, then on SeaweedFS; with an empty object store each time."""
    opened: list[IcebergTables] = []

    def remember(tables: IcebergTables) -> IcebergTables:
        opened.append(tables)
        return tables

    if request.param == "local":
        yield Backend(
            lambda: remember(IcebergTables.local(tmp_path / "tables")), lambda: LocalObjects(tmp_path / "objects")
        )
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
