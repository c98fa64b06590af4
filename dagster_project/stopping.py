"""Has SIGTERM end a verb as Ctrl-C does, and remembers which of them came, whoever handles signals meanwhile."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)
_heard: list[socket.socket] = []
"""Where Python itself writes the number of each signal that comes while a verb runs."""
_met: list[int] = []
"""Those that met a handler of this file: asyncio has Python write elsewhere."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM, as at Ctrl-C, while the block runs; a signal that is ignored stays so."""
    if threading.current_thread() is not threading.main_thread() or _heard:
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    ear, mouth = socket.socketpair()
    for end in (ear, mouth):
        end.settimeout(0)
    fd = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    _heard.append(ear)
    _met.clear()
    try:
        if before[signal.SIGTERM] is not signal.SIG_IGN:
            # Dagster gives SIGTERM what SIGINT has, after a run as well: both have one that knows them apart.
            signal.signal(signal.SIGTERM, _stop)
            if before[signal.SIGINT] is signal.SIG_IGN:
                signal.signal(signal.SIGINT, _stop_unless_interrupted)
        yield
    finally:
        _heard.clear()
        _met.clear()
        signal.set_wakeup_fd(fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        for end in (ear, mouth):
            end.close()


def stopped_by() -> signal.Signals | None:
    """Return which signal came to stop the verb that runs, SIGTERM where both did, None where none did."""
    came = {*_met, *(number for ear in _heard for number in _said(ear))}
    return next((number for number in reversed(STOPS) if number in came), None)


def terminated() -> bool:
    """Say whether the verb that runs shall end, whatever it does at Ctrl-C."""
    return stopped_by() is signal.SIGTERM


def _said(ear: socket.socket) -> bytes:
    try:
        return ear.recv(1 << 16, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


def _stop(number: int, _frame: FrameType | None) -> None:
    _met.append(number)
    raise KeyboardInterrupt


def _stop_unless_interrupted(number: int, frame: FrameType | None) -> None:
    if number != signal.SIGINT:
        _stop(number, frame)
