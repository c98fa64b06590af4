"""A machine room in memory: files, objects, clocks and processes, disturbed at every point where they meet."""

import contextlib
import hashlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from greenlet import greenlet

Answer = TypeVar("Answer")

DAY_S = 86_400.0
START_S = 1_800_000_000.0
TOLD = 60
"""How many of the last points a broken promise is told with."""
MOST_TICKS = 60_000
"""Points that one history may pass before it counts as one that does not end."""


class Killed(BaseException):
    """A process ends here, without a chance to tidy up."""


class Violation(AssertionError):
    """Something was promised and did not hold."""


@dataclass
class Traits:
    """What kind of history this is; drawn from its seed."""

    kill: float = 0.0
    fail: float = 0.0
    late: float = 0.0
    switch: float = 0.3
    one_lock: bool = True
    skew: bool = False

    @classmethod
    def drawn(cls, draw: random.Random) -> "Traits":
        return cls(
            kill=draw.choice((0.0, 0.002, 0.01, 0.03)),
            fail=draw.choice((0.0, 0.002, 0.01, 0.05)),
            late=draw.choice((0.0, 0.0, 0.3)),
            switch=draw.choice((0.05, 0.3, 0.8)),
            one_lock=draw.random() < 0.5,
            skew=draw.random() < 0.5,
        )


@dataclass
class File:
    """Bytes under a path, and when the storage's own clock says they came."""

    body: bytes
    time_s: float


class Process(greenlet):
    """One process: its clock, its caches, and whether it still lives."""

    def __init__(self, world: "World", name: str, work: Callable[[], None]) -> None:
        super().__init__(self._live)
        self.world = world
        self.name = name
        self.work = work
        self.offset_s = world.skewed()
        self.doomed = False
        self.caches: dict[str, dict[str, Any]] = {}
        self.after: Callable[[], None] | None = None

    def _live(self) -> None:
        try:
            self.work()
        except Killed:
            self.world.note("killed", self.name)
            self.after = self.world.restarted(self)
        finally:
            self.world.locked.discard(self)


@dataclass
class World:
    """Everything outside the code that is tried. One seed gives one history."""

    seed: int
    traits: Traits = field(init=False)
    files: dict[str, File] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    object_times: dict[str, float] = field(default_factory=dict)
    storage_s: float = START_S
    ticks: int = 0
    calm: bool = True
    torn: bool = False
    """Whether a file appears piece by piece, which no storage under this lakehouse may do."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.names = random.Random(self.seed + 1)
        self.traits = Traits.drawn(self.draw)
        self.running: list[Process] = []
        self.locked: set[Process] = set()
        self.late: list[tuple[int, Callable[[], Any]]] = []
        self.trace = hashlib.sha256()
        self.told: deque[str] = deque(maxlen=TOLD)
        self.written: Callable[[str], None] = lambda key: None
        self.restarted: Callable[[Process], Callable[[], None] | None] = lambda process: None

    def note(self, what: str, which: str) -> None:
        """Add to the trace, by which two runs of one seed are compared."""
        name = process.name if (process := self.process()) else "-"
        line = f"{self.ticks} {name} {what} {which}"
        self.trace.update(line.encode())
        self.told.append(line)

    def process(self) -> Process | None:
        """Return the process that runs; None when it is the world itself, as when a promise is checked."""
        now = greenlet.getcurrent()
        return now if isinstance(now, Process) and not self._serving else None

    _serving: bool = False

    def serve(self, act: Callable[[], Answer]) -> Answer:
        """Do something that belongs to no process: it meets no fault."""
        before, self._serving = self._serving, True
        try:
            return act()
        finally:
            self._serving = before

    def clock_s(self) -> float:
        """Return the time that the running process believes in."""
        process = self.process()
        return self.storage_s + (process.offset_s if process else 0.0)

    def skewed(self) -> float:
        """Draw how wrong a clock is."""
        if not self.traits.skew:
            return 0.0
        return self.draw.choice((0.0, 0.0, -DAY_S, -30 * DAY_S, 3600.0, 3652 * DAY_S)) * self.draw.random()

    def start(self, name: str, work: Callable[[], None]) -> Process:
        process = Process(self, name, work)
        self.running.append(process)
        return process

    def run(self) -> None:
        """Let processes go on, one at a time and in drawn order, until all have ended."""
        while self.running:
            process = self.draw.choice(self.running)
            process.parent = greenlet.getcurrent()
            process.switch()
            if process.dead:
                self.running.remove(process)
                if process.after is not None:
                    process.after()
        self.arrive(everything=True)

    def arrive(self, *, everything: bool = False) -> None:
        """Let requests take effect that were given up long ago."""
        due = [one for one in self.late if everything or one[0] <= self.ticks]
        self.late = [one for one in self.late if one not in due]
        for _, effect in due:
            self.note("late", "")
            self.serve(effect)

    def point(self, what: str, which: str) -> None:
        """Pass a point where a process meets the world: time goes on, others may come between."""
        process = self.process()
        if process is None:
            return
        self.ticks += 1
        if self.ticks > MOST_TICKS:
            raise Violation(f"no end after {self.ticks} points")
        self.storage_s += self.draw.random() * 2
        if self.traits.skew and self.draw.random() < 0.002:
            process.offset_s = self.skewed()
        if self.late:
            self.arrive()
        if self.draw.random() < self.traits.switch:
            process.parent.switch()
        if process.doomed:
            raise Killed
        self.note(what, which)

    def die(self) -> None:
        """End the running process."""
        process = self.process()
        if process is not None:
            process.doomed = True
            raise Killed

    def meet(
        self,
        what: str,
        which: str,
        effect: Callable[[], Answer],
        *,
        failed: Callable[[], BaseException],
        unknown: Callable[[], BaseException] | None = None,
    ) -> Answer:
        """Do `effect` unless the process is killed or disturbed; `unknown` is what a lost answer to a change raises."""
        process = self.process()
        if process is None:
            return effect()
        self.point(what, which)
        if self.calm:
            return effect()
        chance, traits = self.draw.random(), self.traits
        if chance < traits.kill:
            if unknown is not None and chance < traits.kill / 2:
                effect()
            self.die()
        if chance < traits.kill + traits.fail:
            if unknown is None or self.draw.random() < 0.5:
                self.note("failed", which)
                raise failed()
            if self.draw.random() < traits.late:
                self.late.append((self.ticks + self.draw.randrange(1, 200), lambda: _unheard(effect)))
            else:
                effect()
            self.note("lost", which)
            raise unknown()
        return effect()

    def wait(self, _seconds: float = 0.0) -> None:
        """Wait: others go on, and time too."""
        process = self.process()
        if process is None:
            return
        self.point("wait", "")
        process.parent.switch()
        if process.doomed:
            raise Killed


def _unheard(effect: Callable[[], Any]) -> None:
    """Let a request arrive whose answer nobody waits for, so what is wrong with it is told to nobody."""
    with contextlib.suppress(Exception):  # the one who asked has gone
        effect()
