"""Says in a file what long work a process is doing, so that `lakehouse status` can tell. Standard library only."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENDING = ".progress"
MINUTE = 60


def born(pid: int) -> str | None:
    """Return the start time of a living process in clock ticks since boot (proc(5), field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


@contextmanager
def doing(home: Path, name: str) -> Iterator[Callable[[str], None]]:
    """Yield what says how far the work `name` is; after it nobody is told of it any more."""
    path = home / "run" / f"{name}.{os.getpid()}{ENDING}"
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{name}.*{ENDING}"):
        if _told(left) is None:
            left.unlink(missing_ok=True)
    begun = time.time()

    def say(what: str) -> None:
        told = {"pid": os.getpid(), "born": born(os.getpid()), "name": name, "what": what, "begun": begun}
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(told), encoding="utf-8")
        part.replace(path)

    try:
        yield say
    finally:
        path.unlink(missing_ok=True)


def being_done(home: Path) -> list[str]:
    """Return a line for each long work that goes on; what a killed process left behind counts for nothing."""
    return [
        f"{told['name']}: {told['what']}, {_ago(time.time() - told['begun'])} after its start" for told in _all(home)
    ]


def _all(home: Path) -> list[dict[str, Any]]:
    found = [_told(path) for path in sorted((home / "run").glob(f"*{ENDING}"))]
    return [told for told in found if told is not None]


def _told(path: Path) -> dict[str, Any] | None:
    """Return what a living process says in a file; None where it has ended, or a crash left the file cut short."""
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return told if born(told["pid"]) == told["born"] else None


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTE else f"{seconds / MINUTE:.0f} min"
