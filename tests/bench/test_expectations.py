"""Judging the promises of a million rows with Polars, beside the same counts by DuckDB and by pandera."""

from datetime import UTC, datetime

import duckdb
import numpy as np
import pandera.polars as pp
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.tables.expectations.judge import judge
from lakehouse.tables.expectations.kinds import TableExpectations

ROWS = 1_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = {"severity": "warning", "reason": "To be measured."}
EXPECT = {
    "PRESENT": {"check": "present", "column": "score", **SAID},
    "BETWEEN": {"check": "between", "column": "score", "minimum": 0, "maximum": 100, **SAID},
    "ONE_OF": {"check": "one_of", "column": "level", "values": ["low", "middle", "high"], **SAID},
    "MATCHES": {"check": "matches", "column": "code", "pattern": "^[A-Z]{2}[0-9]{4}$", **SAID},
    "NOT_ABOVE": {"check": "not_above", "column": "score", "other": "most", **SAID},
    "UNIQUE": {"check": "unique", "columns": ["number"], **SAID},
}
COUNTS = """
select
    count(*) - count(score) as present,
    count(*) filter (where score < 0 or score > 100) as between_bounds,
    count(*) filter (where level not in ('low', 'middle', 'high')) as one_of,
    count(*) filter (where not regexp_matches(code, '^[A-Z]{2}[0-9]{4}$')) as matching,
    count(*) filter (where score > most) as not_above,
    count(*) - count(distinct number) as repeated
from made_rows
"""


def made_rows() -> pa.Table:
    draw = np.random.default_rng(7)
    score = draw.integers(-1, 102, ROWS)
    level = np.array(["low", "middle", "high", "none"])[draw.choice(4, ROWS, p=[0.4, 0.3, 0.29, 0.01])]
    number = np.arange(ROWS)
    number[: ROWS // 1000] = 5
    return pa.table(
        {
            "number": number,
            "score": pa.array(score, mask=draw.random(ROWS) < 0.01),
            "most": np.full(ROWS, 99),
            "level": pa.array(level, pa.string()),
            "code": pa.array(
                np.char.add(np.where(draw.random(ROWS) < 0.01, "a", "AB"), draw.integers(1000, 9999, ROWS).astype(str))
            ),
        }
    )


def by_pandera(rows: pa.Table) -> int:
    schema = pp.DataFrameSchema(
        {
            "score": pp.Column(checks=[pp.Check.in_range(0, 100)], nullable=False),
            "level": pp.Column(checks=[pp.Check.isin(["low", "middle", "high"])]),
            "code": pp.Column(checks=[pp.Check.str_matches(r"^[A-Z]{2}[0-9]{4}$")]),
            "number": pp.Column(unique=True),
        }
    )
    frame = pl.from_arrow(rows)
    try:
        schema.validate(frame, lazy=True)
    except pp.errors.SchemaErrors as errors:
        return int(errors.failure_cases.height)
    return 0


@pytest.mark.timeout(600)
def test_promises_are_judged_as_fast_as_the_same_counts_in_sql(bench):
    rows = made_rows()
    promised = TableExpectations.model_validate({"about": "Made.", "owner": "team:x", "expect": EXPECT})

    def ours(_turn):
        return lambda: [v.unexpected for v in judge(rows, promised, history={}, now=NOW).verdicts]

    def duck(_turn):
        connection = duckdb.connect()
        connection.register("made_rows", rows)
        return lambda: list(connection.execute(COUNTS).fetchone())

    results = bench.race(
        f"six promises of {ROWS:,} rows",
        {
            "DuckDB counts the same in SQL": duck,
            "`expectations.judge`, by Polars": ours,
            "pandera on Polars, five of the six": lambda _turn: lambda: by_pandera(rows),
        },
    )
    in_sql, judged, named = results.values()
    assert judged == in_sql
    assert all(count > 0 for count in judged)
    assert named > 0
