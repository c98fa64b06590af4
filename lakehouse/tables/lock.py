"""One lock file that lets one process at a time change the archive and the tables of this machine."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lakehouse.errors import TransientError

POLL_S = 0.05
QUIET_S = 60.0
"""Whoever waits no longer than this says nothing."""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def archive_lock(path: Path, *, timeout_s: float = 60.0, doing: str = "") -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the kernel frees it when the process dies, however it dies.

    Whoever waits is told by the log which process holds it, and what that is `doing`.

    Raises TransientError when another process holds it for longer than `timeout_s`. Not re-entrant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, path, timeout_s)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}{f' ({doing})' if doing else ''}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout_s: float) -> None:
    end, told = time.monotonic() + timeout_s, False
    while not _locks(descriptor):
        holder = os.pread(descriptor, 256, 0).decode(errors="replace").strip() or "unknown"
        if time.monotonic() > end:
            raise TransientError(
                f"{path} is held by process {holder} since more than {timeout_s:g} s; wait for it to finish, run again"
            )
        if not told and timeout_s > QUIET_S:
            log.info("waiting for %s, held by process %s, at most %g s", path, holder, timeout_s)
            told = True
        time.sleep(POLL_S)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
