"""The project's own tables are held to their promises before rows are published, and looked at again every day."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pytest

from assets.house import commit, read_released
from assets.promises import health
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import BrokenPromiseError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.expectations.book import Expectations, read_expectations
from lakehouse.tables.expectations.kinds import TableExpectations
from lakehouse.tables.expectations.own_writes import broken_by_writes, history_of
from lakehouse.tables.gold import DRIFT, EVALUATIONS, LOADS
from lakehouse.tables.health import EXPECTATION_RESULTS
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse

NOW = datetime(2026, 11, 27, tzinfo=UTC)
HERE = Provenance(run_id="test", code_commit="c" * 40)
RUN = {"run_id": "test", "code_commit": "c" * 40, "recorded_at": NOW}


def book(table=LOADS.name, **expect):
    entries = {
        code: {"severity": "error", "reason": "Because the test says so.", **one} for code, one in expect.items()
    }
    promised = {"about": "A table.", "owner": "team:x", "expect": entries}
    return Expectations({table: TableExpectations.model_validate(promised)}, "v1")


def loads(*counts, start=0, mode="append"):
    rows = [
        {"table_name": f"t{start + place}", "layer": "silver", "dataset": "d", "dataset_version": "1",
         "dataset_commit": "c", "row_count": count, **RUN}
        for place, count in enumerate(counts)
    ]  # fmt: skip
    return TableWrite(LOADS, pa.Table.from_pylist(rows, LOADS.arrow_schema()), mode)


def evaluation(bits, model="gpt-0001"):
    row = {name: 1 if kind == pa.int64() else "x" for name, kind in zip(*_columns(EVALUATIONS), strict=True)}
    known = {**row, **RUN, "model_version": model, "bits_per_byte": bits, "standard_error": 0.1}
    return TableWrite(EVALUATIONS, pa.Table.from_pylist([known], EVALUATIONS.arrow_schema()))


def _columns(table):
    return table.arrow_schema().names, table.arrow_schema().types


@pytest.fixture
def house(tmp_path):
    objects = LocalObjects(tmp_path / "objects")
    tables = IcebergTables.local(tmp_path / "tables")
    yield Lakehouse(tables, objects, ReleaseLog(objects), read_expectations)
    tables.close()


def test_an_implausible_evaluation_is_not_published_nor_what_was_to_come_with_it(house):
    with pytest.raises(BrokenPromiseError, match=r"gold.evaluations: BITS_PLAUSIBLE") as refused:
        commit(house, [evaluation(99.0), loads(3)], key="evaluate", provenance=HERE)
    assert refused.value.exit_code == 92
    assert read_released(house, EVALUATIONS).num_rows == read_released(house, LOADS).num_rows == 0
    (told,) = read_released(house, EXPECTATION_RESULTS).to_pylist()
    assert (told["code"], told["blocked"], told["unexpected_count"]) == ("BITS_PLAUSIBLE", True, 1)
    commit(house, [evaluation(1.5), loads(3)], key="evaluate", provenance=HERE)
    assert read_released(house, EVALUATIONS)["bits_per_byte"].to_pylist() == [1.5]


def broken(expectations, write, published=None, known=None):
    tables = {LOADS.name: published, EXPECTATION_RESULTS.name: known}
    found = broken_by_writes(
        expectations, [write], lambda table: tables[table.name] or table.arrow_schema().empty_table(), NOW
    )
    return [verdict.code for _, verdict in found]


COUNTED = {"check": "between", "column": "row_count", "minimum": 0}


def test_an_old_fault_stops_no_new_rows_and_a_share_is_that_of_the_whole_table():
    old = loads(-1, -1, -1).rows
    assert broken(book(COUNTED=COUNTED), loads(5, start=3), old) == []
    assert broken(book(COUNTED=COUNTED), loads(-5, start=3), loads(1).rows) == ["COUNTED"]
    mostly = {**COUNTED, "mostly": 0.5}
    assert broken(book(COUNTED=mostly), loads(5, start=3), old) == ["COUNTED"]
    assert broken(book(COUNTED=mostly), loads(-5, start=3), loads(1, 1, 1).rows) == []
    assert broken(book(COUNTED=mostly), loads(5, mode="replace"), old) == []


def test_what_a_whole_table_promises_is_asked_of_the_table_as_it_would_be():
    unique = book(ONCE={"check": "unique", "columns": ["table_name"]})
    assert broken(unique, loads(5), loads(7).rows) == ["ONCE"]
    assert broken(unique, loads(5, start=1), loads(7).rows) == []
    some = book(SOME={"check": "measured", "measure": "rows", "minimum": 1})
    assert broken(some, loads()) == [], "a table starts empty"
    assert broken(some, loads(mode="replace")) == ["SOME"]


def test_a_warning_and_an_age_stop_nothing():
    assert broken(book(COUNTED={**COUNTED, "severity": "warning"}), loads(-1)) == []
    assert broken(book(FRESH={"check": "fresh", "column": "recorded_at", "days": 0.001}), loads(1)) == []


def test_a_promise_made_later_takes_nothing_back(house):
    without = Lakehouse(house.tables, house.objects, house.releases)
    commit(without, [loads(-1)], key="load", provenance=HERE)
    strict = Lakehouse(house.tables, house.objects, house.releases, partial(book, COUNTED=COUNTED))
    assert not commit(strict, [loads(-1)], key="load", provenance=HERE).changed
    with pytest.raises(BrokenPromiseError, match="COUNTED"):
        commit(strict, [loads(-1, start=1)], key="another", provenance=HERE)


def looked_at(days_ago, observed, *, blocked=False, hour=0):
    verdict = {
        "table_name": LOADS.name, "code": "STEADY", "promise": "p", "severity": "error", "kept": True,
        "observed": observed, "blocked": blocked, "owner": "o", "reason": "r", "expectations_version": "v",
    }  # fmt: skip
    return {**verdict, **RUN, "recorded_at": NOW - timedelta(days=days_ago) + timedelta(hours=hour)}


def known(*looks):
    return pa.Table.from_pylist(list(looks), EXPECTATION_RESULTS.arrow_schema())


def test_a_table_is_steady_against_the_days_before():
    looks = known(
        looked_at(3, 1.0), looked_at(2, 9.0), looked_at(2, 4.0, hour=1), looked_at(1, 99.0, blocked=True),
        looked_at(0, 50.0),
    )  # fmt: skip
    assert history_of(looks, LOADS.name, NOW.date()) == {"STEADY": [1.0, 4.0]}
    assert history_of(looks, DRIFT.name, NOW.date()) == {}
    steady = book(STEADY={"check": "steady", "measure": "rows", "within": 0.5})
    assert broken(steady, loads(7, start=1), loads(7).rows, looks) == []
    assert broken(steady, loads(7, 7, 7, start=1), loads(7).rows, looks) == ["STEADY"]


AGED = TableDefinition("silver.d_t", "a row", (Column("at", pa.timestamp("us", tz="UTC"), "When"),), ())


def test_every_day_tells_what_went_stale_and_what_left_its_usual_size(house):
    fresh = {"check": "fresh", "column": "at", "days": 3}
    promised = {
        **book(AGED.name, FRESH=fresh).tables,
        **book("silver.d_other", FRESH={**fresh, "column": "made"}).tables,
        **book(STEADY={"check": "steady", "measure": "rows", "within": 0.5, "severity": "warning"}).tables,
    }
    expectations = Expectations(promised, "v1", frozenset({"silver.d_tt", "silver.*", AGED.name}))
    other = TableDefinition("silver.d_other", AGED.grain, AGED.columns, ())
    rows = pa.table({"at": [NOW - timedelta(days=2)]}, AGED.arrow_schema())
    usual = TableWrite(EXPECTATION_RESULTS, known(looked_at(1, 10.0)))
    commit(
        house, [TableWrite(AGED, rows), TableWrite(other, rows), usual, load_of(AGED.name)], key="all", provenance=HERE
    )
    today, later = (health(house, expectations, NOW + timedelta(days=days)) for days in (0, 2))
    assert today.broken == [
        "gold.loads: STEADY, the number of rows is within 50% of what earlier versions had; found 1",
        "silver.d_other: FRESH speaks of made, but the columns are at",
        "silver.d_tt: no such table is published, so its promises are not judged",
    ]
    assert not today.serious
    assert "silver.d_t: FRESH, the newest at is at most 3 days old; found 4" in later.broken
    assert later.serious
    (aged,) = [row for row in later.results if row["table_name"] == AGED.name]
    assert (aged["dataset_version"], aged["kept"], aged["blocked"], aged["observed"]) == ("1", False, False, 4.0)
    assert health(house, expectations, NOW).key == today.key != later.key


def load_of(table):
    write = loads(1)
    return TableWrite(LOADS, write.rows.set_column(0, LOADS.arrow_schema().field("table_name"), [[table]]))
