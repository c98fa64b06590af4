"""Promises of tables: each kind is kept and broken where it should be, outliers are named, bad files are refused."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner

from dagster_project.commands.docs import docs
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import ExpectationFileError
from lakehouse.ports import DatasetVersion
from lakehouse.tables.expectations.book import Expectations, read_expectations
from lakehouse.tables.expectations.inspection import Inspection
from lakehouse.tables.expectations.judge import judge, judge_count
from lakehouse.tables.expectations.kinds import TableExpectations
from lakehouse.tables.expectations.page import render
from lakehouse.tables.health import EXPECTATION_RESULTS

NOW = datetime(2026, 11, 27, tzinfo=UTC)
REASON = "Because the test says so."
ROWS = pa.table(
    {
        "n": pa.array([1, 2, 3, None], pa.int64()),
        "top": pa.array([1, 5, 2, 4], pa.int64()),
        "word": pa.array(["a1", "b2", "zz", None]),
        "day": pa.array([date(2026, 11, 1), date(2026, 11, 20), None, date(2026, 10, 1)]),
        "at": pa.array([NOW - timedelta(days=3)] * 4, pa.timestamp("us", tz="UTC")),
    }
)


def promises(**expect):
    entries = {code: {"severity": "warning", "reason": REASON, **one} for code, one in expect.items()}
    return TableExpectations.model_validate({"about": "A table.", "owner": "team:x", "expect": entries})


def only(one, rows=ROWS, history=()):
    (verdict,) = judge(rows, promises(ONE=one), history={"ONE": history}, now=NOW).verdicts
    return verdict


@pytest.mark.parametrize(
    ("one", "unexpected"),
    [
        ({"check": "present", "column": "n"}, 1),
        ({"check": "present", "column": "top"}, 0),
        ({"check": "between", "column": "n", "minimum": 2}, 1),
        ({"check": "between", "column": "n", "maximum": 1}, 2),
        ({"check": "between", "column": "n", "minimum": 1, "maximum": 3}, 0),
        ({"check": "between", "column": "day", "minimum": "2026-11-01"}, 1),
        ({"check": "between", "column": "at", "maximum": "2026-11-01T00:00:00+00:00"}, 4),
        ({"check": "one_of", "column": "word", "values": ["a1", "b2"]}, 1),
        ({"check": "one_of", "column": "n", "values": [1, 2, 3]}, 0),
        ({"check": "matches", "column": "word", "pattern": "^[a-z][0-9]$"}, 1),
        ({"check": "not_above", "column": "n", "other": "top"}, 1),
    ],
)
def test_a_promise_about_rows_counts_those_that_break_it(one, unexpected):
    verdict = only(one)
    assert (verdict.kept, verdict.unexpected, verdict.evaluated) == (unexpected == 0, unexpected, 4)
    assert verdict.observed == 1 - unexpected / 4


def test_mostly_leaves_room_for_some_rows():
    assert only({"check": "present", "column": "n", "mostly": 0.75}).kept
    assert not only({"check": "present", "column": "n", "mostly": 0.76}).kept


@pytest.mark.parametrize(
    ("one", "observed", "kept"),
    [
        ({"check": "measured", "measure": "rows", "minimum": 4, "maximum": 4}, 4, True),
        ({"check": "measured", "measure": "rows", "minimum": 5}, 4, False),
        ({"check": "measured", "measure": "missing_share", "column": "n", "maximum": 0.2}, 0.25, False),
        ({"check": "measured", "measure": "distinct", "column": "word", "minimum": 3}, 3, True),
        ({"check": "measured", "measure": "mean", "column": "n", "maximum": 1.9}, 2, False),
        ({"check": "measured", "measure": "median", "column": "top", "minimum": 3}, 3, True),
        ({"check": "measured", "measure": "deviation", "column": "n", "maximum": 1}, 1, True),
        ({"check": "measured", "measure": "deviation", "column": "top", "maximum": 1.8}, (10 / 3) ** 0.5, False),
        ({"check": "measured", "measure": "quantile", "at": 0.25, "column": "top", "minimum": 1.8}, 1.75, False),
        ({"check": "measured", "measure": "quantile", "at": 1, "column": "n", "maximum": 3}, 3, True),
        ({"check": "fresh", "column": "at", "days": 3}, 3, True),
        ({"check": "fresh", "column": "at", "days": 2.9}, 3, False),
        ({"check": "fresh", "column": "day", "days": 7}, 7, True),
    ],
)
def test_a_measure_is_held_to_its_bounds(one, observed, kept):
    verdict = only(one)
    assert (verdict.observed, verdict.kept) == (pytest.approx(observed), kept)


def test_a_spread_that_collapses_and_a_tail_that_grows_are_not_steady():
    tail = pa.table({"n": pa.array([*range(1, 10), 90], pa.int64())})
    high = {"check": "steady", "measure": "quantile", "at": 0.9, "column": "n", "within": 0.5}
    assert only({**high, "measure": "median", "at": None}, tail, history=[5.5]).kept
    assert not only(high, tail, history=[9.1]).kept
    same = pa.table({"n": pa.array([5] * 10, pa.int64())})
    spread = {"check": "steady", "measure": "deviation", "column": "n", "within": 0.5}
    assert not only(spread, same, history=[3.0]).kept
    assert only(spread, same.slice(9), history=[3.0]).kept, "one value has no spread"
    assert only(high, same).promise == "the 0.9 quantile of n is within 50% of what earlier versions had"


def test_columns_that_repeat_together_are_counted():
    rows = pa.table({"a": [1, 1, 2], "b": [1, 1, 1]})
    assert only({"check": "unique", "columns": ["a"]}, rows).unexpected == 1
    assert only({"check": "unique", "columns": ["b"]}, rows).unexpected == 2


@pytest.mark.parametrize(
    ("history", "kept"),
    [((), True), ((4, 4, 4), True), ((8,), True), ((9,), False), ((2,), False), ((100, 4, 4), True)],
)
def test_a_steady_measure_is_near_the_median_of_earlier_versions(history, kept):
    assert only({"check": "steady", "measure": "rows", "within": 0.5}, history=history).kept is kept


def test_promises_about_the_number_of_rows_are_judged_without_the_rows():
    of_count = promises(
        STEADY={"check": "steady", "measure": "rows", "within": 0.5},
        MANY={"check": "measured", "measure": "rows", "minimum": 5},
    )
    assert of_count.of_count_alone
    history = {"STEADY": [9.0]}
    seen = judge(ROWS, of_count, history=history, now=NOW).verdicts
    assert judge_count(ROWS.num_rows, of_count, history=history, now=NOW) == seen
    assert not any(verdict.kept for verdict in seen)
    assert all(verdict.kept for verdict in judge_count(10**9, of_count, history={}, now=NOW)), "and any number of them"
    assert not promises(MEAN={"check": "measured", "measure": "mean", "column": "n", "minimum": 1}).of_count_alone
    assert not promises(THERE={"check": "present", "column": "n"}).of_count_alone
    assert read_expectations().of("silver.anything").of_count_alone, "else no silver table were made elsewhere"


def test_only_the_five_newest_versions_are_history():
    assert not only({"check": "steady", "measure": "rows", "within": 0.1}, history=[4, 4, 4, 9, 9, 9, 9, 9]).kept


def test_no_rows_keep_every_promise_but_that_of_freshness():
    empty = ROWS.schema.empty_table()
    assert only({"check": "present", "column": "n"}, empty).kept
    assert only({"check": "measured", "measure": "mean", "column": "n", "minimum": 1}, empty).kept
    assert not only({"check": "fresh", "column": "at", "days": 9}, empty).kept


def test_a_measure_of_no_values_is_null_and_keeps_its_promise():
    rows = pa.table({"n": pa.array([None, None], pa.int64())})
    verdict = only({"check": "steady", "measure": "median", "column": "n", "within": 0.1}, rows, history=[5])
    assert (verdict.kept, verdict.observed) == (True, None)


QUARANTINE = {"check": "between", "column": "n", "maximum": 2, "mostly": 0.7, "severity": "quarantine"}


def test_outliers_are_set_aside_by_the_first_promise_they_break():
    later = {"check": "present", "column": "n", "mostly": 0.5, "severity": "quarantine"}
    judgement = judge(ROWS, promises(HIGH=QUARANTINE, GAP=later), history={}, now=NOW)
    assert judgement.aside.to_pylist() == [None, None, "HIGH", "GAP"]
    assert not judgement.blocked


def test_too_many_outliers_are_none_and_block():
    judgement = judge(ROWS, promises(HIGH={**QUARANTINE, "mostly": 0.9}), history={}, now=NOW)
    assert [verdict.code for verdict in judgement.blocked] == ["HIGH"]


def test_a_warning_never_blocks_and_an_error_does():
    broken = {"check": "present", "column": "n"}
    assert not judge(ROWS, promises(AA=broken), history={}, now=NOW).blocked
    assert judge(ROWS, promises(AA={**broken, "severity": "error"}), history={}, now=NOW).blocked


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"check": "present", "column": "nn"}, "nn"),
        ({"check": "matches", "column": "n", "pattern": "x"}, "does not fit"),
        ({"check": "between", "column": "word", "minimum": 3}, "does not fit"),
        ({"check": "between", "column": "day", "minimum": "yesterday"}, "yesterday"),
        ({"check": "fresh", "column": "word", "days": 3}, "freshness"),
        ({"check": "measured", "measure": "mean", "column": "word", "minimum": 3}, "holds texts"),
        ({"check": "matches", "column": "word", "pattern": "("}, "does not fit"),
    ],
)
def test_a_promise_that_does_not_fit_its_table_is_named(one, said):
    with pytest.raises(ExpectationFileError, match=said):
        only(one)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a: [", "no YAML"),
        ("silver.a: {about: x, owner: y}", "expect"),
        ("silver.a: {about: x, owner: y, expect: {AA: {check: presnt}}}", "presnt"),
        ("silver.a: {about: x, owner: y, expect: {a: {check: present}}}", "silver.a"),
    ],
)
def test_a_file_that_is_no_list_of_expectations_is_refused(tmp_path, body, said):
    (tmp_path / "mine.yaml").write_text(body)
    with pytest.raises(ExpectationFileError, match=said):
        read_expectations([tmp_path])


GAP = {"check": "present", "column": "row_count", "severity": "error"}


@pytest.mark.parametrize(
    ("table", "one", "said"),
    [
        ("bronze.d_t", GAP, "nobody judges bronze.d_t"),
        ("silver.d", GAP, "nobody judges silver.d:"),
        ("gold.lodes", GAP, "nobody judges gold.lodes.*gold.loads"),
        ("kpi.*", GAP, "nobody judges kpi"),
        ("gold.loads", {**GAP, "column": "rows"}, "gold.loads: ONE speaks of rows"),
        ("gold.*", GAP, "gold.documents: ONE speaks of row_count"),
        ("gold.loads", {**GAP, "severity": "quarantine", "mostly": 0.5}, "only silver rows"),
        ("gold.loads", {"check": "fresh", "column": "layer", "days": 3}, "freshness"),
        ("gold.loads", {"check": "between", "column": "layer", "minimum": 3}, "gold.loads.* does not fit"),
        ("silver.d_t", {"check": "matches", "column": "x", "pattern": "("}, "mine.yaml: silver.d_t > ONE: regex"),
        ("silver.d_t", {"check": "between", "column": "x", "minimum": "soon"}, "silver.d_t > ONE: the bound 'soon'"),
    ],
)
def test_a_promise_that_nobody_would_judge_or_could_is_refused_when_it_is_read(tmp_path, table, one, said):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({table: promises(ONE=one).model_dump(mode="json")}))
    with pytest.raises(ExpectationFileError, match=said):
        read_expectations([tmp_path])


@pytest.mark.parametrize("table", ["silver.d_t", "silver.*", "gold.loads", "archive.submissions"])
def test_every_name_that_is_judged_may_promise(tmp_path, table):
    promised = promises(MANY={"check": "measured", "measure": "rows", "minimum": 0}).model_dump(mode="json")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({table: promised}))
    read = read_expectations([tmp_path])
    assert "MANY" in read.of("silver.d_t" if table == "silver.*" else table).expect
    assert read.added == {table}


@pytest.mark.parametrize(
    "one",
    [
        {"check": "between", "column": "n"},
        {"check": "between", "column": "n", "maximum": 2, "severity": "quarantine"},
        {"check": "unique", "columns": ["n"], "severity": "quarantine"},
        {"check": "steady", "measure": "mean", "within": 0.1},
        {"check": "steady", "measure": "rows", "column": "n", "within": 0.1},
        {"check": "measured", "measure": "quantile", "column": "n", "minimum": 1},
        {"check": "measured", "measure": "median", "at": 0.5, "column": "n", "minimum": 1},
        {"check": "steady", "measure": "quantile", "at": 1.5, "column": "n", "within": 0.1},
        {"check": "present", "column": "n", "mostly": 1.5},
        {"check": "present", "column": "n", "reason": ""},
    ],
)
def test_a_promise_that_makes_no_sense_is_refused(one):
    with pytest.raises(ValueError, match="ONE"):
        promises(ONE=one)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ExpectationFileError, match="LAKEHOUSE_EXPECTATIONS"):
        read_expectations([tmp_path / "none"])


def test_ones_own_file_replaces_a_table_and_inherits_what_all_tables_promise(tmp_path):
    mine = {
        "silver.college_scorecard_outcomes": promises(MINE={"check": "present", "column": "year"}).model_dump(
            mode="json"
        )
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    shipped, own = read_expectations(), read_expectations([tmp_path])
    assert set(own.of("silver.college_scorecard_outcomes").expect) == {"ROWS_STEADY", "MINE"}
    assert set(own.of("silver.anything").expect) == {"ROWS_STEADY"}
    assert own.of("bronze.anything") is None
    assert own.version != shipped.version


PAGE = Path(__file__).parents[3] / "docs" / "expectations.md"


def test_the_page_of_promises_is_current():
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(page, read_expectations()), "run `lakehouse docs`"


def test_a_page_of_ones_own_says_what_is_in_force_and_leaves_the_shipped_one_alone(tmp_path, monkeypatch):
    promised = promises(
        OLD={"check": "fresh", "column": "recorded_at", "days": 3, "severity": "error"},
        MINE={"check": "one_of", "column": "layer", "values": ["a|b"], "severity": "error"},
    )
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"gold.loads": promised.model_dump(mode="json")}))
    monkeypatch.setenv("LAKEHOUSE_EXPECTATIONS", str(tmp_path))
    before = PAGE.read_bytes()
    answer = CliRunner().invoke(docs, ["--promises", str(tmp_path / "said.md")], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    said = (tmp_path / "said.md").read_text(encoding="utf-8")
    assert "| `MINE` | every row: layer is one of a\\|b | nothing is published | Because the test says so. |" in said
    assert "| `OLD` | the newest recorded_at is at most 3 days old | told daily as an error |" in said
    assert "### silver.*" in said
    assert "ROWS_COUNTED" not in said
    assert PAGE.read_bytes() == before


def test_an_inspection_sets_rows_aside_by_their_place_and_remembers_earlier_versions():
    table = TableDefinition("silver.d_t", "a row", (Column("n", pa.int64(), "N"),), ())
    steady = {"check": "steady", "measure": "median", "column": "n", "within": 0.5}
    book = Expectations({"silver.d_t": promises(HIGH=QUARANTINE, STEADY=steady)}, "v1")
    known = EXPECTATION_RESULTS.arrow_schema().empty_table()
    rows, places = ROWS.select(["n"]), pa.table({"_source_file": ["f"] * 4, "_row_number": [1, 2, 3, 4]})

    def look(version, known, rows=rows):
        found = Inspection(book, known, DatasetVersion("d", version, "c" + version, "t", "0" * 64, NOW), NOW)
        return found, pa.concat_tables(found.sift(table, iter([(rows, places)])))

    first, kept = look("1", known)
    assert kept["n"].to_pylist() == [1, 2, None]
    assert first.rows_aside().select(["source_file", "row_number", "code"]).to_pylist() == [
        {"source_file": "f", "row_number": 3, "code": "HIGH"}
    ]
    records = [{**row, "recorded_at": NOW, "run_id": "r", "code_commit": "c"} for row in first.results()]
    known = pa.Table.from_pylist(records, EXPECTATION_RESULTS.arrow_schema())
    doubled = pa.table({"n": pa.array([5, 6, 7, 8], pa.int64())})
    second, _ = look("2", known, doubled)
    assert {verdict.code for _, verdict in second.broken} == {"HIGH", "STEADY"}
    assert "HIGH" in second.blocked[0]
    again, _ = look("1", known, doubled)
    assert "STEADY" not in {verdict.code for _, verdict in again.broken}, "a version is no history of itself"
    later = [{**row, "dataset_version": "2", "recorded_at": NOW + timedelta(1)} for row in known.to_pylist()]
    both = pa.Table.from_pylist([*known.to_pylist(), *later], EXPECTATION_RESULTS.arrow_schema())
    again, _ = look("1", both, doubled)
    assert "STEADY" not in {verdict.code for _, verdict in again.broken}, "nor are the versions after it"
