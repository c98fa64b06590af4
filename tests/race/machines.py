"""Machines of one race: processes of writers over one lake, each with a lock file of its own, as if far apart."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path

import pyarrow as pa

from lakehouse.adapters import iceberg_catalogs
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import TransientError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.maintenance import Upkeep
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

ORIGIN = Provenance(run_id="race", code_commit="0" * 40)
CARE = Upkeep(keep_days=0, keep_releases=3, abandoned_hours=300 / 3600)
BESIDE_S = 1.0
"""How long is waited between two rounds of upkeep."""
TABLE = TableDefinition(
    name="silver.race",
    grain="one row an append",
    key=("append",),
    columns=(Column("append", pa.string(), "Writer and number.", nullable=False),),
)


@dataclass(frozen=True)
class Lake:
    """Where the race is run: a folder, and the database of its catalog unless that is SQLite in the folder."""

    folder: Path
    database: str = ""
    password: str = ""

    def house(self, machine: str) -> Lakehouse:
        """Return the lakehouse as a process of a machine sees it that has just started."""
        locks = self.folder / "locks" / machine
        locks.mkdir(parents=True, exist_ok=True)
        objects, where = LocalObjects(self.folder / "objects"), self.folder / "tables"
        if not self.database:
            tables = IcebergTables(str(where), lambda: iceberg_catalogs.in_folder(where), locks)
        else:
            tables = IcebergTables.database(
                self.database,
                password=self.password,
                warehouse=f"file://{where}",
                access_key="",
                secret_key="",
                s3_endpoint="",
                locks=locks,
            )
        return Lakehouse(tables, objects, ReleaseLog(objects))

    def acknowledged(self) -> list[str]:
        """Return what was acknowledged until now, on any machine."""
        files = sorted((self.folder / "acknowledged").iterdir())
        return [line for file in files for line in file.read_text().split("\n")[:-1]]


@dataclass(frozen=True)
class Written:
    """What the writers of one machine did: refusals are attempts that they were told to make once more."""

    refusals: int
    cpu_s: float


def machine(lake: Lake, name: str, writers: int, appends: int) -> Written:
    """Let the writers of one machine append at once; each notes what was acknowledged before it goes on."""
    start = time.process_time()
    with ThreadPoolExecutor(writers) as pool:
        refusals = sum(pool.map(lambda number: _write(lake, name, f"{name}-{number}", appends), range(writers)))
    return Written(refusals, time.process_time() - start)


def _write(lake: Lake, name: str, writer: str, appends: int) -> int:
    own, refusals = lake.house(name), 0
    with (lake.folder / "acknowledged" / writer).open("a") as notes:
        for number in range(appends):
            key = f"{writer}-{number}"
            rows = pa.table({"append": [key]})
            while True:
                try:
                    write_audit_publish(own, [TableWrite(TABLE, rows)], key=key, provenance=ORIGIN)
                    break
                except TransientError:
                    refusals += 1  # what a caller is told to do: run it again
            notes.write(f"{key}\n")
            notes.flush()
    own.tables.close()
    return refusals


def race(lake: Lake, machines: int, writers: int, appends: int, beside: Callable[[], None]) -> list[Written]:
    """Run all machines at once, and `beside` again and again until they have finished."""
    (lake.folder / "acknowledged").mkdir(parents=True)
    first = lake.house("m0")
    first.tables.ensure(TABLE)
    first.tables.close()
    context: SpawnContext = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(machines, mp_context=context) as pool:
        running = [pool.submit(machine, lake, f"m{number}", writers, appends) for number in range(machines)]
        while wait(running, timeout=BESIDE_S).not_done:
            beside()
        return [one.result() for one in running]
