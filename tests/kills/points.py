"""The I/O points of a process: each moment before it changes a file, and each at which a file is there in part."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.adapters.git_children import GitChildren
from tests.faults.sqlite_calls import between, found_vfs

NEVER = -1
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TWO_PATHS = {"os.rename": (0, 1, 2, 3), "os.link": (0, 1, 2, 3)}
"""Audit events of two paths: where these stand, and the folders that they count from."""
ONE_PATH = {"os.remove": (0, 1), "os.mkdir": (0, 2), "os.rmdir": (0, 1), "os.truncate": (0, None)}
CHANGING = {"create", "save", "commit", "update-ref", "symbolic-ref", "reset", "tag"}
"""Words of the children that change a dataset; the others read."""
PARTS_OF_A_CHILD = (0.25, 0.5, 0.75)
"""At which parts of its usual time a child is killed, together with who started it."""
FOREIGN = ("dagster/", "scratch/")
"""What Dagster writes down of its runs, by transactions of its own, and what was made before."""
ALONE, TOGETHER = "alone during", "at part of"
"""Points at which a child is at work, by which a process can only be killed in earnest."""

Cut = tuple[str, int]
"""A file that a kill leaves shorter than it is, by its name below the root, and its bytes then."""


@dataclass
class Points:
    """Counts the points of this process below `root` and kills it at the one with number `at`.

    What git, git-annex and DataLad do by themselves cannot be counted here. The process dies before it starts one of
    them, alone while one works, which then goes on, and with it at some parts of the time that it took before
    (`child_seconds`).

    At points in `stops` it lives on: `stop` is told of the number and of what a kill would cut short, and returns once
    somebody has seen the folder as a kill there would leave it.
    """

    root: Path
    at: int = NEVER
    child_seconds: dict[str, float] = field(default_factory=dict)
    met: list[str] = field(default_factory=list)
    over: bool = False
    stops: frozenset[int] = frozenset()
    stop: Callable[[int, Cut | None], None] | None = None

    def meet(self, what: str, cut: Cut | None = None) -> bool:
        """Note a point; say whether this process is to die at it."""
        if self.over:
            return False
        self.met.append(what)
        number = len(self.met) - 1
        if number in self.stops and self.stop is not None and not what.startswith((ALONE, TOGETHER)):
            self.stop(number, cut)
        return number == self.at

    def name(self, path: Any, folder: int | None = None) -> str | None:
        """Return a path as counted from the root; None for one elsewhere."""
        if isinstance(path, int):
            return None
        counted_from = file_of(folder) if folder is not None and folder >= 0 else Path.cwd()
        whole = str(counted_from / os.fsdecode(path))
        inside = f"{self.root}/"
        name = whole.removeprefix(inside)
        return None if name == whole or name.startswith(FOREIGN) else name


def file_of(descriptor: int) -> Path:
    """Return the path of an open file."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


@contextmanager
def counted(points: Points) -> Iterator[None]:
    """Count the points of this process; to be entered once in its life, for an audit hook cannot be taken away."""
    sys.addaudithook(_hook(points))
    vfs = found_vfs()
    if vfs is None:
        raise RuntimeError("this Python's SQLite shows no functions of its own, so its points cannot be counted")
    with ExitStack() as stack:
        stack.enter_context(between(vfs, _database(points)))
        stack.enter_context(_halves(points))
        stack.enter_context(_children(points))
        yield
    points.over = True


def _hook(points: Points) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            _opened(points, *given)
        elif event in TWO_PATHS:
            source, target, there, here = (given[place] for place in TWO_PATHS[event])
            names = points.name(source, there), points.name(target, here)
            if any(names) and points.meet(f"{event} {names[0]} {names[1]}"):
                die()
        elif event in ONE_PATH:
            path, folder = ONE_PATH[event]
            name = points.name(given[path], given[folder] if folder is not None else None)
            there = name and os.path.lexists(points.root / name)
            # What is not there is no file that goes, and a folder that is there is none that comes.
            if name and bool(there) != (event == "os.mkdir") and points.meet(f"{event} {name}"):
                die()

    return hook


def _opened(points: Points, path: Any, _mode: str | None, flags: int) -> None:
    name = points.name(path) if flags & WRITES else None
    if name is None:
        return
    if points.meet(f"open {name}"):
        die()
    there = os.access(path, os.F_OK)
    emptied = (name, 0) if flags & os.O_TRUNC or (flags & os.O_CREAT and not there) else None
    if points.meet(f"opened {name}", emptied):
        os.close(os.open(path, flags & ~os.O_EXCL, 0o644))
        die()


def _database(points: Points) -> Callable[[str, Any], int]:
    def meet(call: str, file: Any) -> int:
        name = points.name(file_of(file) if isinstance(file, int) else file)
        if name and points.meet(f"sqlite {call} {name}"):
            die()
        return 0

    return meet


@contextmanager
def _halves(points: Points) -> Iterator[None]:
    """Let the process die with half of the bytes of a file written, where it asks for them to be on the disk."""
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        path = file_of(descriptor)
        name = None if path.is_dir() else points.name(path)
        half = os.fstat(descriptor).st_size // 2
        if name and points.meet(f"half of {name}", (name, half)):
            os.truncate(path, half)
            die()
        plain(descriptor)

    os.fsync = fsync
    try:
        yield
    finally:
        os.fsync = plain


@contextmanager
def _children(points: Points) -> Iterator[None]:
    """Let the process die before a child that changes a dataset, while it works, and together with it."""
    plain, start = GitChildren.child, subprocess.Popen.__init__
    alone = threading.Event()

    def child(self: GitChildren, command: Sequence[str], **named: Any) -> Any:
        word = next((word for word in command if word in CHANGING), None)
        if word is not None:
            _meet_child(points, word, alone)
        begun = time.monotonic()
        done = plain(self, command, **named)
        points.child_seconds.setdefault(word or "", time.monotonic() - begun)
        return done

    def started(self: Any, *given: Any, **named: Any) -> None:
        start(self, *given, **named)
        if alone.is_set():
            die()

    GitChildren.child = child  # type: ignore[method-assign]
    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    try:
        yield
    finally:
        GitChildren.child = plain  # type: ignore[method-assign]
        subprocess.Popen.__init__ = start  # type: ignore[method-assign]


def _meet_child(points: Points, word: str, alone: threading.Event) -> None:
    if points.meet(f"before {word}"):
        die()
    if points.meet(f"{ALONE} {word}"):
        alone.set()
    for part in PARTS_OF_A_CHILD:
        if points.meet(f"{TOGETHER} {word}, {part:.0%}"):
            threading.Timer(points.child_seconds[word] * part, lambda: os.killpg(0, signal.SIGKILL)).start()
