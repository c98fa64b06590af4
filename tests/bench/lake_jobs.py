"""One job over a lake in a process of its own, so that its memory is known: ``lake_jobs.py JOB WHO LAKE NAME ROWS``.

Prints JSON: seconds of each timed call, the peak of resident memory in MB, and what came out.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import made_rows
import pyarrow as pa
import pyarrow.compute as pc
from lakes import Lake, publish
from pyiceberg.exceptions import CommitFailedException
from sqlalchemy.exc import OperationalError

from lakehouse.adapters.iceberg_history import main_rows
from lakehouse.adapters.iceberg_schema import iceberg_schema
from lakehouse.errors import TransientError

BATCH_ROWS = 1 << 16
POINTS = 7


def spent(run: Callable[[], object], clocks: list[tuple[float, float]]) -> object:
    """Return what a call gives, and note its seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    given = run()
    clocks.append((time.perf_counter() - wall, time.process_time() - cpu))
    return given


def memory_mb(kind: str) -> float:
    """Return the memory in use now (VmRSS), or the most there ever was (VmHWM), as the kernel counts it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) * 1024 / 1e6


class Tally:
    """What rows come to, whatever order and pieces they came in."""

    def __init__(self) -> None:
        self.rows, self.numbers, self.passed, self.letters = 0, 0, 0, 0

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        self.rows += rows.num_rows
        self.numbers += pc.sum(rows["enrolment"]).as_py()
        self.passed += pc.sum(rows["passed"]).as_py()
        self.letters += pc.sum(pc.binary_length(rows["student"])).as_py()

    def told(self) -> list[int]:
        return [self.rows, self.numbers, self.passed, self.letters]


def append(who: str, lake: Lake, name: str, blocks: Iterator[pa.Table]) -> dict[str, object]:
    """Store blocks one after the other; making them is not timed."""
    house, table = lake.house(), made_rows.enrolments(f"bench.{name}")
    house.tables.ensure(table)
    bare = lake.bare(house).create_table(f"bench.bare_{name}", iceberg_schema(table)) if who == "iceberg" else None
    clocks: list[tuple[float, float]] = []
    stored = 0
    for number, rows in enumerate(blocks):
        stored += rows.num_rows
        match who:
            case "plain":
                spent(lambda rows=rows, number=number: lake.write_plain(f"{name}-{number}", rows), clocks)
            case "iceberg":
                spent(lambda rows=rows: bare.append(rows), clocks)
            case "ours":
                spent(lambda rows=rows, number=number: publish(house, table, rows, number), clocks)
        del rows  # else two blocks are in memory while the next one is made
    walls, cpus = zip(*clocks, strict=True)
    return {"clocks": [(sum(walls), sum(cpus))], "result": stored}


def scan(who: str, lake: Lake, name: str) -> dict[str, object]:
    """Read all columns of all rows as Arrow batches, and look at each batch."""
    tally, clocks = Tally(), []
    if who == "plain":
        duck = lake.duck(f"{name}-*")

        def batches() -> Iterator[pa.RecordBatch]:
            yield from duck.execute("select * from plain").to_arrow_reader(BATCH_ROWS)
    else:
        house = lake.house()

        def batches() -> Iterator[pa.Table]:
            with house.tables.opened(f"bench.{name}") as stored:
                yield from main_rows(stored)

    def run() -> None:
        for batch in batches():
            tally.add(batch)

    spent(run, clocks)
    return {"clocks": clocks, "result": tally.told()}


def point(who: str, lake: Lake, name: str, rows: int) -> dict[str, object]:
    """Read single rows by their numbers, which lie all over the table."""
    wanted = [(2 * turn + 1) * rows // (2 * POINTS) for turn in range(POINTS)]
    clocks: list[tuple[float, float]] = []
    if who == "plain":
        duck = lake.duck(f"{name}-*")

        def one(number: int) -> pa.Table:
            return duck.execute("select * from plain where enrolment = $number", {"number": number}).to_arrow_table()
    else:
        house = lake.house()

        def one(number: int) -> pa.Table:
            return house.tables.head(f"bench.{name}", 2, where={"enrolment": str(number)})

    found = [spent(lambda number=number: one(number), clocks) for number in wanted]
    return {"clocks": clocks, "result": [row for rows in found for row in rows.to_pylist()]}


def commits(who: str, lake: Lake, name: str, first: int, count: int) -> dict[str, object]:
    """Append single rows once the line comes that says so, and again whatever was refused."""
    house, refused = lake.house(), 0
    table, warm = made_rows.enrolments(f"bench.{name}"), made_rows.enrolments(f"bench.{name}_warm_{first}")
    bare = lake.bare(house)

    def begin(table) -> Callable[[pa.Table, int], object]:
        if who == "ours":
            house.tables.ensure(table)
            return lambda rows, number: publish(house, table, rows, number)
        stored = bare.create_table_if_not_exists(table.name, iceberg_schema(table))

        def add(rows: pa.Table, _number: int) -> None:
            stored.refresh()
            stored.append(rows)

        return add

    def surely(add: Callable[[pa.Table, int], object], rows: pa.Table, number: int) -> None:
        nonlocal refused
        while True:
            try:
                add(rows, number)
                return
            except (CommitFailedException, OperationalError, TransientError):
                refused += 1

    surely(begin(warm), made_rows.rows(1), 0)
    add, refused = begin(table), 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    clocks: list[tuple[float, float]] = []
    for number in range(first, first + count):
        rows = made_rows.rows(1, first=number)
        spent(lambda rows=rows, number=number: surely(add, rows, number), clocks)
    return {"clocks": clocks, "result": refused}


def main() -> None:
    """Do the job that the arguments name, and say how it went."""
    job, who, lake, name, rows = sys.argv[1], sys.argv[2], Lake.told(sys.argv[3]), sys.argv[4], int(sys.argv[5])
    match job:
        case "append":
            done = append(who, lake, name, made_rows.blocks(rows))
        case "scan":
            done = scan(who, lake, name)
        case "point":
            done = point(who, lake, name, rows)
        case "commits":
            done = commits(who, lake, name, rows, int(sys.argv[6]))
    sys.stdout.write(json.dumps({**done, "peak_mb": memory_mb("VmHWM")}, default=str) + "\n")


if __name__ == "__main__":
    main()
