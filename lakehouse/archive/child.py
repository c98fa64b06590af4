"""Does one task on files from outside, in a process of its own that has shut itself in; `task_server.py` forks it.

It is given its orders as JSON, names each file in `READING` before it opens it, and writes what came out, or the error
that the caller shall raise, to `ANSWER`. Whoever reads hostile files may die of them: then there is no answer, and the
file named last is the one at fault.
"""

import errno
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from lakehouse.archive.confinement import Allowance, limit, shut_in
from lakehouse.errors import LakehouseError

READING, ANSWER = "reading.txt", "answer.json"
OUT_OF_MEMORY, BROKE_OFF, UNPREPARED = 3, 4, 5

Task = Callable[..., object]
"""Takes the arguments of its orders and returns what JSON can say."""
# Every task there is; nothing else can be asked for.
TASKS = {
    "judge": "lakehouse.archive.limited:judge_here",
    "land": "lakehouse.archive.landing_apart:land_here",
    "describe": "lakehouse.archive.drafting:draft_here",
    "look": "lakehouse.archive.withdraw.looking:look_here",
    "recognise": "lakehouse.archive.withdraw.recognising:recognise_here",
    "protect": "lakehouse.archive.privacy.apart:protect_here",
    "suggest": "lakehouse.archive.privacy.apart:suggest_here",
    "name": "lakehouse.archive.stated_keys:keys_here",
}


@dataclass(frozen=True, slots=True)
class Orders:
    """Which task to do, on what, within which limits, and below which folders it may write."""

    task: str
    arguments: Mapping[str, Any]
    memory_bytes: int
    cpu_seconds: int
    file_bytes: int
    writable: tuple[str, ...] = field(default=())


def do_orders(orders: Orders) -> int:
    """Do what the orders say, in the current folder; return the exit code."""
    try:
        Path(ANSWER).write_text(json.dumps(_answer(orders)), encoding="utf-8")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the caller is told where it happened
        if _for_want_of_memory(error):
            return OUT_OF_MEMORY
        traceback.print_exc()
        return BROKE_OFF
    return 0


def _for_want_of_memory(error: BaseException) -> bool:
    """Say whether a fault is that of a limit of address space, of which a mapping or a thread's stack is refused."""
    no_mapping = isinstance(error, OSError) and error.errno == errno.ENOMEM
    no_stack = isinstance(error, RuntimeError) and "start new thread" in str(error)
    return isinstance(error, MemoryError) or no_mapping or no_stack


def without_pandas() -> None:
    """Have pandas not installed in this process, as long as nothing is loaded that cannot do without it."""
    sys.meta_path.insert(0, _WithoutPandas())


def reading(place: str) -> None:
    """Note what is about to be opened, for whoever must explain why this process died."""
    Path(READING).write_text(place, encoding="utf-8", errors="backslashreplace")


class _WithoutPandas(MetaPathFinder):
    """Has pandas not installed: Arrow loads it on the first array just to know its types, and no task needs that.

    Loading it was a fifth of the processor time in which a small dataset is judged. The library that reads Croissant
    packages cannot do without it, so where that one is loaded, pandas is there.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - as Python asks
        if fullname == "pandas" and "mlcroissant" not in sys.modules:
            raise ModuleNotFoundError("a task on files from outside does without pandas", name=fullname)


def _answer(orders: Orders) -> dict[str, object]:
    module, _, name = TASKS[orders.task].partition(":")
    try:
        limit(Allowance(orders.memory_bytes, orders.cpu_seconds, orders.file_bytes))
        shut_in([Path.cwd(), *(Path(place) for place in orders.writable)])
        task: Task = getattr(import_module(module), name)
        return {"result": task(**orders.arguments)}
    except LakehouseError as error:
        return {"error": type(error).__name__, "message": str(error)}
