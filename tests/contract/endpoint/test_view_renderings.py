"""Each published view says the same as Dremio gets it, through the endpoint, and rendered as plain DuckDB SQL."""

import datetime as dt
from decimal import Decimal

import duckdb
import pytest
import yaml

from lakehouse.adapters.dremio import DremioQueries
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.publish.dictionary import FIGURES
from lakehouse.publish.views import at_snapshots, in_reading_order, load_views, parse_view
from lakehouse.tables.release import View

USER, PASSWORD = "ada", "correct horse battery 1"
VIEWS = load_views()


@pytest.fixture(scope="module")
def published(load, tmp_path_factory):
    sample = load("sample_lake")
    lake = sample.SampleLake(tmp_path_factory.mktemp("views"))
    release = sample.everything(lake, {name: view.sql for name, view in VIEWS.items()})
    yield lake, release
    lake.close()


@pytest.fixture(scope="module")
def dremio(published):
    """The endpoint, asked with the text that a Dremio gets: every table at its snapshot."""
    lake, release = published
    snapshots = {name: pointer.snapshot_id for name, pointer in release.tables.items()}
    server = serve(EndpointConfig(users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0), lake.releases)
    queries = DremioQueries(server.uri, USER, PASSWORD)
    yield lambda view: queries.fetch(at_snapshots(view.sql, snapshots))
    queries.close()
    server.stop()


@pytest.fixture(scope="module")
def plain(published):
    """A DuckDB of its own, with sqlglot's rendering of the views, which knows nothing of the endpoint's dialect."""
    lake, release = published
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("attach ':memory:' as lakehouse")
    for name in release.tables:
        connection.register("given", lake.catalog.load_table(name).scan().to_arrow())
        connection.execute(f"create schema if not exists lakehouse.{name.partition('.')[0]}")
        connection.execute(f"create table lakehouse.{name} as select * from given")
        connection.unregister("given")
    connection.execute("create schema kpi")
    for view in in_reading_order(VIEWS):
        connection.execute(f"create view {view.name} as {parse_view(view.sql).sql('duckdb')}")
    yield lambda view: connection.sql(f"from {view.name}").to_arrow_table()
    connection.close()


def comparable(value):
    """Return a value without what only its way here decides: zones, microseconds, the last digits of sums."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None, microsecond=value.microsecond // 1000 * 1000).isoformat()
    if isinstance(value, float | Decimal):
        return float(f"{value:.9g}")
    return str(value) if isinstance(value, dt.date) else value


def rows(table):
    found = [tuple(comparable(value) for value in row.values()) for row in table.to_pylist()]
    return sorted(found, key=repr)


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_view_gives_the_same_rows_in_both_renderings(dremio, plain, name):
    from_dremio, from_duckdb = dremio(VIEWS[name]), plain(VIEWS[name])
    assert from_dremio.column_names == from_duckdb.column_names
    assert rows(from_dremio) == rows(from_duckdb)
    assert from_dremio.num_rows > 0


@pytest.mark.parametrize("dataset", sorted(path.stem for path in FIGURES.glob("*.yaml")))
def test_the_figures_of_a_dashboard_are_empty_where_there_are_no_rows_instead_of_an_error(dremio, dataset):
    metrics = yaml.safe_load((FIGURES / f"{dataset}.yaml").read_text(encoding="utf-8")).get("metrics") or {}
    for name, metric in metrics.items():
        (row,) = dremio(
            View("kpi.asked", f"select {metric['sql']} as figure from kpi.{dataset} where 1 = 0")
        ).to_pylist()
        assert row["figure"] in {None, 0}, name
