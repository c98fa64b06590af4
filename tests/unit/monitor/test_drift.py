"""Drift is measured by value: hand-computed indices, and the known answers of two real datasets."""

import math
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from lakehouse.errors import SchemaError
from lakehouse.monitor.drift import (
    MAJOR_SHIFT,
    MISSING,
    MISSING_SHIFT,
    PSI,
    DriftRow,
    compare_versions,
    drift_rows,
    drift_table,
    identifier_like,
    missing_share_change,
    missing_threshold,
    population_stability_index,
    psi_threshold,
)
from lakehouse.tables.gold import DRIFT

SHARED = Path(__file__).parents[4] / "shared" / "data"


def column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_equal_columns_have_index_zero():
    for values in ([1, 2, 3, None], ["a", "b", None], [1.5, float("nan")], [True, False], [None]):
        assert population_stability_index(column(values), column(values)) == 0.0
        assert missing_share_change(column(values), column(values)) == 0.0


def test_the_index_of_levels_is_the_sum_over_their_shares():
    before, after = column(["a"] * 80 + ["b"] * 20), column(["a"] * 50 + ["b"] * 50)
    expected = (0.5 - 0.8) * math.log(0.5 / 0.8) + (0.5 - 0.2) * math.log(0.5 / 0.2)
    assert population_stability_index(before, after) == pytest.approx(expected)
    assert population_stability_index(after, before) == pytest.approx(expected)


def test_missing_values_are_a_bin_of_their_own():
    before, after = column(["a"] * 75 + [None] * 25), column(["a"] * 25 + [None] * 75)
    assert population_stability_index(before, after) == pytest.approx(2 * 0.5 * math.log(3))
    numbers = column([1.0] * 75 + [float("nan")] * 25), column([1.0] * 25 + [None] * 75)
    assert population_stability_index(*numbers) == pytest.approx(2 * 0.5 * math.log(3))
    assert missing_share_change(*numbers) == pytest.approx(0.5)


def test_a_vanished_level_counts_as_a_quarter_of_a_row_or_one_in_ten_thousand():
    small = population_stability_index(column(["a"] * 50 + ["b"] * 50), column(["a"] * 100))
    assert small == pytest.approx(0.5 * math.log(2) + (0.5 - 0.0025) * math.log(0.5 / 0.0025))
    large = population_stability_index(column(["a"] * 5000 + ["b"] * 5000), column(["a"] * 10000))
    assert large == pytest.approx(0.5 * math.log(2) + (0.5 - 0.0001) * math.log(0.5 / 0.0001))


def test_numbers_fall_into_deciles_of_the_reference():
    reference = column(list(range(100)))
    upper_half = column([value for value in range(50, 100) for _ in range(2)])
    low, high = 0.0025, 0.1
    expected = 5 * (low - high) * math.log(low / high) + 5 * (0.2 - 0.1) * math.log(2)
    assert population_stability_index(reference, upper_half) == pytest.approx(expected)


def test_values_outside_the_reference_belong_to_the_outer_bins():
    reference = column(list(range(100)))
    stretched = column([-(10**6), *range(1, 99), 10**6])
    assert population_stability_index(reference, stretched) == 0.0


def test_pseudonyms_of_whole_numbers_are_compared_like_numbers():
    numbers = [2**53 + 1, 2**63 - 1, -(2**63), *range(2**62, 2**62 + 7)] * 30
    assert population_stability_index(column(numbers), column(numbers)) == 0
    assert population_stability_index(column(numbers), column([2**53 + 1] * 300)) > 1


def test_dates_are_compared_like_numbers():
    days = [date(2024, 1, day) for day in range(1, 31)]
    later = [date(2025, 1, day) for day in range(1, 31)]
    assert population_stability_index(column(days), column(days)) == 0.0
    assert population_stability_index(column(days), column(later)) > 1
    moments = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 31)]
    assert population_stability_index(column(moments), column(moments)) == 0.0


def test_large_tables_are_held_to_a_quarter_and_small_ones_to_their_noise():
    many = column(["a", "b"] * 5000)
    assert psi_threshold(many, many) == MAJOR_SHIFT
    few = column(["a", "b"] * 5)
    # chi-square with one degree of freedom: 6.635 at 0.99; the approximation is within 2 %
    assert psi_threshold(few, few) == pytest.approx(6.635 * 0.2, rel=0.02)
    assert missing_threshold(many, many) == MISSING_SHIFT
    half_missing = column(["a", None] * 5)
    assert missing_threshold(half_missing, half_missing) == pytest.approx(2.576 * math.sqrt(0.25 * 0.2))


@pytest.mark.parametrize("row_count", [20, 100, 1000])
def test_unchanged_data_seldom_drift_by_chance(row_count: int):
    chance = np.random.default_rng(7)
    weights = chance.dirichlet(np.full(40, 0.5))
    alarms = 0
    for _ in range(50):
        numbers = [column(chance.normal(size=row_count).tolist()) for _ in range(2)]
        levels = [column([f"l{i}" for i in chance.choice(40, row_count, p=weights)]) for _ in range(2)]
        alarms += sum(population_stability_index(*pair) > psi_threshold(*pair) for pair in (numbers, levels))
    assert alarms <= 7


def test_nothing_cannot_be_compared():
    for measure in (population_stability_index, missing_share_change, psi_threshold, missing_threshold):
        with pytest.raises(SchemaError, match="0 rows"):
            measure(column([], pa.int64()), column([1]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2, 3], True), ([1, 2, 2], False), ([1.5, 2.5, 3.5], False), (["a", "b", "c"], True),
     (["a", "a", "b", "b"], False), ([True, False], False), ([1], False), ([], False)],
)  # fmt: skip
def test_identifiers_are_known_by_their_values(values: list[object], expected: bool):
    assert identifier_like(column(values)) is expected


def waves() -> pa.Table:
    old = [
        {"dataset_version": "2011", "year": 2011, "unit": n, "level": "ab"[n % 2], "mark": n % 7} for n in range(400)
    ]
    new = [
        {"dataset_version": "2012", "year": 2012, "unit": n, "level": "bc"[n % 2], "mark": n % 7} for n in range(400)
    ]
    commit = [{"dataset_commit": "c" * 40, "_row_number": n % 3} for n in range(800)]
    return pa.Table.from_pylist([{**row, **more} for row, more in zip(old + new, commit, strict=True)])


def test_versions_are_compared_without_identifiers_labels_and_provenance():
    rows = compare_versions(waves(), "silver.marks", "marks", version="2012", reference_version="2011")
    assert [(row.column_name, row.measure) for row in rows] == [
        ("level", PSI), ("level", MISSING), ("mark", PSI), ("mark", MISSING)
    ]  # fmt: skip
    assert rows[0] == DriftRow(
        table_name="silver.marks",
        column_name="level",
        dataset="marks",
        dataset_version="2012",
        reference_version="2011",
        measure=PSI,
        value=pytest.approx(2 * (0.5 - 0.000625) * math.log(0.5 / 0.000625)),
        threshold=MAJOR_SHIFT,
        drifted=True,
    )
    assert [row.drifted for row in rows[1:]] == [False, False, False]


def test_named_columns_are_skipped():
    rows = compare_versions(waves(), "silver.marks", "marks", version="2012", reference_version="2011", skip=["level"])
    assert {row.column_name for row in rows} == {"mark"}


def test_a_version_that_is_not_stored_cannot_be_compared():
    with pytest.raises(SchemaError, match="no rows of version '2013'"):
        compare_versions(waves(), "silver.marks", "marks", version="2013", reference_version="2011")


def test_the_drift_table_has_its_schema_and_reads_back():
    rows = compare_versions(waves(), "silver.marks", "marks", version="2012", reference_version="2011")
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    table = drift_table(rows, run_id="r", code_commit="c", recorded_at=moment)
    assert table.schema.equals(DRIFT.arrow_schema())
    assert set(table["recorded_at"].to_pylist()) == {moment}
    assert drift_rows(table) == rows
    assert drift_table([], run_id="r", code_commit="c", recorded_at=moment).num_rows == 0


def real(name: str, version_column: str) -> pa.Table:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"needs ../shared/data/{name}, which is not part of this repository")
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    rows = pyarrow.csv.read_csv(path, convert_options=options)
    return rows.append_column("dataset_version", rows[version_column].cast(pa.string()))


def drifted(rows: list[DriftRow]) -> set[tuple[str, str]]:
    return {(row.column_name, row.measure) for row in rows if row.drifted}


def test_the_known_drift_of_the_open_university_is_found_and_nothing_else():
    rows = real("oulad/studentInfo.csv.gz", "code_presentation")
    measured = {}
    for version in ("2013B", "2014B"):
        found = compare_versions(
            rows, "silver.oulad_students", "oulad", version=version, reference_version="2013J", skip=["id_student"]
        )
        measured[version] = {row.column_name: row.value for row in found if row.measure == PSI}
        expected = {"code_module", "studied_credits"} if version == "2013B" else {"code_module"}
        assert drifted(found) == {(name, PSI) for name in expected}
        people = ("gender", "region", "highest_education", "imd_band", "age_band", "disability", "final_result")
        assert all(measured[version][name] < 0.045 for name in people)
        assert "code_presentation" not in measured[version]
    assert measured["2013B"]["code_module"] == pytest.approx(1.94, abs=0.005)
    assert measured["2014B"]["code_module"] == pytest.approx(2.26, abs=0.005)
    assert measured["2013B"]["studied_credits"] == pytest.approx(0.95, abs=0.005)


def test_the_known_drift_of_the_college_scorecard_is_found_wave_by_wave():
    rows = real("college_scorecard/scorecard.csv.gz", "year")
    waves = ["2007", "2009", "2011", "2012", "2013", "2014", "2015", "2016"]
    found = {
        version: drifted(compare_versions(rows, "silver.s", "s", version=version, reference_version=before))
        for before, version in pairwise(waves)
    }
    counts = {("count_not_working", PSI), ("count_not_working", MISSING)}
    gone = {(name, m) for name in ("earnings_med", "count_working", "count_not_working") for m in (PSI, MISSING)}
    # From 2012 on, counts under 25 are withheld; from 2015 on, there are no outcomes.
    assert found == {v: counts if v == "2012" else gone if v == "2015" else set() for v in waves[1:]}
