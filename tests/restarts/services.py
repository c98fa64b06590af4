"""Services that are ended, killed or politely, and started again in an order that a seed draws."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service: how it is killed, how it is told to end, and how it is started again where it was."""

    name: str
    kill: Callable[[], None]
    end: Callable[[], None]
    start: Callable[[], None]


def order(services: Sequence[Service], times: int, draw: random.Random) -> Iterator[Service]:
    """Yield so many services in random order, none much more often than another."""
    waiting: list[Service] = []
    for _ in range(times):
        if not waiting:
            waiting = draw.sample(services, len(services))
        yield waiting.pop()


def restart(service: Service, draw: random.Random, *, longest_s: float) -> str:
    """End a service, leave it away for some time, and start it again; return what was done."""
    how = draw.choice(("kill", "end"))
    away_s = draw.uniform(0, longest_s)
    getattr(service, how)()
    time.sleep(away_s)
    service.start()
    return f"{how} {service.name}, away {away_s:.1f} s"
