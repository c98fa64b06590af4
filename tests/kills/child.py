"""Doing something in a process of its own that may be killed, or stopped wherever it says so."""

import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.kills.points import Cut

LIMIT_S = 300
"""The longest that one process may take."""


def in_child(act: Callable[[], Any]) -> tuple[int, Any]:
    """Do something in a process of its own; return its exit code, negative for a signal, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(act, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return code, f"took more than {LIMIT_S} s"
    return code, json.loads(said) if said else ""


def _be_child(act: Callable[[], Any], writing: int) -> None:
    os.setsid()  # a group of its own, which dies with it where a point says so
    signal.alarm(LIMIT_S)
    code = 1
    try:
        result = act()
        said = result if isinstance(result, dict | list) else None
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, its parent is told
        said = traceback.format_exc()
    body = json.dumps(said).encode()
    while body:
        body = body[os.write(writing, body) :]
    os._exit(code)


@dataclass
class Stop:
    """How a child says where it is, and waits until it may go on; one of its threads at a time."""

    said: int
    heard: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, number: int, cut: Cut | None) -> None:
        with self.lock:
            os.write(self.said, f"{json.dumps([number, cut])}\n".encode())
            if not os.read(self.heard, 1):
                os._exit(0)  # whoever looked has gone


@contextmanager
def stopping(act: Callable[[Stop], Any]) -> Iterator[Iterator[tuple[int, Cut | None]]]:
    """Do something in a process of its own; whenever it stops, its threads and children stand still for a loop's turn.

    It is killed when the block ends.
    """
    answers, said = os.pipe()
    heard, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answers)
        os.close(go)
        _be_child(lambda: act(Stop(said, heard)), os.open(os.devnull, os.O_WRONLY))
    os.close(said)
    os.close(heard)
    try:
        with os.fdopen(answers, encoding="utf-8") as lines:
            yield _stops(child, lines, go)
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(go)
        os.waitpid(child, 0)


def _stops(child: int, lines: Any, go: int) -> Iterator[tuple[int, Cut | None]]:
    for line in lines:
        number, cut = json.loads(line)
        os.killpg(child, signal.SIGSTOP)
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"the process ended at point {number} ({status}), where it was to be stopped")
        yield number, (cut[0], cut[1]) if cut else None
        os.killpg(child, signal.SIGCONT)
        os.write(go, b".")
