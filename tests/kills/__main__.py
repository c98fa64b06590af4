"""Kills an ingest at each of its I/O points once: ``python -m tests.kills [--from N] [--to M] [--every K]``.

With ``--scene first`` the lake is empty before it, else it holds an older version; with ``named`` that one names nobody
and the new one does, so that the key of pseudonyms is made. A point that breaks a promise is
named with its number, by which it can be tried again: ``--from N --to N+1``, with ``--alone`` by a process that is
really killed there.
"""

# ruff: noqa: E402
import gc

gc.disable()  # a quarter of the time of loading went into looking for garbage, and each process is short

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.ingest import SCENES
from tests.kills.played import NOT_MET, Played

EVERY_S = 30.0


def main(scene: str, first: int, last: int | None, every: int, *, alone: bool) -> int:
    """Kill at every point from `first` to before `last`, tell how it goes, and return how many broke a promise."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        played = Played(Path(folder), SCENES[scene])
        numbers = range(len(played.points))[first:last:every]
        tell(f"{scene}: {len(played.points)} points; killing at {len(numbers)}, from {first}, every {every}")
        told, broken = time.monotonic(), 0
        for done, (number, fault) in enumerate(played.killed(numbers, alone=alone), start=1):
            if fault == NOT_MET:
                tell(f"not met: {number} ({played.points[number]})")
            elif fault is not None:
                broken += 1
                tell(f"BROKEN at {number} ({played.points[number]}): {fault}")
            if time.monotonic() - told > EVERY_S:
                told = time.monotonic()
                tell(f"{done} of {len(numbers)}, at {number}, {played.distinct} states judged, {broken} broken")
        tell(f"{scene}: {len(numbers)} kills, which left {played.distinct} states, {broken} broke a promise")
    return broken


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--scene", choices=sorted(SCENES), default="second")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="last", type=int)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="kill a process of its own at each point")
    given = parser.parse_args()
    sys.exit(1 if main(given.scene, given.first, given.last, given.every, alone=given.alone) else 0)
