"""The engines that are there: kept warm before they are needed, lent to one statement at a time, watched, replaced."""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.faults import BusyError
from lakehouse.endpoint.process import POLL_SECONDS, Engine
from lakehouse.errors import LakehouseError

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.2
KEEP_SECONDS = 0.5
IDLE_SECONDS = 20.0
LATE_SECONDS = 3.0
GROWN_BYTES = 512 * 1024 * 1024
PLANNING = ""


class Pool:
    """Lends engines: `concurrent_statements` at most to statements, and one more to plan them.

    `start` makes a new engine and `warm` fills one with what statements will ask for; it says whether it did anything.
    `tidy` is called about twice a second.
    """

    def __init__(
        self,
        config: EndpointConfig,
        start: Callable[[], Engine],
        warm: Callable[[Engine], bool],
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._start = start
        self._warm = warm
        self._tidy = tidy
        self._idle: list[Engine] = []
        self._lent: set[Engine] = set()
        self._filled: set[Engine] = set()
        self._starting = 0
        self._waiting = 0
        self._of_user: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._poked = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in ((self._watch, "engine-watch"), (self._keep, "engine-keep"))
        ]
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def lend(self, user: str, *, idle: Callable[[], None] = lambda: None) -> Iterator[Engine]:
        """Lend an engine to a user's statement, or for PLANNING; wait for one in a bounded queue.

        `idle` is called while waiting and may raise. Raises BusyError when the queue is full or takes too long. An
        engine that broke or grew too large is ended afterwards.
        """
        engine = self._take(user, idle)
        try:
            yield engine
        finally:
            self._give_back(engine, user)

    @property
    def running(self) -> int:
        """How many engines are lent now."""
        return len(self._lent)

    @property
    def running_pids(self) -> list[int]:
        """The processes of the engines that are lent."""
        with self._changed:
            return [engine.pid for engine in self._lent]

    @property
    def waiting(self) -> int:
        """How many statements wait for an engine."""
        return self._waiting

    @property
    def pids(self) -> list[int]:
        """The processes there are."""
        with self._changed:
            return [engine.pid for engine in (*self._idle, *self._lent, *self._filled)]

    def poke(self) -> None:
        """Say that there is something new for engines to be filled with."""
        self._poked.set()

    def close(self) -> None:
        """End every engine; a running statement ends with an error."""
        self._closed.set()
        self._poked.set()
        with self._changed:
            idle, self._idle = self._idle, []
            for engine in (*self._lent, *self._filled):
                engine.kill()
            self._changed.notify_all()
        for engine in idle:
            engine.close()
        for thread in self._threads:
            thread.join()

    def _take(self, user: str, idle: Callable[[], None]) -> Engine:
        until = time.monotonic() + self._config.queue_seconds
        with self._changed:
            if not self._free(user):
                self._queue(user, until, idle)
            if user != PLANNING:
                self._of_user[user] += 1
            if self._idle:
                engine = self._idle.pop()
                self._lent.add(engine)
                return engine
            self._starting += 1
        return self._new(user)

    def _new(self, user: str) -> Engine:
        engine = None
        try:
            engine = self._start()
        finally:
            with self._changed:
                self._starting -= 1
                if engine is not None:
                    self._lent.add(engine)
                elif user != PLANNING:
                    self._of_user[user] -= 1
                self._changed.notify_all()
        return engine

    def _free(self, user: str) -> bool:
        """Say whether an engine may be lent now: there is a place, and the user has not taken them all."""
        if self._closed.is_set():
            raise BusyError("the SQL endpoint is stopping; try again later")
        busy = len(self._lent) + self._starting
        if user == PLANNING:
            return busy < self._config.concurrent_statements + 1
        return busy < self._config.concurrent_statements and self._of_user[user] < self._config.statements_per_user

    def _queue(self, user: str, until: float, idle: Callable[[], None]) -> None:
        if self._waiting >= self._config.waiting_statements:
            raise BusyError(f"{self._waiting} statements are waiting already; try again later")
        self._waiting += 1
        try:
            while not self._free(user):
                if time.monotonic() > until:
                    raise BusyError(f"{len(self._lent)} statements are running already; try again later")
                self._changed.wait(POLL_SECONDS)
                idle()
        finally:
            self._waiting -= 1

    def _give_back(self, engine: Engine, user: str) -> None:
        engine.deadline = float("inf")
        if user != PLANNING:
            engine.idle_since = time.monotonic()
        ended = engine.dead or engine.spent or engine.resident_bytes() > engine.warm_bytes + GROWN_BYTES
        with self._changed:
            kept = engine in self._lent | self._filled and not ended and not self._closed.is_set()
            self._lent.discard(engine)
            self._filled.discard(engine)
            if user != PLANNING:
                self._of_user[user] -= 1
                self._of_user += Counter()  # drops users without statements
            if kept:
                self._idle.append(engine)
            self._changed.notify_all()
        if not kept:
            engine.close()
            self._poked.set()

    def _watch(self) -> None:
        """End engines whose statement is too late, even where the thread that asked is stuck with a slow client."""
        while not self._closed.wait(WATCH_SECONDS):
            now = time.monotonic()
            with self._changed:
                late = [engine for engine in self._lent if now > engine.deadline + LATE_SECONDS]
                for engine in late:
                    engine.late = True
                    engine.kill()
                    self._lent.discard(engine)
                if late:
                    log.warning("ended engines of late statements count=%d", len(late))
                    self._changed.notify_all()

    def _keep(self) -> None:
        """Keep engines ready and filled, and let those go that are too many."""
        while not self._closed.is_set():
            self._poked.wait(KEEP_SECONDS)
            self._poked.clear()
            self._tidy()
            try:
                while self._kept_one():
                    pass
            except LakehouseError as error:
                log.warning("no engine can be kept ready now: %s", error)
                self._closed.wait(LATE_SECONDS)

    def _kept_one(self) -> bool:
        """Do one thing that is due; say whether there was one."""
        with self._changed:
            if self._closed.is_set():
                return False
            total = len(self._idle) + len(self._lent) + self._starting
            most = self._config.concurrent_statements + 1
            lacking = total < max(self._config.warm_engines, min(most, len(self._lent) + 1))
            surplus = None if lacking else self._surplus()
        if lacking:
            engine = self._start()
            with self._changed:
                self._filled.add(engine)
            self._warm_one(engine)
            return True
        if surplus is not None:
            surplus.close()
            return True
        return self._warm_idle()

    def _surplus(self) -> Engine | None:
        """Take out the engine that was idle longest, when there are more than are kept."""
        if len(self._idle) <= max(1, self._config.warm_engines):
            return None
        oldest = self._idle[0]
        if time.monotonic() - oldest.idle_since < IDLE_SECONDS:
            return None
        return self._idle.pop(0)

    def _warm_idle(self) -> bool:
        """Fill idle engines that lack something."""
        with self._changed:
            waiting = list(self._idle)
        done = False
        for engine in waiting:
            with self._changed:
                if engine not in self._idle:
                    continue
                self._idle.remove(engine)
                self._filled.add(engine)
            done = self._warm_one(engine) or done
        return done

    def _warm_one(self, engine: Engine) -> bool:
        filled = False
        try:
            filled = self._warm(engine)
            return filled
        finally:
            if filled or not engine.warm_bytes:
                engine.warm_bytes = engine.resident_bytes()
            self._give_back(engine, PLANNING)
