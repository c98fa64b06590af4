"""Instants of a table are cut to the millisecond before, on both sides of 1970 and at the ends of time."""

import duckdb
import pytest
from sqlglot import exp

from lakehouse.endpoint.instants import pinned_column

EDGES = [
    "1970-01-01 00:00:00",
    "1970-01-01 00:00:00.000999",
    "1969-12-31 23:59:59.999999",
    "1969-12-31 23:59:59.999001",
    "1582-10-15 12:00:00.123456",
    "9998-12-31 23:59:59.999999",
    "9999-01-01 00:00:00.000001",
    "290000-01-01 00:00:00.123456",
    "infinity",
    "-infinity",
]


@pytest.fixture
def duck():
    with duckdb.connect() as connection:
        connection.execute("create table made (moment timestamp)")
        connection.executemany("insert into made values (?)", [[edge] for edge in EDGES])
        connection.execute("insert into made values (null)")
        connection.execute(
            "insert into made select timestamp '1969-12-31 23:59:59.9' + to_microseconds(n * 337) from range(1000) r(n)"
        )
        yield connection


def test_instants_are_cut_as_date_trunc_cuts_them(duck):
    shown = (
        exp.select("moment", exp.alias_(pinned_column("moment", "timestamp").this, "shown")).from_("made").sql("duckdb")
    )
    wrong = duck.sql(shown).filter("shown is distinct from date_trunc('millisecond', moment)")
    assert wrong.fetchall() == []
    assert duck.sql(shown).filter("shown <> moment").shape[0] > 900
    assert [str(kind) for kind in duck.sql(shown).types] == ["TIMESTAMP", "TIMESTAMP"]


def test_an_instant_with_a_zone_is_shown_in_utc(duck):
    duck.execute("set TimeZone = 'UTC'")
    column = pinned_column("moment", "timestamp with time zone")
    rows = exp.select(column).from_("(select timestamptz '2026-01-31 12:00:00.0009+02:00' as moment)").sql("duckdb")
    assert duck.sql(f"select cast(moment as varchar) from ({rows})").fetchall() == [("2026-01-31 10:00:00",)]


def test_other_columns_stay_as_they_are():
    assert pinned_column("day", "date").sql("duckdb") == '"day"'
