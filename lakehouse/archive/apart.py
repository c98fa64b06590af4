"""Starts a task in a child process with limits and reads its bounded answer: hostile files kill it, never this one."""

import json
import os
import signal
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from lakehouse import errors
from lakehouse.archive.child import ANSWER, OUT_OF_MEMORY, READING, UNPREPARED, Orders
from lakehouse.archive.held_folders import task_place
from lakehouse.archive.levels import printable
from lakehouse.archive.task_process import TaskServer
from lakehouse.errors import LakehouseError, ServiceUnavailableError, UnreadableSubmissionError

SERVER = TaskServer()
LARGEST_PLACE = 1_000
LONGEST_MESSAGE = 10_000
WHOLE = "(whole dataset)"


@dataclass(frozen=True, slots=True)
class Costs:
    """The most that one task may cost; `answer_bytes` is the size of what it says."""

    memory_bytes: int = 4 << 30
    cpu_seconds: int = 3_600
    wall_seconds: float = 3_600.0
    file_bytes: int = 64 << 30
    answer_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A task that was not finished: at which place, what it took too much of; None when it broke off by itself."""

    place: str
    too_much: str | None

    @property
    def how(self) -> str:
        """How it ended, to stand behind what was being done."""
        return f"took {self.too_much}" if self.too_much else "broke off"


def do_apart(
    task: str,
    arguments: Mapping[str, object],
    costs: Costs,
    writable: Iterable[Path] = (),
    handles: Iterable[int] = (),
) -> object:
    """Return the result of a task as JSON gives it, or `GivenUp` when it has none.

    It may write below `writable` and in a folder of its own, which is gone afterwards. The locks on `handles` are its
    own as well: should this process be killed, they last until the task ends.

    Raises:
        LakehouseError: the error of this library that the task ended with.
        ServiceUnavailableError: the child could not be started, prepared or shut in.
    """
    orders = Orders(
        task=task,
        arguments=arguments,
        memory_bytes=costs.memory_bytes,
        cpu_seconds=costs.cpu_seconds,
        file_bytes=costs.file_bytes,
        writable=tuple(str(path.absolute()) for path in writable),
    )
    with task_place() as work, _in_memory(orders) as said:
        code = SERVER.do(task, work, said.fileno(), costs.wall_seconds, tuple(handles))
        if code == UNPREPARED:
            raise ServiceUnavailableError(
                f"the process that reads files could not be prepared below {tempfile.gettempdir()}; "
                "see that there is room on that disk, and try again"
            )
        answer = _answer(work, costs) if code == 0 else None
        if answer is None:
            return GivenUp(_place(work), _too_much(code, costs))
    if "error" in answer:
        raise _error(str(answer["error"]), str(answer.get("message")))
    return answer["result"]


def _in_memory(orders: Orders) -> IO[bytes]:
    """Return orders as a file without a name: keys and people in them stay nowhere, whoever is killed meanwhile."""
    file = os.fdopen(os.memfd_create("orders"), "w+b")
    file.write(json.dumps(asdict(orders)).encode())
    file.flush()
    return file


def _answer(work: Path, costs: Costs) -> dict[str, Any] | None:
    path = work / ANSWER
    if not path.is_file() or path.stat().st_size > costs.answer_bytes:
        return None
    try:
        answer = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        # Only a process that is no longer itself writes such an answer.
        return None
    return answer if isinstance(answer, dict) and answer.keys() & {"result", "error"} else None


def _error(name: str, message: str) -> LakehouseError:
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, LakehouseError)):
        kind = UnreadableSubmissionError
    return kind(message[:LONGEST_MESSAGE])


def _place(work: Path) -> str:
    path = work / READING
    if not path.is_file():
        return WHOLE
    with path.open("rb") as file:
        return printable(_start(file)) or WHOLE


def _start(file: IO[bytes]) -> str:
    return file.read(LARGEST_PLACE).decode(errors="replace")


def _too_much(code: int | None, costs: Costs) -> str | None:
    if code is None:
        return f"more than {costs.wall_seconds:g} s"
    if code == -signal.SIGXCPU:
        return f"more than {costs.cpu_seconds} s of processor time"
    if code == -signal.SIGXFSZ:
        return f"more than {costs.file_bytes >> 20:,} MB of disk"
    if code == 0:
        return f"an answer of more than {costs.answer_bytes >> 20:,} MB"
    if code < 0 or code == OUT_OF_MEMORY:
        return f"more than {costs.memory_bytes >> 20:,} MB of memory"
    return None
