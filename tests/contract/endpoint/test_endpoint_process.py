"""The endpoint as a process of its own: it starts, serves the views on disk, and ends in order."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from lakehouse.adapters.dremio import DremioQueries
from lakehouse.errors import ServiceUnavailableError

PROJECT = Path(__file__).parents[3]
LOADS = "lakehouse.gold.loads"
VIEWS = sorted(file.stem for file in (PROJECT / "lakehouse" / "publish" / "sql").glob("*.sql"))


@pytest.fixture
def process(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("try_endpoint.py")
    command = [sys.executable, script, "--port", str(port), "--user", "ada", "--password", "secret1", "--warehouse"]
    started = subprocess.Popen([*command, tmp_path], stdout=subprocess.DEVNULL)
    queries = DremioQueries(f"grpc://127.0.0.1:{port}", "ada", "secret1")
    deadline = time.monotonic() + 240
    while True:
        try:
            queries.ping()
            break
        except ServiceUnavailableError:
            assert started.poll() is None, "the endpoint ended early"
            assert time.monotonic() < deadline, "the endpoint did not start"
            time.sleep(0.2)
    yield started, queries
    queries.close()
    started.kill()
    started.wait()


def test_every_published_view_works_until_a_signal_ends_the_process_in_order(process):
    started, queries = process
    counts = {view: queries.fetch(f"SELECT COUNT(*) AS n FROM kpi.{view}").to_pylist()[0]["n"] for view in VIEWS}
    assert counts
    assert min(counts.values()) > 0, counts
    started.send_signal(signal.SIGTERM)
    assert started.wait(20) == 0
    with pytest.raises(ServiceUnavailableError, match="lakehouse up"):
        queries.ping()


def test_a_statement_beyond_the_address_space_fails_alone_and_a_killed_endpoint_ends_no_stream_as_if_whole(process):
    started, queries = process
    grown = f"SELECT LENGTH(REPLACE(REPEAT('a', 10000), 'a', '{'b' * 400_000}')) AS n"
    with pytest.raises(ServiceUnavailableError):
        queries.fetch(grown)
    assert started.poll() is None
    assert queries.fetch("SELECT 2 AS n").to_pylist() == [{"n": 2}]
    reader = streamed(
        queries._uri, f"SELECT RPAD('a', 1000, 'x') AS t FROM {', '.join(f'{LOADS} l{n}' for n in range(3))}"
    )
    assert reader.read_chunk().data.num_rows > 0
    started.kill()
    with pytest.raises((pa.ArrowException, OSError)):  # of which Flight's errors are some
        reader.read_all()
    started.wait(20)
    with pytest.raises(ServiceUnavailableError, match="lakehouse up"):
        queries.ping()


def streamed(uri: str, sql: str) -> flight.FlightStreamReader:
    """Ask for rows that come one batch after the other."""
    client = flight.FlightClient(uri)
    options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("ada", "secret1")])
    info = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), options)
    return client.do_get(info.endpoints[0].ticket, options)
