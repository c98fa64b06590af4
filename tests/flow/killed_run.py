"""Runs a job and kills its own process with SIGKILL after a given number of durable changes to tables and releases."""

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.workshop import Workshop
from dagster_project.code_location import build
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import Loop
from dagster_project.settings import load_settings
from dagster_project.wiring import lakehouse
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.publish.views import publishable_views
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse
from models.config import TINY, recipe_from_json


@dataclass
class Fuse:
    """Kills this process before the change with number `left`; below zero it never does."""

    left: int
    changes: int = 0

    def burn(self) -> None:
        if self.left == self.changes:
            os.kill(os.getpid(), signal.SIGKILL)
        self.changes += 1


class FusedObjects(LocalObjects):
    """A local object store whose every change may be the last."""

    fuse: Fuse

    def put(self, key: str, body: bytes) -> None:
        self.fuse.burn()
        super().put(key, body)

    def put_new(self, key: str, body: bytes) -> None:
        self.fuse.burn()
        super().put_new(key, body)

    def delete(self, key: str) -> None:
        self.fuse.burn()
        super().delete(key)


def fused_house(home: Path, plain: Lakehouse, fuse: Fuse) -> Lakehouse:
    tables: Any = plain.tables
    connect = tables.connect

    def fused_connect() -> Any:
        catalog = connect()
        for name in ("commit_table", "create_table"):
            setattr(catalog, name, _fused(getattr(catalog, name), fuse))
        return catalog

    objects = FusedObjects(home / "objects")
    object.__setattr__(objects, "fuse", fuse)
    return Lakehouse(type(tables)(tables.place, fused_connect), objects, ReleaseLog(objects, publishable_views))


def _fused(change: Any, fuse: Fuse) -> Any:
    def changed(*arguments: Any, **options: Any) -> Any:
        fuse.burn()
        return change(*arguments, **options)

    return changed


def main(home: Path, job: str, key: str, point: int, recipe: str) -> int:
    settings = load_settings({"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder"})
    fuse = Fuse(point)
    house = fused_house(home, lakehouse(settings), fuse)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        workshop = Workshop(home / "models", recipe_from_json(recipe) if recipe else TINY)
        loop = Loop(build(settings, house=house, workshop=workshop), instance)
        outcome = loop.ingest(key) if job == "ingest" else loop.learn("first")
    sys.stdout.write(json.dumps({"success": outcome.success, "failure": outcome.failure, "changes": fuse.changes}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
