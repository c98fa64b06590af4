"""Folders to work in that are gone afterwards: a lock shows who has one, so what killed processes left is found."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNPACKED, APART = "lakehouse-unpacked-", "lakehouse-apart-"
LETTERS = r"[a-z0-9_]{8}"
"""What `tempfile` puts behind a prefix."""


@contextmanager
def unpacked_place() -> Iterator[Path]:
    """Yield an empty folder among the temporary files, for what a command unpacks; it is gone afterwards.

    What killed commands of this account left there goes first: it may hold people, and nobody would look for it.
    """
    sweep(Path(tempfile.gettempdir()), APART)
    with held_folder(Path(tempfile.gettempdir()), UNPACKED) as (work, _):
        yield work


@contextmanager
def task_place() -> Iterator[Path]:
    """Yield such a folder for one task in a process of its own; what killed ones left goes with `unpacked_place`."""
    with _held(Path(tempfile.gettempdir()), APART) as (work, _):
        yield work


@contextmanager
def held_folder(into: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    """Yield an empty folder in `into` and the open handle that holds it: for a child, too, that is given the handle.

    What killed processes left there under names of this prefix goes first.
    """
    sweep(into, prefix)
    with _held(into, prefix) as held:
        yield held


def sweep(into: Path, prefix: str) -> None:
    """Remove the folders of this account under names of a prefix that no process holds any more."""
    named = re.compile(re.escape(prefix) + LETTERS)
    for left in into.glob(f"{prefix}*"):
        if named.fullmatch(left.name):
            _remove_unless_held(left)


@contextmanager
def _held(into: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    work, handle = _made(into, prefix)
    try:
        yield work, handle
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(handle)


def _made(into: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder and lock it; the lock ends with the last process that has the handle."""
    while True:
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=into))
        try:
            handle = os.open(work, os.O_RDONLY)
        except FileNotFoundError:
            continue  # it was taken for left behind in the moment before it was held
        with suppress(OSError):  # where files cannot be locked, nobody takes another's folder away either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if work.is_dir():
            return work, handle
        os.close(handle)  # the same


def _remove_unless_held(work: Path) -> None:
    try:
        handle = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return  # its process has finished by now, or it is another account's, or a link
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.geteuid():
            shutil.rmtree(work, ignore_errors=True)
    except OSError:
        return  # a process is at work there
    finally:
        os.close(handle)
