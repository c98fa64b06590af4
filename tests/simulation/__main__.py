"""Plays seeded histories: ``python -m tests.simulation 10000 [first seed] [processes]``; exit code 1 names seeds."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.piece import PIECE, piece


def main(count: int, first: int, processes: int) -> int:
    """Play `count` histories; return the exit code."""
    broken, points, kills, cpu_s, done, last = [], 0, 0, 0.0, 0, first + count
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        pieces = {
            pool.submit(piece, at, min(at + PIECE, last)): min(PIECE, last - at) for at in range(first, last, PIECE)
        }
        for one in as_completed(pieces):
            found, more_points, more_kills, more_s = one.result()
            broken += found
            points, kills, cpu_s, done = points + more_points, kills + more_kills, cpu_s + more_s, done + pieces[one]
            for line in found:
                sys.stdout.write(f"{line}\n")
            sys.stdout.write(f"{done} of {count} histories, {len(broken)} with a broken promise\n")
            sys.stdout.flush()
    sys.stdout.write(
        f"seeds {first} to {last - 1}: {points} points where faults could come, {kills} kills, {cpu_s:.0f} CPU s, "
        f"{len(broken)} broken promises\n"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [10_000, 0, os.cpu_count() or 1][len(given) :])))
