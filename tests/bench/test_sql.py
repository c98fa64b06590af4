"""SQL through the Flight endpoint, beside DuckDB in this process on the same Parquet files."""

import subprocess
import sys

import duckdb
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

SMALL, LARGE = 20_000, 1_000_000
USER, PASSWORD = "ada", "bench password 1"
DUCK, ENDPOINT = "DuckDB in process, on the Parquet files", "the endpoint, over Flight"
ONE_ROW = "select student, mark from {table} where enrolment = 4711"
GROUPS = (
    "select course, count(*) as n, avg(mark) as mean_mark, max(attendance) as best from {table} "
    "group by course order by course"
)
EVERYTHING = "select * from {table}"


class Both:
    """The endpoint in a process of its own, and DuckDB here with as many threads, on the same files."""

    def __init__(self, server, queries, duck):
        self.server, self.queries, self.duck = server, queries, duck

    def race(self, bench, measure, sql, table, *, repeat=1):
        text = {"theirs": sql.format(table=table), "ours": sql.format(table=f"lakehouse.gold.{table}")}

        def theirs(_turn):
            return lambda: [self.duck.execute(text["theirs"]).to_arrow_table() for _ in range(repeat)][-1]

        def ours(_turn):
            return lambda: [self.queries.fetch(text["ours"]) for _ in range(repeat)][-1]

        contenders = {DUCK: theirs, ENDPOINT: ours}
        results = bench.race(measure, contenders, pids=[self.server.pid], per=repeat)
        return results.values()


@pytest.fixture
def both(tmp_path, made_rows, here):
    tables, objects = IcebergTables.local(tmp_path / "tables"), LocalObjects(tmp_path / "objects")
    house = Lakehouse(tables, objects, ReleaseLog(objects))
    sizes = {"small": SMALL, "large": LARGE}
    writes = [TableWrite(made_rows.enrolments(f"gold.{name}"), made_rows.rows(count)) for name, count in sizes.items()]
    write_audit_publish(house, writes, key="bench", provenance=Provenance(run_id="bench", code_commit="0" * 40))
    command = [sys.executable, str(here / "serve_lake.py"), str(tmp_path), USER]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    server.stdin.write(PASSWORD + "\n")
    server.stdin.flush()
    queries = DremioQueries(server.stdout.readline().strip(), USER, PASSWORD)
    with duckdb.connect(config={"threads": EndpointConfig(users={}, roots=()).threads}) as duck:
        for name in sizes:
            files = list((tmp_path / "tables").rglob(f"{name}/data/**/*.parquet"))
            duck.from_parquet([str(file) for file in files]).create_view(name)
        yield Both(server, queries, duck)
    queries.close()
    tables.close()
    server.stdin.close()
    server.wait(timeout=30)
    server.stdout.close()


@pytest.mark.timeout(300)
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
    fetch = f"fetch of {LARGE:,} rows x 8 columns"
    theirs, ours = both.race(bench, fetch, EVERYTHING, "large")
    speeds = [f"{LARGE / 1000 / bench.walls[fetch, name]:.1f} million rows/s by {name}" for name in (DUCK, ENDPOINT)]
    bench.note(f"{fetch}: {', '.join(speeds)}")
    assert theirs.num_rows == ours.num_rows == LARGE
    assert theirs["mark"].to_pylist() == ours["mark"].to_pylist()
