"""Engine processes: caged, bounded, and replaced without anybody else noticing."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import BusyError, DeadlineError
from lakehouse.endpoint.server import serve
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[3]
USERS = {"ada": "pass-ada", "bob": "pass-bob"}
NUMBERS = "lakehouse.gold.numbers"
MANY = f"SELECT a.n AS n, b.n AS m FROM {NUMBERS} a CROSS JOIN {NUMBERS} b CROSS JOIN {NUMBERS} c"
# So wide that no buffer on the way holds more than a small part: it runs until its client has read it, or is ended.
WIDE = f"SELECT RPAD(CAST(a.n AS VARCHAR), 1000, 'x') AS t FROM {NUMBERS} a CROSS JOIN {NUMBERS} b"
ENDLESS = f"SELECT COUNT(*) FROM {NUMBERS} a, {NUMBERS} b, {NUMBERS} c, {NUMBERS} d WHERE a.n + b.n + c.n <> d.n + 1"
MIB = 1024**2


@pytest.fixture(scope="module")
def numbers(tmp_path_factory, lake):
    made = type(lake)(tmp_path_factory.mktemp("numbers"))
    made.publish([made.write("gold.numbers", pa.table({"n": pa.array(range(1000), pa.int64())}))])
    yield made
    made.close()


@pytest.fixture(scope="module")
def limits():
    return {"concurrent_statements": 2, "statements_per_user": 1, "waiting_statements": 1, "queue_seconds": 60.0}


@pytest.fixture(scope="module")
def small(numbers, limits):
    config = EndpointConfig(
        users=USERS, roots=(str(numbers.warehouse),), port=0, poll_seconds=0.0, statement_seconds=60.0,
        warm_engines=1, result_rows=1_000_000, **limits,
    )  # fmt: skip
    server = serve(config, numbers.releases)
    yield server
    server.stop()


@pytest.fixture
def ada(small, new_client):
    return new_client(uri=small.uri, user="ada", password="pass-ada")


@pytest.fixture
def bob(small, new_client):
    return new_client(uri=small.uri, user="bob", password="pass-bob")


def test_a_killed_engine_costs_its_own_statement_only(small, ada, bob):
    stream = ada.stream(WIDE)
    stream.read_chunk()
    (busy,) = small.running_engines
    other = bob.stream(f"SELECT n FROM {NUMBERS} ORDER BY n")
    os.kill(busy, signal.SIGKILL)
    with pytest.raises(flight.FlightUnavailableError, match="ask for fewer rows"):
        stream.read_all()
    assert other.read_all()["n"].to_pylist() == list(range(1000))
    assert ada.values(f"SELECT SUM(n) FROM {NUMBERS}") == [(499_500,)]
    assert busy not in small.engines


def test_a_result_with_too_many_rows_is_a_resource_error(ada):
    with pytest.raises(flight.FlightUnavailableError, match="more than 1000000 rows; add a LIMIT"):
        ada.fetch(MANY)
    assert ada.values("SELECT 1") == [(1,)]


def test_a_user_takes_no_more_than_a_share_and_the_queue_is_bounded(small, ada, bob, new_client):
    first = ada.stream(WIDE)
    first.read_chunk()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ada.values("SELECT 1 + 1 AS two")))
    waiting.start()
    wait_until(lambda: small.waiting == 1)
    assert bob.values(f"SELECT COUNT(*) FROM {NUMBERS}") == [(1000,)], "another user has a place"
    third = new_client(uri=small.uri, user="ada", password="pass-ada")
    with pytest.raises(flight.FlightUnavailableError, match="waiting already"):
        third.fetch("SELECT 1")
    assert answers == []
    first.cancel()
    waiting.join(60)
    assert answers == [[(2,)]]


def test_a_client_that_does_not_read_keeps_no_engine_beyond_the_deadline(numbers, new_client):
    config = EndpointConfig(
        users=USERS, roots=(str(numbers.warehouse),), port=0, statement_seconds=5.0, concurrent_statements=1,
        queue_seconds=60.0, warm_engines=1,
    )  # fmt: skip
    server = serve(config, numbers.releases)
    try:
        stuck = new_client(uri=server.uri, user="ada", password="pass-ada").stream(MANY)
        wait_until(lambda: server.running == 1)
        assert new_client(uri=server.uri, user="bob", password="pass-bob").values("SELECT 1") == [(1,)]
        with pytest.raises(flight.FlightTimedOutError):
            stuck.read_all()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def duck(numbers):
    """Engines without the parser and the allow-list before them."""
    config = EndpointConfig(
        users={}, roots=(str(numbers.warehouse),), memory_limit="200MB", address_space_bytes=2500 * MIB,
        statement_seconds=2.0, warm_engines=1,
    )  # fmt: skip
    duck = Duck(config)
    yield duck
    duck.close()


def rows(duck, sql, kind="int64"):
    batches = duck.stream("ada", sql, pa.schema([("v", kind)]), lambda: None, lambda: None)
    return pa.Table.from_batches(list(batches))


@pytest.mark.parametrize(
    "sql",
    [
        "select len(range(2000000000)) as v",
        "select len(repeat('a', 2000000000) || repeat('b', 2000000000)) as v",
        "select len(list(i)) as v from range(2000000000) t(i)",
    ],
)
def test_memory_that_duckdb_does_not_count_ends_at_the_kernels_limit(duck, sql):
    with pytest.raises((BusyError, DeadlineError, MemoryError, duckdb.OutOfMemoryException)):
        rows(duck, sql)
    assert rows(duck, "select 1::bigint as v")["v"].to_pylist() == [1]


def test_a_statement_that_ignores_interrupts_is_killed_at_its_deadline(duck):
    with pytest.raises(DeadlineError):
        rows(duck, "select count(*) as v from range(100000000000) t(i) where i % 7 = 9")
    assert rows(duck, "select 1::bigint as v")["v"].to_pylist() == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "select content from read_text('/etc/passwd')",
        "select content from read_text('/proc/self/environ')",
        "copy (select 1) to '/tmp/stolen.csv'",
        "attach '/tmp/x.db' as x",
        "set memory_limit = '100GB'",
        "load httpfs",
        "install spatial",
        "select content from read_text('https://example.org/')",
    ],
)
def test_a_statement_past_the_allow_list_meets_the_locked_engine(duck, sql):
    with pytest.raises(Exception, match=r"(?i)disabled|permission|cannot|not allowed|locked|denied|missing"):
        rows(duck, sql, "string")
    assert not Path("/tmp/stolen.csv").exists()


CAGED = """
import os, socket, sys
from lakehouse.endpoint.cage import Cage
inside, outside = sys.argv[1:3]
held = Cage((inside,), None, 4 * 1024**3).enter()
def tried(what):
    try:
        what()
    except OSError as error:
        return error.errno in (1, 13)
    return False
def read(path):
    with open(path, "rb") as file:
        return file.read()
assert read(os.path.join(inside, "table")) == b"rows"
print(held, [
    tried(lambda: read(os.path.join(outside, "secret"))),
    tried(lambda: read(os.path.join(inside, "..", "secret"))),
    tried(lambda: open(os.path.join(inside, "new"), "wb")),
    tried(lambda: os.listdir("/")),
    tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    tried(lambda: os.kill(os.getppid(), 0)),
    tried(lambda: os.execv("/bin/true", ["/bin/true"])),
])
"""


def test_the_cage_leaves_only_the_table_folder_to_read(tmp_path):
    inside = tmp_path / "tables"
    inside.mkdir()
    (inside / "table").write_bytes(b"rows")
    (tmp_path / "secret").write_bytes(b"secret")
    done = subprocess.run(
        [sys.executable, "-c", CAGED, inside, tmp_path], capture_output=True, text=True, check=False, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr
    held, _, tries = done.stdout.partition("] [")
    if "landlock" not in held or "seccomp" not in held:
        pytest.skip(f"this kernel offers less: {held}")
    assert tries.strip() == "True, True, True, True, True, True, True]"


def test_engines_know_nothing_of_this_processs_environment_and_end_with_it(small, ada):
    assert ada.values("SELECT 1") == [(1,)]
    names = {line.split("=")[0] for line in Path(f"/proc/{small.engines[0]}/environ").read_text().split("\0") if line}
    assert names <= {"PYTHONPATH", "LC_ALL", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX", "LC_CTYPE"}


SPOKEN = """
import logging, sys
from pathlib import Path
from lakehouse.endpoint.process import EngineDiedError, Nursery
logging.basicConfig(stream=sys.stderr)
if __name__ == "__main__":
    nursery = Nursery(())
    engine = nursery.fork()
    engine.begin({"cage": {"roots": [], "port": None, "address_space_bytes": 4 * 1024**3}, "setup": [], "nice": 0})
    try:
        list(engine.ask({"what": "run"}, idle=lambda: None))  # names nothing to drop, which no endpoint does
    except EngineDiedError:
        engine.close()
        nursery.close()
        nursery.heard.join(60)
"""


def test_the_last_words_of_an_engine_are_logged_even_where_this_process_writes_to_a_file(tmp_path):
    """An engine may write to no file, and so could not say what ended it where standard error is one."""
    with (tmp_path / "log").open("wb") as file:
        subprocess.run([sys.executable, "-c", SPOKEN], stderr=file, check=True, cwd=PROJECT, timeout=240)
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "an SQL engine said: Traceback" in said
    assert "an SQL engine said: KeyError: 'drop'" in said
