"""Which of some files any process opened meanwhile, as the kernel tells it (inotify)."""

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

IN_OPEN = 0x20
EVENT = struct.Struct("iIII")
ROOM_BYTES = 1 << 16


@contextmanager
def watched(paths: Sequence[Path]) -> Iterator[set[Path]]:
    """Watch files; the set yielded holds, after the block, those that somebody opened in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    watching = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watching < 0:
        raise OSError(ctypes.get_errno(), "inotify cannot be had, so it cannot be told which files are read")
    opened: set[Path] = set()
    try:
        files = {}
        for path in paths:
            number = libc.inotify_add_watch(watching, os.fsencode(path), IN_OPEN)
            if number < 0:
                raise OSError(ctypes.get_errno(), "cannot be watched", str(path))
            files[number] = path
        yield opened
        opened.update(files[number] for number, mask in _events(watching) if mask & IN_OPEN)
    finally:
        os.close(watching)


def _events(watching: int) -> Iterator[tuple[int, int]]:
    while True:
        try:
            read = os.read(watching, ROOM_BYTES)
        except BlockingIOError:
            return
        while read:
            number, mask, _, length = EVENT.unpack_from(read)
            yield number, mask
            read = read[EVENT.size + length :]
