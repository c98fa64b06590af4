"""SQL through the Flight endpoint, beside DuckDB in this process on the same Parquet files."""

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

SMALL, LARGE, HUGE = 20_000, 1_000_000, 5_000_000
CALLS, CLIENTS = 200, 16
USER, PASSWORD = "ada", "bench password 1"
KEPT = EndpointConfig(users={}, roots=()).kept_seconds
READ_AHEAD = EndpointConfig(users={}, roots=()).ahead_bytes
DUCK, ENDPOINT = "DuckDB in process, on the Parquet files", "the endpoint, over Flight"
ONE_ROW = "select student, mark from {table} where enrolment = 4711"
GROUPS = (
    "select course, count(*) as n, avg(mark) as mean_mark, max(attendance) as best from {table} "
    "group by course order by course"
)
EVERYTHING = "select * from {table}"


def family(pid):
    """Return a process and all that descend from it: the endpoint's engines do its work."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def resident_mb(pids):
    return (
        sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * os.sysconf("SC_PAGE_SIZE") / 1e6
    )


def cpu_ms(pids):
    """Return the processor time of processes, finer than the ticks of /proc/PID/stat (see clock_getcpuclockid)."""
    spent = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):  # an engine that has ended
            spent += time.clock_gettime(~pid << 3 | 2) * 1000
    return spent


class Both:
    """The endpoint in a process of its own, and DuckDB here with as many threads, on the same files."""

    def __init__(self, server, queries, duck, uri, files):
        self.server, self.queries, self.duck, self.uri, self.files = server, queries, duck, uri, files

    def race(self, bench, measure, sql, table, *, repeat=1, rounds=7):
        text = {"theirs": sql.format(table=table), "ours": sql.format(table=f"lakehouse.gold.{table}")}

        def theirs(_turn):
            return lambda: [self.duck.execute(text["theirs"]).to_arrow_table() for _ in range(repeat)][-1]

        def ours(_turn):
            return lambda: [self.queries.fetch(text["ours"]) for _ in range(repeat)][-1]

        contenders = {DUCK: theirs, ENDPOINT: ours}
        results = bench.race(measure, contenders, rounds=rounds, pids=family(self.server.pid), per=repeat)
        return results.values()


@pytest.fixture
def both(request, tmp_path, made_rows, here):
    tables, objects = IcebergTables.local(tmp_path / "tables"), LocalObjects(tmp_path / "objects")
    house = Lakehouse(tables, objects, ReleaseLog(objects))
    sizes = {"small": SMALL, "large": LARGE, "huge": HUGE}
    sizes = {name: sizes[name] for name in request.node.get_closest_marker("tables").args}
    writes = [TableWrite(made_rows.enrolments(f"gold.{name}"), made_rows.rows(count)) for name, count in sizes.items()]
    write_audit_publish(house, writes, key="bench", provenance=Provenance(run_id="bench", code_commit="0" * 40))
    with duckdb.connect(config={"threads": EndpointConfig(users={}, roots=()).threads}) as duck:
        files = {name: list(map(str, (tmp_path / "tables").rglob(f"{name}/data/**/*.parquet"))) for name in sizes}
        for name in sizes:
            duck.from_parquet(files[name]).create_view(name)
        with served(here, tmp_path, KEPT) as (server, queries, uri):
            yield Both(server, queries, duck, uri, files)
    tables.close()


@contextlib.contextmanager
def served(here, lake, kept_seconds, ahead_bytes=0):
    """Serve a lake in a process of its own, with a client of it."""
    numbers = [str(kept_seconds), str(ahead_bytes)]
    command = [sys.executable, str(here / "serve_lake.py"), str(lake), USER, *numbers]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    server.stdin.write(PASSWORD + "\n")
    server.stdin.flush()
    uri = server.stdout.readline().strip()
    queries = DremioQueries(uri, USER, PASSWORD)
    try:
        yield server, queries, uri
    finally:
        queries.close()
        server.stdin.close()
        server.wait(timeout=30)
        server.stdout.close()


@pytest.mark.timeout(600)
@pytest.mark.tables("small", "large")
def test_the_endpoint_answers_as_duckdb_does(bench, both):
    theirs, ours = both.race(bench, f"one row of {SMALL:,} by its number", ONE_ROW, "small", repeat=10)
    assert theirs.to_pylist() == ours.to_pylist()
    theirs, ours = both.race(bench, f"one row of {LARGE:,} by its number", ONE_ROW, "large", repeat=10)
    assert theirs.to_pylist() == ours.to_pylist()
    for name, count in (("small", SMALL), ("large", LARGE)):
        theirs, ours = both.race(bench, f"group-by over {count:,} rows", GROUPS, name, repeat=5)
        assert theirs["course"].to_pylist() == ours["course"].to_pylist()
        assert theirs["n"].to_pylist() == ours["n"].to_pylist()
        assert ours["mean_mark"].to_pylist() == pytest.approx(theirs["mean_mark"].to_pylist())
    fetch = f"fetch of {LARGE:,} rows x 8 columns, read before"
    theirs, ours = both.race(bench, fetch, EVERYTHING, "large")
    speeds = [f"{LARGE / 1000 / bench.walls[fetch, name]:.1f} million rows/s by {name}" for name in (DUCK, ENDPOINT)]
    bench.note(f"{fetch}: {', '.join(speeds)}")
    assert theirs.num_rows == ours.num_rows == LARGE
    in_order = [table.sort_by("enrolment")["mark"].to_pylist() for table in (theirs, ours)]  # files come in any order
    assert in_order[0] == in_order[1]


def milliseconds(run):
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1000


def quantiles(times):
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


@pytest.mark.timeout(600)
@pytest.mark.tables("small")
def test_what_the_endpoint_adds_to_a_small_query(bench, both):
    asked = {
        "DuckDB": lambda number: both.duck.execute(ONE_ROW.format(table="small")).to_arrow_table(),
        "another value each time": lambda number: both.queries.fetch(
            ONE_ROW.replace("4711", str(number)).format(table="lakehouse.gold.small")
        ),
        "another text each time": lambda number: both.queries.fetch(
            f"select student, mark, {number} as n from lakehouse.gold.small where enrolment = 4711"
        ),
        "another expression each time": lambda number: both.queries.fetch(
            f"select student, mark + {number} as n from lakehouse.gold.small where enrolment = 4711"
        ),
        "the same text": lambda _number: both.queries.fetch(ONE_ROW.format(table="lakehouse.gold.small")),
    }
    times = {name: [] for name in asked}
    own, *engines = family(both.server.pid)
    spent = {name: [0.0, 0.0] for name in asked}
    for number in range(-20, CALLS):
        for name, ask in asked.items():
            before = cpu_ms([own]), cpu_ms(engines)
            took = milliseconds(lambda ask=ask, number=number: ask(5000 + number))
            after = cpu_ms([own]), cpu_ms(engines)
            if number >= 0:
                times[name].append(took)
                spent[name] = [sum(one) for one in zip(spent[name], after, map(float.__neg__, before), strict=True)]
    base = quantiles(times.pop("DuckDB"))
    bench.note(f"small query, DuckDB in process: {base[0]:.1f} ms at the median, {base[1]:.1f} ms at the 99th of 100")
    for name, taken in times.items():
        p50, p99 = (mine - theirs for mine, theirs in zip(quantiles(taken), base, strict=True))
        here, there = (one / CALLS for one in spent[name])
        bench.note(
            f"small query, {name}: {p50:.1f} ms added at the median, {p99:.1f} ms at the 99th of 100 calls; processor "
            f"time of the endpoint {here:.1f} ms, of its engines {there:.1f} ms a call"
        )
    assert both.queries.fetch(ONE_ROW.format(table="lakehouse.gold.small")).num_rows == 1


@pytest.mark.timeout(600)
@pytest.mark.tables("small")
def test_many_clients_are_served_without_memory_growing(bench, both):
    clients = [DremioQueries(both.uri, USER, PASSWORD) for _ in range(CLIENTS)]
    text = GROUPS.format(table="lakehouse.gold.small")
    expected = clients[0].fetch(text)["n"].to_pylist()
    for count in (1, CLIENTS):
        held = []
        for _ in range(3):
            begun = time.perf_counter()
            with ThreadPoolExecutor(count) as pool:
                answers = list(pool.map(lambda n, count=count: clients[n % count].fetch(text), range(160)))
            seconds = time.perf_counter() - begun
            held.append(resident_mb([both.server.pid]))
            assert all(answer["n"].to_pylist() == expected for answer in answers)
        bench.note(
            f"{count} clients, group-by over {SMALL:,} rows: {160 / seconds:.0f} statements a second; the "
            f"endpoint's own process held {held[0]:.0f}, {held[1]:.0f}, {held[2]:.0f} MB after each of three turns"
        )
    for client in clients:
        client.close()


BARE = "bare Flight, ready batches"
CEILING = "bare Flight, pyarrow reads the files, nothing checked"
FIRST = "the endpoint, reading for the first time"
READY = "the endpoint, first reading of a table that was read ahead"
AGAIN = "the endpoint, reading again"


@pytest.mark.timeout(1200)
@pytest.mark.tables("huge")
def test_groups_are_counted_from_files_as_duckdb_counts_them(bench, both):
    """In so many turns that their median tells hundredths apart."""
    theirs, ours = both.race(bench, f"group-by over {HUGE:,} rows", GROUPS, "huge", rounds=41)
    assert theirs["n"].to_pylist() == ours["n"].to_pylist()


@pytest.mark.timeout(1200)
@pytest.mark.tables("huge")
def test_everything_comes_as_fast_as_a_bare_flight_stream(bench, both, here, tmp_path):
    ready = tmp_path / "ready.parquet"
    pq.write_table(both.queries.fetch(EVERYTHING.format(table="lakehouse.gold.huge")), ready)
    bare = subprocess.Popen(
        [sys.executable, str(here / "serve_batches.py"), str(ready)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    client = flight.FlightClient(bare.stdout.readline().strip())
    with served(here, tmp_path, 0.0) as (first, first_queries, _):
        readings = FirstReadings(bench, here, tmp_path)
        race_of_fetches(bench, both, client, first_queries, readings, {"first": first.pid, "bare": bare.pid})
    client.close()
    bare.stdin.close()
    bare.wait(timeout=60)
    bare.stdout.close()


class FirstReadings:
    """A new server for each turn, asked once it has read the table ahead."""

    def __init__(self, bench, here, lake):
        self.bench, self.here, self.lake, self.seconds = bench, here, lake, []

    def turn(self, text):
        stack = contextlib.ExitStack()
        server, queries, _ = stack.enter_context(served(self.here, self.lake, KEPT, READ_AHEAD))
        self.seconds.append(float(server.stdout.readline()))
        queries.fetch("select 1")
        pids = family(server.pid)

        def fetch():
            with stack:
                cpu, wall = time.process_time() * 1000 + cpu_ms(pids), time.perf_counter()
                rows = queries.fetch(text)
                wall, cpu = time.perf_counter() - wall, time.process_time() * 1000 + cpu_ms(pids) - cpu
            return self.bench.clocked_elsewhere(rows, wall=wall, cpu=cpu / 1000)

        return fetch


def race_of_fetches(bench, both, bare, first, ready, pids):
    held = {FIRST: pids["first"], AGAIN: both.server.pid}
    before = {name: resident_mb([pid]) for name, pid in held.items()}
    most, watching = dict.fromkeys(held, 0.0), threading.Event()

    def watch():
        while not watching.wait(0.1):
            for name, pid in held.items():
                most[name] = max(most[name], resident_mb([pid]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    measure, text = f"fetch of {HUGE:,} rows x 8 columns", EVERYTHING.format(table="lakehouse.gold.huge")
    contenders = {
        BARE: lambda _turn: lambda: bare.do_get(flight.Ticket(b"")).read_all(),
        DUCK: lambda _turn: lambda: both.duck.execute(EVERYTHING.format(table="huge")).to_arrow_table(),
        CEILING: lambda _turn: lambda: bare.do_get(flight.Ticket("\n".join(both.files["huge"]).encode())).read_all(),
        FIRST: lambda _turn: lambda: first.fetch(text),  # what it kept of it is dropped before its next turn
        READY: lambda _turn: ready.turn(text),
        AGAIN: lambda _turn: lambda: both.queries.fetch(text),
    }
    servers = [*family(both.server.pid), *family(pids["first"]), pids["bare"]]
    theirs, *others = bench.race(measure, contenders, rounds=5, pids=servers).values()
    watching.set()
    watcher.join()
    for name in (DUCK, CEILING, FIRST, READY, AGAIN):
        rate = bench.walls[measure, BARE] / bench.walls[measure, name]
        cost = bench.cpus[measure, BARE] / bench.cpus[measure, name]
        bench.note(f"{measure}, {name}: {rate:.2f} of the rate of {BARE}; by processor time {cost:.2f}")
    bench.note(f"{READY}: ready {statistics.median(ready.seconds):.1f} s after the endpoint was there")
    for name in held:
        bench.note(f"{name}: its own process grew from {before[name]:.0f} to at most {most[name]:.0f} MB")
    assert {one.num_rows for one in (theirs, *others)} == {HUGE}
    for one in others:
        assert pc.sum(theirs["mark"]).as_py() == pytest.approx(pc.sum(one["mark"]).as_py())
