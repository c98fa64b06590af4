"""Races 32 writers of 100 appends each, on four machines, beside maintenance: ``python -m tests.race 4 8 100``.

An address and a password after these numbers put the catalog into that PostgreSQL, instead of SQLite.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.race.judge import Beside, judge
from tests.race.machines import CARE, Lake, race


def main(machines: int, writers: int, appends: int, database: str, password: str) -> None:
    """Run the race in a temporary folder, judge it, and say how it went."""
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        lake = Lake(Path(folder), database, password)
        beside, start = Beside(lake, CARE), time.monotonic()
        written = race(lake, machines, writers, appends, beside)
        wall_s, own_s = time.monotonic() - start, time.process_time()
        judge(lake, machines * writers * appends)
        sys.stdout.write(
            f"{machines} machines x {writers} writers x {appends} appends: each acknowledged row once; "
            f"{sum(one.refusals for one in written)} refused and repeated; {wall_s:.0f} s, "
            f"{sum(one.cpu_s for one in written):.0f} CPU s of writers, {own_s:.0f} of upkeep; "
            f"upkeep {beside.rounds} rounds, {beside.refused} refused, {beside.compactions} compactions, "
            f"{beside.expired} snapshots expired, {beside.orphans} orphans; {beside.readings} readings\n"
        )


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:4]]
    main(*(sizes + [4, 8, 100][len(sizes) :]), *(sys.argv[4:6] or ("", "")))
