"""Slows down who guesses passwords: each new wrong one makes the next be looked at later."""

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

FREE = 3
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
FORGOTTEN_SECONDS = 900.0
MAX_NAMES = 10_000
"""How many names that nobody has are remembered; those of users are always."""
LONG_PASSWORD = 20
"""Letters of a password that nobody guesses, however often he may try."""


@dataclass(slots=True)
class Misses:
    """How many different wrong passwords came for a name, when the last one did, and digests of the last ones."""

    count: int = 0
    at: float = 0.0
    last: tuple[bytes, ...] = ()


class Judged(NamedTuple):
    """Whether a password lets its user in, else for how long none is looked at, and whether it was a new wrong one."""

    right: bool
    wait_seconds: float
    new: bool


class Throttle:
    """Counts the wrong passwords of each name, known or not. Any thread may use it.

    The first few cost nothing; each one after that makes the name wait twice as long, for at most `LONGEST_SECONDS`.
    What comes earlier is not looked at: whether it was right is not told. A right one of `LONG_PASSWORD` letters or
    more lets in even then, so that nobody keeps its user out by guessing. Names are counted apart, so who guesses at
    one makes no other wait, and names without end push no user's count out. A password that was wrong just before is
    no new guess: a program that was told an old one sends it over and over, and must not keep its own user waiting.
    """

    def __init__(self, users: Container[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._users = users
        self._misses: dict[str, Misses] = {}
        self._strangers: OrderedDict[str, Misses] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def judge(self, name: str, password: str, *, right: bool) -> Judged:
        """Say what becomes of a password that came for a name, and remember it where it is wrong.

        Judged one after the other: guesses that come at once are not let through together.
        """
        now, digest = self._clock(), hmac.new(self._key, f"{name}\0{password}".encode(), sha256).digest()
        with self._lock:
            known = (self._misses if name in self._users else self._strangers).get(name, Misses())
            if now - known.at > FORGOTTEN_SECONDS:
                known = Misses()
            if digest in known.last:
                return Judged(right=False, wait_seconds=0.0, new=False)
            wait = known.at + _delay(known.count) - now
            if wait > 0.0 and not (right and len(password) >= LONG_PASSWORD):
                return Judged(right=False, wait_seconds=wait, new=False)
            self._remember(name, known, digest, now, right=right)
            return Judged(right=right, wait_seconds=0.0, new=not right)

    def _remember(self, name: str, known: Misses, digest: bytes, now: float, *, right: bool) -> None:
        if right:
            # Whoever guesses beside the user who has come gets no more than one guess without a delay for it.
            known = Misses(min(known.count, FREE), known.at, known.last)
        else:
            known = Misses(known.count + 1, now, (*known.last, digest)[-FREE:])
        if name in self._users:
            self._misses[name] = known
        elif known.count:
            self._strangers[name] = known
            self._strangers.move_to_end(name)
            if len(self._strangers) > MAX_NAMES:
                self._strangers.popitem(last=False)


def _delay(count: int) -> float:
    return 0.0 if count <= FREE else min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(count - FREE - 1, 30))
