"""Files in a local folder that appear under their name with all their bytes on the disk, or not at all."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PARTIAL = ".partial"
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
OURS = re.compile(r"\.[0-9a-f]{16}\.partial")
# Earlier versions named them so, and held no lock; within a day whoever wrote one has long done.
FORMERLY_OURS = re.compile(r"\.[a-z0-9_]{8}")
FORMER_SECONDS = 86_400.0
# What a file system says that knows no such locks; there a file without a name counts as somebody's for ever.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def unnamed_file(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give an open file beside `target` and its path; it is on the disk once `settle` has returned.

    The folder is made where needed. What the block does not move to its place is deleted after it; what a killed
    process leaves is found by `remove_unfinished`, for the lock on it ends with the process.
    """
    make_folder(target.parent)
    with unnamed_in(target.parent) as made:
        yield made


@contextlib.contextmanager
def unnamed_in(folder: Path, mode: int | None = None) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give the same in a folder that is there, for whom `mode` says or, without one, the process's umask."""
    temporary, file = _held_file(folder, mode)
    try:
        with file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(target: Path, text: str) -> None:
    """Write a file, or another one in its place; whoever reads it sees the old text or the new, never half of it."""
    with unnamed_file(target) as (temporary, file):
        file.write(text.encode())
        settle(file)
        temporary.replace(target)
    sync_folder(target.parent)


def remove_unfinished(folder: Path, *, unused_seconds: float = 0.0) -> tuple[int, tuple[Path, ...]]:
    """Delete files without a name that no process writes any more and that nobody touched for some seconds.

    Return how many were deleted, and those that stay: somebody writes them, or this account may not open them. A folder
    that is not there has none.
    """
    deleted, held = 0, []
    for path in sorted(folder.rglob(".*")) if folder.is_dir() else ():
        former = FORMERLY_OURS.fullmatch(path.name)
        if not (former or OURS.fullmatch(path.name)) or path.is_symlink() or not path.is_file():
            continue
        gone = _removed(path, max(unused_seconds, FORMER_SECONDS) if former else unused_seconds)
        deleted += gone is True
        if gone is False:
            held.append(path)
    return deleted, tuple(held)


def remove_copies(target: Path) -> None:
    """Delete what killed processes left of `target` in its folder, and nothing else that lies there.

    Copies that `made_once` of an earlier version left have the file's name in theirs and hold no lock, so a day has to
    pass.
    """
    former = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}")
    for path in target.parent.iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        if OURS.fullmatch(path.name):
            _removed(path, 0.0)
        elif former.fullmatch(path.name):
            _removed(path, FORMER_SECONDS)


def _removed(path: Path, unused_seconds: float) -> bool | None:
    """Delete a file that nobody holds; say False where somebody does or nobody can tell, None where it is too young."""
    if not os.access(path, os.R_OK):
        return False
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if time.time() - os.fstat(file.fileno()).st_mtime < unused_seconds:
            return None
        if not _hold(file, wait=False):
            return False
        path.unlink()
        return True
    return None


def too_young(folder: Path) -> tuple[Path, ...]:
    """Return the files that an earlier version may have left without a name, or still writes: a day has to pass."""
    named = (
        [path for path in sorted(folder.rglob(".*")) if FORMERLY_OURS.fullmatch(path.name)] if folder.is_dir() else []
    )
    files = [path for path in named if path.is_file() and not path.is_symlink()]
    return tuple(path for path in files if time.time() - path.stat().st_mtime < FORMER_SECONDS)


def _held_file(folder: Path, mode: int | None) -> tuple[Path, IO[bytes]]:
    while True:
        path = folder / f".{secrets.token_hex(8)}{PARTIAL}"
        file = path.open("xb") if mode is None else os.fdopen(os.open(path, NEW, mode), "wb")
        _hold(file, wait=True)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # it was taken for left behind in the moment before it was held


def _hold(file: IO[bytes], *, wait: bool) -> bool:
    """Lock a file for this process; say whether it is now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def settle(file: IO[bytes]) -> None:
    """Return when what was written to a file is on the disk; raise OSError when it is not known to be."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder where there is none, and those above it; their names are on the disk after it.

    Only the folder itself is for whom `mode` says; the umask takes from that, as for the others.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=mode)
    sync_folder(folder.parent)
