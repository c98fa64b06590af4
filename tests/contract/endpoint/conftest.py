"""A served sample lake for the tests in this folder."""

import importlib.util
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve

HERE = Path(__file__).parent


def load(name):
    """Import a module of this folder: pytest's importlib mode leaves the folder off the path."""
    full = f"endpoint_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]


sample = load("sample_lake")
# A password of twenty letters or more: what other tests guess wrong at this server keeps no test out.
USER, PASSWORD = "ada", "correct horse battery 1"
VIEWS = {
    "kpi.outcomes_by_year": (
        'select "year", count(*) as institutions, avg(earnings_med) as mean_earnings '
        'from lakehouse.silver.college_scorecard_outcomes group by "year"'
    ),
    "kpi.best_years": 'select "year" from kpi.outcomes_by_year where mean_earnings > 0',
    "kpi.broken": "select nothing from lakehouse.gold.absent",
}


def pytest_addoption(parser):
    parser.addoption("--soak-seconds", type=float, default=5.0, help="how long the endpoint is under mixed load")


class Client:
    """The calls a Dremio client makes, with pyarrow."""

    def __init__(self, uri, user=USER, password=PASSWORD, headers=()):
        self.flight = flight.FlightClient(uri)
        token = self.flight.authenticate_basic_token(user, password)
        self.options = flight.FlightCallOptions(headers=[token, *headers])

    def info(self, sql):
        return self.flight.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), self.options)

    def stream(self, sql):
        return self.flight.do_get(self.info(sql).endpoints[0].ticket, self.options)

    def fetch(self, sql) -> pa.Table:
        return self.stream(sql).read_all()

    def values(self, sql):
        return [tuple(row.values()) for row in self.fetch(sql).to_pylist()]

    def close(self):
        self.flight.close()


@pytest.fixture(scope="session", name="load")
def loader():
    """How a test gets a module of this folder."""
    return load


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    lake = sample.SampleLake(tmp_path_factory.mktemp("lake"))
    sample.everything(lake, VIEWS, rows=40)
    yield lake
    lake.close()


@pytest.fixture(scope="session")
def config(lake):
    return EndpointConfig(
        users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0, poll_seconds=0.0, statement_seconds=20.0
    )


@pytest.fixture(scope="session")
def server(lake, config):
    server = serve(config, lake.releases)
    yield server
    server.stop()


@pytest.fixture
def client(server):
    client = Client(server.uri)
    yield client
    client.close()


@pytest.fixture
def new_client(server):
    made = []

    def make(**options):
        made.append(Client(options.pop("uri", server.uri), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def own_lake(tmp_path):
    """A lake of its own for tests that publish, with a way to serve it."""
    lake = sample.SampleLake(tmp_path)
    servers = []

    def start(**options):
        settings = {"poll_seconds": 0.0, "statement_seconds": 20.0, "warm_engines": 1, "ahead_bytes": 0} | options
        config = EndpointConfig(users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0, **settings)
        servers.append(serve(config, lake.releases))
        return servers[-1]

    lake.serve = start
    yield lake
    for server in servers:
        server.stop()
    lake.close()


@pytest.fixture
def own_server(lake):
    """Serve the shared lake with other limits."""
    servers = []

    def start(**options):
        config = EndpointConfig(
            users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0, **{"warm_engines": 1, **options}
        )
        servers.append(serve(config, lake.releases))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
