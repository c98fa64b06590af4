"""A DuckDB that holds every defined table and every view, so that a view's figures can be checked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from lakehouse.publish.views import load_views, parse_view, required_views
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER

OUTCOMES = pa.schema(
    {
        "unitid": pa.int64(),
        "state_abbr": pa.string(),
        "pred_degree_awarded_ipeds": pa.string(),
        "year": pa.int32(),
        "earnings_med": pa.float64(),
        "count_not_working": pa.float64(),
        "count_working": pa.float64(),
        "dataset_version": pa.string(),
        "dataset_commit": pa.string(),
    }
)
SCHEMAS = {table.name: table.arrow_schema() for table in (*REGISTER, *GOLD)} | {
    "silver.college_scorecard_outcomes": OUTCOMES
}
RUN = {"run_id": "run-1", "code_commit": "c0de", "recorded_at": datetime(2026, 1, 2, tzinfo=UTC)}

Rows = Mapping[str, Sequence[Mapping[str, object]]]


@pytest.fixture
def published() -> Callable[[Rows], duckdb.DuckDBPyConnection]:
    """Return a function that loads rows by table name and creates all views over them."""

    def load(rows: Rows) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute("attach ':memory:' as lakehouse")
        for namespace in sorted({name.partition(".")[0] for name in SCHEMAS}):
            connection.execute(f"create schema lakehouse.{namespace}")
        for name, schema in SCHEMAS.items():
            complete = [{field.name: row.get(field.name) for field in schema} for row in rows.get(name, [])]
            connection.register("given", pa.Table.from_pylist(complete, schema=schema))
            connection.execute(f"create table lakehouse.{name} as select * from given")
            connection.unregister("given")
        connection.execute("create schema kpi")
        _create_views(connection)
        return connection

    return load


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    waiting = dict(load_views())
    while waiting:
        ready = [name for name, view in waiting.items() if not required_views(view.sql) & set(waiting)]
        assert ready, f"views read each other in a circle: {sorted(waiting)}"
        for name in ready:
            text = parse_view(waiting.pop(name).sql).sql(dialect="duckdb")
            connection.execute(f"create view {name} as {text}")
