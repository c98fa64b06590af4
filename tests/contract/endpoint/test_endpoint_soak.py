"""Mixed load with abandoned, cancelled, failing and endless statements: nobody crashes, nothing stays.

Runs for five seconds; `pytest tests/contract/endpoint/test_endpoint_soak.py --soak-seconds 600` for longer.
"""

import contextlib
import gc
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve

USERS = {name: f"pass-{name}" for name in ("ada", "bob", "cy", "di")}
BIG = "lakehouse.gold.documents"
MANY = f"SELECT a.* FROM {BIG} a, {BIG} b, {BIG} c"
# 40 rows to the eighth power: no machine is through with them in time.
ENDLESS = (
    f"SELECT COUNT(*) FROM {BIG} a, {BIG} b, {BIG} c, {BIG} d, {BIG} e, {BIG} f, {BIG} g, {BIG} h "
    "WHERE a.text <> b.text || h.text"
)
MIB = 1024**2


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counted(client, number):
    assert client.values(f"SELECT COUNT(*) + {number} FROM {BIG}") == [(40 + number,)]


def cancelled(client, _number):
    stream = client.stream(MANY)
    stream.read_chunk()
    stream.cancel()


def dropped(client, _number):
    client.stream(MANY).read_chunk()


def whole(client, _number):
    assert client.fetch(f"SELECT * FROM {BIG}").num_rows == 40


def half_read(client, _number):
    client.stream(f"SELECT * FROM {BIG}").read_chunk()


def planned(client, number):
    client.info(f"SELECT {number} AS n")


def failed(client, _number):
    with pytest.raises(pa.ArrowInvalid, match="divide by zero"):
        client.fetch(f"SELECT byte_count / 0 FROM {BIG}")


def refused(client, _number):
    with pytest.raises(pa.ArrowInvalid):
        client.fetch("SELECT * FROM read_text('/etc/passwd')")


def hurried(client, _number):
    options = flight.FlightCallOptions(headers=client.options_headers, timeout=0.3)
    with contextlib.suppress(flight.FlightError, pa.ArrowException):
        ticket = client.info(ENDLESS).endpoints[0].ticket
        client.flight.do_get(ticket, options).read_all()


def late(client, _number):
    with pytest.raises((flight.FlightTimedOutError, flight.FlightUnavailableError)):
        client.fetch(ENDLESS)


DEEDS = (
    *(counted, counted, counted, whole, half_read),
    *(cancelled, dropped, planned, failed, refused, hurried, late),
)


def busy(client, seed, until, done, wrong):
    chance = random.Random(seed)
    while time.monotonic() < until:
        deed = chance.choice(DEEDS)
        try:
            deed(client, chance.randrange(100))
            done[deed.__name__] += 1
        except (flight.FlightUnavailableError, flight.FlightTimedOutError):  # a loaded machine: told to come again
            done["told to come again"] += 1
        except Exception as error:  # noqa: BLE001 (a thread's failure is the test's)
            wrong.append((deed.__name__, error))
            return


@pytest.mark.timeout(0)
def test_mixed_load_leaves_nothing_behind(lake, new_client, request):
    seconds = request.config.getoption("--soak-seconds", default=5.0)
    config = EndpointConfig(
        users=USERS, roots=(str(lake.warehouse),), port=0, statement_seconds=3.0, concurrent_statements=2,
        statements_per_user=1, queue_seconds=20.0, warm_engines=1, cache_bytes=0, cache_table_bytes=0, kept_seconds=0.5,
    )  # fmt: skip
    server = serve(config, lake.releases)
    try:
        clients = [new_client(uri=server.uri, user=name, password=USERS[name]) for name in USERS]
        for (name, password), client in zip(USERS.items(), clients, strict=True):
            client.options_headers = [client.flight.authenticate_basic_token(name, password)]
            counted(client, 0)
        before, done, wrong = resident(), Counter(), []
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=busy, args=(client, seed, until, done, wrong))
            for seed, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert done["counted"]
        deadline = time.monotonic() + 120
        while server.running or server.waiting:
            assert time.monotonic() < deadline, "a statement is left running"
            time.sleep(0.05)
        gc.collect()
        grown = (resident() - before) / MIB
        sys.stdout.write(f"soak seconds={seconds:g} deeds={dict(done)} grown_mb={grown:.0f} engines={server.engines}\n")
        assert grown < 200
        # One more plans, and one may just be filled to be ready.
        assert len(server.engines) <= config.concurrent_statements + 2
        counted(clients[0], 1)
    finally:
        server.stop()
