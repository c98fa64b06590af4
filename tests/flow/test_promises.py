"""Promises in the flow: outliers are set aside, a broken promise publishes nothing, and both are on record."""

import yaml

from dagster_project.code_location import build
from dagster_project.loop import Loop
from lakehouse.errors import BrokenPromiseError

OUTCOMES = "silver.college_scorecard_outcomes"
HIGH = {"check": "between", "column": "earnings_med", "maximum": 100000, "mostly": 0.99, "severity": "quarantine"}
NEVER = {"check": "present", "column": "earnings_med", "severity": "error"}
REASON = "Because the test says so."


def promising(bench, table=OUTCOMES, **expect):
    folder = bench.settings.home / "promises"
    folder.mkdir(exist_ok=True)
    entries = {code: {"reason": REASON, **one} for code, one in expect.items()}
    promised = {table: {"about": "Outcomes.", "owner": "team:test", "expect": entries}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(promised))
    settings = bench.settings.model_copy(update={"expectations": str(folder)})
    return Loop(build(settings), bench.loop.instance)


def test_outliers_stay_in_bronze_and_out_of_silver_and_are_named_by_place(bench):
    outcome = promising(bench, HIGH=HIGH).ingest(bench.wave(2009))
    assert outcome.success, outcome.failure
    bronze, silver = bench.rows("bronze.college_scorecard_outcomes"), bench.rows(OUTCOMES)
    high = {
        (row["_source_file"], row["_row_number"])
        for row in bronze
        if row["earnings_med"] and float(row["earnings_med"]) > 100_000
    }
    aside = bench.rows("gold.rows_aside")
    assert {(row["source_file"], row["row_number"]) for row in aside} == high
    assert {(row["code"], row["table_name"]) for row in aside} == {("HIGH", OUTCOMES)}
    assert len(high) > 0
    assert len(silver) == len(bronze) - len(high)
    assert all(row["earnings_med"] is None or row["earnings_med"] <= 100_000 for row in silver)
    (verdict,) = [row for row in bench.rows("gold.expectation_results") if row["code"] == "HIGH"]
    assert (verdict["kept"], verdict["unexpected_count"]) == (True, len(high))


def test_a_broken_promise_publishes_nothing_and_a_changed_one_lets_the_same_version_in(bench):
    key = bench.wave(2009)
    outcome = promising(bench, NEVER=NEVER).ingest(key)
    assert (outcome.success, outcome.exit_code) == (False, BrokenPromiseError.exit_code)
    assert "NEVER" in outcome.failure
    assert OUTCOMES not in bench.state()["snapshots"]
    recorded = {row["code"]: row for row in bench.rows("gold.expectation_results")}
    assert recorded["NEVER"]["blocked"]
    assert 0 < recorded["NEVER"]["unexpected_count"] < recorded["NEVER"]["row_count"]
    outcome = promising(bench, NEVER={**NEVER, "severity": "warning"}).ingest(key)
    assert outcome.success, outcome.failure
    assert len(bench.rows(OUTCOMES)) == len(bench.rows("bronze.college_scorecard_outcomes"))


def test_texts_are_held_to_their_promises_and_a_table_that_never_came_is_told_daily(bench):
    odd = {"check": "matches", "column": "text", "pattern": "^nothing starts like this$", "severity": "error"}
    outcome = promising(bench, "silver.echoes_echoes", ODD=odd).ingest(bench.periodic_texts())
    assert (outcome.success, outcome.exit_code) == (False, BrokenPromiseError.exit_code)
    assert "silver.echoes_echoes: ODD" in outcome.failure
    assert "silver.echoes_echoes" not in bench.state()["snapshots"]
    (recorded,) = [row for row in bench.rows("gold.expectation_results") if row["code"] == "ODD"]
    assert (recorded["blocked"], recorded["unexpected_count"]) == (True, 160)
    loop = promising(bench, "silver.echos_echoes", ODD=odd)
    result = loop.defs.resolve_job_def("look_after").execute_in_process(instance=loop.instance)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "silver.echos_echoes: no such table is published" in check.metadata["which"].value


def test_the_tables_of_the_project_are_looked_after_once_a_day_and_cared_for(bench):
    bench.loop.ingest(bench.wave(2009))
    job = bench.loop.defs.resolve_job_def("look_after")
    assert job.execute_in_process(instance=bench.loop.instance).success
    judged = [row for row in bench.rows("gold.expectation_results") if row["dataset"] is None]
    assert {row["code"] for row in judged} >= {"FAIR_SCORE_IS_A_SHARE", "ARRIVALS_FRESH"}
    assert all(row["kept"] for row in judged)
    cared_for(bench)


def cared_for(bench):
    """Leave a file that nothing needs, and see the scheduled care delete it and keep the numbers before and after."""
    left = next(bench.settings.home.rglob("rows-*.parquet")).with_name("rows-left.parquet")
    left.write_bytes(b"left over")
    care = {"maintain_keep_days": 0, "maintain_keep_releases": 1, "maintain_abandoned_hours": 1e-9}
    defs = build(bench.settings.model_copy(update=care))
    assert defs.resolve_schedule_def("maintain_schedule").job_name == "maintain"
    done = defs.resolve_job_def("maintain").execute_in_process(instance=bench.loop.instance)
    (materialised,) = done.asset_materializations_for_node("maintenance")
    told = {name: value.value for name, value in materialised.metadata.items()}
    assert not left.exists()
    assert 0 < told["stored_files_after"] < told["stored_files_before"]
    assert told["orphan_files"] > 0
    assert told["data_bytes_before"] == told["data_bytes_after"] > 0
    rows = bench.rows("gold.maintenance")
    assert sum(row["orphan_files"] for row in rows) == told["orphan_files"]
    assert len(bench.rows(OUTCOMES)) == len(bench.rows("bronze.college_scorecard_outcomes")) > 0
