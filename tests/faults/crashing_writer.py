"""Writes with write_audit_publish and kills itself with SIGKILL after a given number of durable changes.

Run as a program it forks one writer for every such point, until one gets through. The program itself touches neither
Arrow's S3 client nor the catalog, so forking it is safe.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.definition import Column, TableDefinition
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog, View
from lakehouse.tables.write_audit_publish import Lakehouse, Published, write_audit_publish

NEVER = -1


@dataclass
class Fuse:
    """Kills this process once it has burnt `left` times; NEVER does not."""

    left: int

    def burn(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            self.burn()
            return change(*arguments, **options)

        return changed


@dataclass
class Folder:
    """A part of an object store, so that many points share one bucket."""

    objects: LocalObjects | S3Objects
    prefix: str
    fuse: Fuse

    def put(self, key: str, body: bytes) -> None:
        self.fuse.around(self.objects.put)(self.prefix + key, body)

    def note(self, key: str, body: bytes) -> None:
        self.fuse.around(self.objects.note)(self.prefix + key, body)

    def put_new(self, key: str, body: bytes) -> None:
        self.fuse.around(self.objects.put_new)(self.prefix + key, body)

    def delete(self, key: str) -> None:
        self.fuse.around(self.objects.delete)(self.prefix + key)

    def get(self, key: str) -> bytes:
        return self.objects.get(self.prefix + key)

    def stored_at(self, key: str) -> datetime:
        return self.objects.stored_at(self.prefix + key)

    def keys(self, prefix: str) -> list[str]:
        return [key.removeprefix(self.prefix) for key in self.objects.keys(self.prefix + prefix)]


def open_house(place: dict[str, Any], point: int, fuse: Fuse) -> Lakehouse:
    if place["kind"] == "local":
        folder = Path(place["folder"]) / str(point)
        plain: IcebergTables = IcebergTables.local(folder / "tables")
        objects: LocalObjects | S3Objects = LocalObjects(folder / "objects")
    else:
        plain = IcebergTables.rest(**place["catalog"])
        objects = S3Objects(**place["objects"])

    def connect() -> Any:
        catalog: Any = plain.connect()
        for change in ("commit_table", "create_table"):
            setattr(catalog, change, fuse.around(getattr(catalog, change)))
        return catalog

    folded = Folder(objects, f"{place['tag']}/{point}/", fuse)
    return Lakehouse(IcebergTables(plain.place, connect), folded, ReleaseLog(folded))


def definitions(place: dict[str, Any], point: int) -> list[TableDefinition]:
    columns = (Column("student", pa.string(), "Pseudonym.", nullable=False),)
    names = [f"silver.crash_{place['tag']}_{point}_{letter}" for letter in "ab"]
    return [TableDefinition(name, "one row per student", columns, ("student",)) for name in names]


def submit(house: Lakehouse, place: dict[str, Any], point: int, student: str) -> Published:
    """Append to one table, replace the other; both then say which submissions are visible."""
    first, second = definitions(place, point)
    everyone = sorted({"ann", student})
    writes = [
        TableWrite(first, pa.table({"student": [student]})),
        TableWrite(second, pa.table({"student": everyone}), "replace"),
    ]
    views = {"kpi.newest": View("kpi.newest", f"select '{student}'")}
    return write_audit_publish(house, writes, key=student, provenance=Provenance("run", "code"), views=views)


def write_and_die(place: dict[str, Any], point: int) -> None:
    if place["before"]:
        submit(open_house(place, point, Fuse(NEVER)), place, point, "ann")
    submit(open_house(place, point, Fuse(point)), place, point, "bo" if place["before"] else "ann")


def killed_at(place: dict[str, Any], point: int) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            write_and_die(place, point)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert status == 0, f"the writer failed at point {point}; see its traceback above"
    return False


if __name__ == "__main__":
    where = json.loads(sys.argv[1])
    killed = [point for point in range(where["first"], where["stop"], where["step"]) if killed_at(where, point)]
    sys.stdout.write(json.dumps(killed))
