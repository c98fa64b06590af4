"""Lets few large statements be read at a time: they are read in the endpoint's own process, which nothing bounds."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

from lakehouse.endpoint.faults import BusyError

LARGE_TEXT = 10_000
LARGE_AT_ONCE = 3
LARGE_OF_USER = 2
_reading: Counter[str] = Counter()
_changed = threading.Condition()


@contextlib.contextmanager
def turn(sql: str, user: str, seconds: float) -> Iterator[None]:
    """Have users' statements of more than 10,000 characters wait, for at most so long, while three are being read.

    A hundred at once would take gigabytes. Two of the three at most are one user's, so that nobody takes every turn.
    Small ones wait for nobody. Nobody may take a turn who holds a lock, since who has one may come to wait for locks
    (of a table's past, of an engine that says what is a DECIMAL): so views, which are read while a catalogue is built,
    and what is read for the record take none. Raises BusyError.
    """
    if len(sql) <= LARGE_TEXT:
        yield
        return
    until = time.monotonic() + seconds
    with _changed:
        while _reading.total() >= LARGE_AT_ONCE or _reading[user] >= LARGE_OF_USER:
            if not _changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                raise BusyError(
                    f"other statements of more than {LARGE_TEXT:,} characters are being read; try again later"
                )
        _reading[user] += 1
    try:
        yield
    finally:
        with _changed:
            _reading[user] -= 1
            if not _reading[user]:
                del _reading[user]
            _changed.notify_all()
