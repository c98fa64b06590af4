"""Processes that train one model together on one machine: one a card, each with its share of every batch.

The first leads: it starts the others, measures, keeps states and answers. All draw the same batches and end each step
with the same gradients, by torch's DistributedDataParallel, so a run learns what one process would, up to the order in
which numbers are added.
"""

import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ChildCrashedError

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=30)
"""How long one process waits for the others: longer than measuring validation takes.

They meet after everything that comes before the first step, so trials and the making of tokens do not count.
"""
_GRACE_S = 10.0
_MEETING = "meeting-"
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Team:
    """One process's place among those that train together; alone, everything it is asked is done at once."""

    rank: int = 0
    size: int = 1
    _told: Any = None
    """The group over which numbers are told; gradients have torch's default one."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that answers."""
        return self.rank == 0

    def mine(self, rows: Tensor) -> Tensor:
        """Return this process's rows of a batch."""
        return rows.tensor_split(self.size)[self.rank]

    def together(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that a backward pass ends with the mean gradient over all processes."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def not_yet(self, module: nn.Module) -> AbstractContextManager[None]:
        """Context in which backward passes add to this process's own gradients only."""
        if not isinstance(module, nn.parallel.DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = module.no_sync()
        return context

    def sum(self, value: float) -> float:
        """Return the sum of every process's value."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        torch.distributed.all_reduce(total, group=self._told)
        return float(total)

    def all_of(self, states: Sequence[Tensor]) -> list[Tensor]:
        """Return every process's states, in the order of their ranks; all processes must ask, with as many states."""
        if self.size == 1:
            return list(states)
        mine = torch.stack([state.cpu() for state in states])
        all_of_them = [torch.empty_like(mine) for _ in range(self.size)]
        torch.distributed.all_gather(all_of_them, mine, group=self._told)
        return [state for each in all_of_them for state in each]

    def mine_of(self, states: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return this process's part of what `all_of` gave."""
        count = len(states) // self.size
        return states[self.rank * count : (self.rank + 1) * count]


ALONE = Team()


def team_size(batch: int) -> int:
    """Return how many processes train a batch of so many sequences here: one a card, and one without cards."""
    return min(torch.cuda.device_count(), batch) if torch.cuda.is_available() else 1


@dataclass(frozen=True)
class Seat:
    """A process's place among those that will train together, before they meet; what can be refused is refused here."""

    rank: int = 0
    size: int = 1
    meet: Callable[[], AbstractContextManager[Team]] = lambda: nullcontext(ALONE)

    @property
    def leads(self) -> bool:
        """Whether this is the process that answers."""
        return self.rank == 0


BY_ONESELF = Seat()


def leading(request: Path, size: int) -> Seat:
    """Return the place of the process that starts the others of a request to train, once it wants to meet them.

    While they are met, ChildCrashedError says that one of them ended before.
    """
    return BY_ONESELF if size == 1 else Seat(0, size, lambda: _led(request, size))


def following(meeting: Path, rank: int, size: int) -> Seat:
    """Return the place of a process that another one has started, at its card if there are cards."""
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    return Seat(rank, size, lambda: joined(meeting, rank, size))


@contextmanager
def joined(meeting: Path, rank: int, size: int) -> Iterator[Team]:
    """Meet the others at a file that only this run knows; nothing listens beyond this machine."""
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.putenv(name, "lo" if sys.platform == "linux" else "lo0")  # read by libraries in C
    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        init_method=meeting.absolute().as_uri(),
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    try:
        yield Team(rank, size, torch.distributed.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def _led(request: Path, size: int) -> Iterator[Team]:
    others = _Others(request, size)
    try:
        others.start()
        with joined(others.meeting, 0, size) as team:
            yield team
    except RuntimeError as error:  # as torch tells that nobody answers
        if fallen := others.fallen():
            raise ChildCrashedError(f"{fallen}; what it said is in the log, and the run's last state stays") from error
        raise
    finally:
        others.end()


class _Others:
    """The other processes of a team and the file where all meet; `end` leaves none of them."""

    def __init__(self, request: Path, size: int) -> None:
        self._request, self._size = request, size
        self.meeting = request.parent / f"{_MEETING}{uuid.uuid4().hex}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._watch_them, daemon=True, name="team-watch")

    def start(self) -> None:
        """Start one after the other, and watch them; `end` must follow, also where one could not be started."""
        for left in self.meeting.parent.glob(f"{_MEETING}*"):  # by a run that was killed: a folder has one at a time
            left.unlink(missing_ok=True)
        for rank in range(1, self._size):
            self._processes.append(_start(self._request, self.meeting, rank, self._size))
        self._watch.start()

    def fallen(self) -> str:
        """Name the first that ended by a fault."""
        ended = [(rank, each.poll()) for rank, each in enumerate(self._processes, start=1)]
        return next((f"process {rank} of {self._size} ended with {code}" for rank, code in ended if code), "")

    def end(self) -> None:
        """End all of them and remove the file."""
        self._over.set()
        self._remove()
        if self._watch.ident is not None:
            self._watch.join()

    def _remove(self) -> None:
        for each in self._processes:
            each.kill()
        for each in self._processes:
            each.wait()
            if each.stdin is not None:
                each.stdin.close()
        self.meeting.unlink(missing_ok=True)

    def _watch_them(self) -> None:
        """End this process when another one fails: it would wait for that one's gradients in vain.

        One that met the same fault as this process is given time, for this one names the fault itself.
        """
        while not self._over.wait(0.2):
            fallen = self.fallen()
            if fallen and not self._over.wait(_GRACE_S):
                log.error("%s, and this one could not go on", fallen)
                self._remove()  # nothing else is left of a process that aborts
                os.abort()


def _start(request: Path, meeting: Path, rank: int, size: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "models.teammate", str(request), str(meeting), str(rank), str(size)]
    # It watches its stdin, as this process does: when this one dies, the pipe closes and the other ends.
    return subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603  our own
