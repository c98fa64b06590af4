"""Work on pieces in several threads, with the results in the pieces' order and few of them in memory at a time."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Arrow and Polars let go of Python's lock while they work; more threads than this only hold more memory.
WORKERS = min(4, os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count() or 1)


def in_order(work: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int = WORKERS) -> Iterator[Result]:
    """Yield the result for each piece; what a piece or the pieces raise is raised when its turn comes."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="validate") as pool:
        try:
            for future in _submitted(pool, work, pieces):
                waiting.append(future)
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _submitted(
    pool: ThreadPoolExecutor, work: Callable[[Piece], Result], pieces: Iterable[Piece]
) -> Iterator[Future[Result]]:
    found = iter(pieces)
    while True:
        try:
            piece = next(found)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - raised again when its turn comes, after the pieces before it
            failed: Future[Result] = Future()
            failed.set_exception(error)
            yield failed
            return
        yield pool.submit(work, piece)
