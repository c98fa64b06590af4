"""Judges one folder in a process of its own, whose memory and time are limited; `limited.py` starts it.

It reads its orders as JSON from standard input, names each file in `READING` before it opens it, and writes the report,
or the error that the caller shall raise, to `ANSWER`. Whoever reads hostile files may die of them: then there is no
answer, and the file named last is the one at fault.
"""

import json
import resource
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

READING, ANSWER = "reading.txt", "answer.json"
OUT_OF_MEMORY, BROKE_OFF = 3, 4
OPEN_FILES = 256


@dataclass(frozen=True, slots=True)
class Orders:
    """What to judge, and within which limits."""

    folder: str
    submission: str
    content_sha256: str
    packs: tuple[str, ...]
    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


def main() -> int:
    """Judge what the orders say, in the current folder; return the exit code."""
    orders = Orders(**json.load(sys.stdin))
    _limit(orders)
    try:
        Path(ANSWER).write_text(json.dumps(_answer(orders)), encoding="utf-8")
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001 - whatever it is, the caller is told where it happened
        traceback.print_exc()
        return BROKE_OFF
    return 0


def _limit(orders: Orders) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, orders.memory_bytes),
        (resource.RLIMIT_CPU, orders.cpu_seconds),
        (resource.RLIMIT_FSIZE, orders.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        _, hard = resource.getrlimit(what)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # At the soft limit of processor time the signal says which limit it was; at the hard one the kernel just kills.
        above = limit + 1 if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else limit
        resource.setrlimit(what, (limit, above))


def _answer(orders: Orders) -> dict[str, object]:
    # Loaded under the limits.
    from lakehouse.archive.rule_packs import load_packs
    from lakehouse.archive.validate import validate
    from lakehouse.errors import LakehouseError

    def reading(place: str) -> None:
        Path(READING).write_text(place, encoding="utf-8")

    try:
        report = validate(
            Path(orders.folder),
            submission=orders.submission,
            content_sha256=orders.content_sha256,
            packs=load_packs(Path(folder) for folder in orders.packs),
            progress=reading,
        )
    except LakehouseError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"report": report.to_json()}


if __name__ == "__main__":
    sys.exit(main())
