"""One lock file that lets one process at a time change the archive and the tables of this machine."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lakehouse.errors import TransientError

POLL_S = 0.05


@contextlib.contextmanager
def archive_lock(path: Path, *, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the kernel frees it when the process dies, however it dies.

    Raises TransientError when another process holds it for longer than `timeout_s`. Not re-entrant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, path, timeout_s)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not _locks(descriptor):
        if time.monotonic() > end:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise TransientError(
                f"{path} is held by process {holder} since more than {timeout_s:g} s; wait for it to finish, run again"
            )
        time.sleep(POLL_S)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
