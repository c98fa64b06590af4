"""Races 32 writers of 100 appends each, on four machines, beside maintenance: ``python -m tests.race 4 8 100``.

``postgresql`` after these numbers puts the catalog into a PostgreSQL that is started for it, instead of into SQLite.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.race.judge import Beside, judge
from tests.race.machines import CARE, Lake, race
from tests.servers import running_postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def main(machines: int, writers: int, appends: int, catalog: str) -> None:
    """Run the race in a temporary folder, judge it, and say how it went."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="race-"))
        lake = Lake(Path(folder))
        if catalog == POSTGRESQL:
            server = stack.enter_context(running_postgres())
            lake = Lake(Path(folder), server.uri, server.password)
        beside, start = Beside(lake, CARE), time.monotonic()
        written = race(lake, machines, writers, appends, beside)
        wall_s, own_s = time.monotonic() - start, time.process_time()
        judge(lake, machines * writers * appends)
        sys.stdout.write(
            f"{catalog}: {machines} machines x {writers} writers x {appends} appends: each acknowledged row once; "
            f"{sum(one.refusals for one in written)} refused and repeated; {wall_s:.0f} s, "
            f"{sum(one.cpu_s for one in written):.0f} CPU s of writers, {own_s:.0f} of upkeep; "
            f"upkeep {beside.rounds} rounds, {beside.refused} refused, {beside.compactions} compactions, "
            f"{beside.expired} snapshots expired, {beside.orphans} orphans; {beside.readings} readings\n"
        )


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:4]]
    named = sys.argv[4:5] or [SQLITE]
    if named[0] not in (SQLITE, POSTGRESQL):
        sys.exit(f"{named[0]!r} is no catalog for a race; name {SQLITE} or {POSTGRESQL}")
    main(*(sizes + [4, 8, 100][len(sizes) :]), named[0])
