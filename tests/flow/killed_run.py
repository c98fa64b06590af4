"""Runs jobs, each in a process that kills itself with SIGKILL after some durable changes to tables and releases."""

# ruff: noqa: E402
import gc
import json
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

gc.disable()  # a quarter of the time of loading went into looking for garbage, and each run is short

import dagster as dg

from assets import train
from assets.curve import training_curve
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

    def note(self, key: str, body: bytes) -> None:
        self.fuse.burn()
        super().note(key, body)

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


def run(home: Path, job: str, key: str, point: int, recipe: str) -> None:
    settings = load_settings({"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder"})
    # However slow the machine is, a curve is written at its end only, so that two runs make as many changes.
    train.training_curve = partial(training_curve, pause_s=float("inf"))
    fuse = Fuse(point)
    house = fused_house(home, lakehouse(settings), fuse)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        workshop = Workshop(home / "models", recipe_from_json(recipe) if recipe else TINY)
        loop = Loop(build(settings, house=house, workshop=workshop), instance)
        outcome = loop.ingest(key) if job == "ingest" else loop.learn("first")
    sys.stdout.write(json.dumps({"success": outcome.success, "failure": outcome.failure, "changes": fuse.changes}))
    sys.stdout.flush()


def run_with(order: dict[str, Any]) -> NoReturn:
    """Be the process of one run: its input is empty, and what it says goes to the files it is given."""
    for number, path in enumerate((os.devnull, order["stdout"], order["stderr"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    code = 1
    try:
        run(Path(order["home"]), order["job"], order["key"], order["point"], order["recipe"])
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, its parent is told
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Fork a process for each order of a line of JSON on standard input; answer with how they ended, as `Popen` would.

    So the libraries are loaded once: half of the time of a run that is killed went into that.
    """
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        children = []
        for order in json.loads(line):
            child = os.fork()
            if child == 0:
                run_with(order)
            children.append(child)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        answers.write(f"{json.dumps(ends)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
