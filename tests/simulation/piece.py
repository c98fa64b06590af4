"""A piece of many histories, played in a process of its own."""

import time

from tests.simulation.clockwork import simulated
from tests.simulation.histories import play
from tests.simulation.world import Violation

PIECE = 50


def piece(first: int, last: int) -> tuple[list[str], int, int, float]:
    """Play some seeds; return the broken promises, how many points and kills there were, and CPU seconds."""
    broken, points, kills, start = [], 0, 0, time.process_time()
    with simulated():
        for seed in range(first, last):
            try:
                played = play(seed)
            except Violation as violation:
                broken.append(str(violation))
            else:
                points, kills = points + played.ticks, kills + played.kills
    return broken, points, kills, time.process_time() - start
