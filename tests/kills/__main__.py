"""Kills an ingest at each of its I/O points once: ``python -m tests.kills [--from N] [--to M] [--every K]``.

With ``--scene first`` the lake is empty before it, else it holds an older version. A point that breaks a promise is
named with its number, by which it can be killed at alone: ``--from N --to N+1``.
"""

# ruff: noqa: E402
import gc

gc.disable()  # a quarter of the time of loading went into looking for garbage, and each process is short

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster_project.wiring import lakehouse
from tests.kills import judge
from tests.kills.ingest import WAVES, Scene, stay_here
from tests.kills.points import Points, counted

LIMIT_S = 300
"""The longest that one process may take."""
EVERY_S = 30.0
LATE = 3
"""How many of the last points one run may meet less than another; those not met are told."""


class Played:
    """A lake before the ingest, kept beside its place, and what an undisturbed ingest makes of it."""

    def __init__(self, folder: Path, waves: tuple[int, ...]) -> None:
        self.folder, self.scene, self.before = folder, Scene(folder / "lake"), folder / "before"
        in_child(lambda: self.scene.prepare(waves))
        Scene(self.before).copy_of(self.scene.folder)
        ended, told = in_child(self._undisturbed)
        if ended != 0:
            raise RuntimeError(f"an undisturbed ingest does not pass:\n{told}")
        self.undisturbed: dict[str, Any] = told

    @property
    def points(self) -> list[str]:
        """The points of an undisturbed ingest."""
        names: list[str] = self.undisturbed["points"]
        return names

    def kill_at(self, number: int) -> str | None:
        """Kill an ingest at a point and let the next one complete; return what did not hold."""
        self.scene.copy_of(self.before)
        ended, told = in_child(lambda: self._ingest(number))
        if ended == 0 and number >= len(self.points) - LATE:
            tell(f"not met: {number} ({self.points[number]})")
            return None
        if ended == 0:
            return "the process met fewer points than before"
        if ended != -signal.SIGKILL or told:
            return f"the ingest failed instead of being killed ({ended}):\n{told}"
        ended, told = in_child(self._after)
        return None if ended == 0 and not told else f"the ingest after it ({ended}):\n{told}"

    def _undisturbed(self) -> dict[str, Any]:
        house = lakehouse(self.scene.settings)
        before = house.releases.current_or_empty().number
        house.tables.close()
        points = self._ingest()
        house = lakehouse(self.scene.settings)
        states = judge.releases(house, before)
        house.tables.close()
        return {
            "points": points.met,
            "seconds": points.child_seconds,
            "releases": states,
            "end": judge.end_state(self.scene),
        }

    def _ingest(self, number: int | None = None) -> Points:
        stay_here()
        points = Points(self.scene.folder) if number is None else Points(self.scene.folder, number, self._seconds())
        with counted(points):
            self.scene.ingest()
        return points

    def _seconds(self) -> dict[str, float]:
        return dict(self.undisturbed["seconds"])

    def _after(self) -> list[str]:
        house = lakehouse(self.scene.settings)
        seen = judge.current(house)
        house.tables.close()
        stay_here()
        half = [] if seen in self.undisturbed["releases"] else ["no release from the one before the ingest on"]
        self.scene.ingest()
        return half + judge.differences(judge.end_state(self.scene), self.undisturbed["end"])


def in_child(act: Callable[[], Any]) -> tuple[int, Any]:
    """Do something in a process of its own; return its exit code, negative for a signal, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(act, reading, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return code, f"took more than {LIMIT_S} s"
    return code, json.loads(said) if said else ""


def _be_child(act: Callable[[], Any], reading: int, writing: int) -> None:
    os.close(reading)
    os.setsid()  # a group of its own, which dies with it where a point says so
    signal.alarm(LIMIT_S)
    code = 1
    try:
        result = act()
        said = result if isinstance(result, dict | list) else None
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, its parent is told
        said = traceback.format_exc()
    body = json.dumps(said).encode()
    while body:
        body = body[os.write(writing, body) :]
    os._exit(code)


def main(scene: str, first: int, last: int | None, every: int) -> int:
    """Kill at every point from `first` to before `last`, tell how it goes, and return how many broke a promise."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        played = Played(Path(folder), WAVES[scene])
        numbers = range(len(played.points))[first:last:every]
        tell(f"{scene}: {len(played.points)} points; killing at {len(numbers)}, from {first}, every {every}")
        told, broken = time.monotonic(), 0
        for done, number in enumerate(numbers, start=1):
            if fault := played.kill_at(number):
                broken += 1
                tell(f"BROKEN at {number} ({played.points[number]}): {fault}")
            if time.monotonic() - told > EVERY_S:
                told = time.monotonic()
                tell(f"{done} of {len(numbers)}, at {number}, {broken} broken")
    tell(f"{scene}: {len(numbers)} kills, {broken} broke a promise")
    return broken


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--scene", choices=sorted(WAVES), default="second")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="last", type=int)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    sys.exit(1 if main(given.scene, given.first, given.last, given.every) else 0)
