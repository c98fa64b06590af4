"""The FAIR gate in the flow, and what the page of a refused run says first."""

import shutil

import dagster as dg

from dagster_project.code_location import build
from dagster_project.loop import Loop
from lakehouse.archive.gate import GATE_CODE
from lakehouse.samples import college_scorecard


def gated(bench, mode, threshold):
    settings = bench.settings.model_copy(update={"fair_gate": mode, "fair_threshold": threshold})
    return Loop(build(settings), bench.loop.instance)


def handed_in(bench, folder):
    shutil.rmtree(folder, ignore_errors=True)
    return bench.arrive(college_scorecard.write(2009, folder))


def checks(bench, name):
    """Return a check's evaluations, oldest first."""
    logged = [
        entry
        for run in bench.loop.instance.get_runs()
        for entry in bench.loop.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    found = [entry.dagster_event.event_specific_data for entry in sorted(logged, key=lambda entry: entry.timestamp)]
    return [one for one in found if one.check_name == name]


def test_below_the_threshold_nothing_is_stored_and_the_same_content_may_pass_later(bench, tmp_path):
    outcome = gated(bench, "block", 0.99).ingest(handed_in(bench, tmp_path / "source"))
    assert not outcome.success
    state = bench.state()
    assert state["versions"] == []
    assert not [name for name in state["snapshots"] if name.startswith(("bronze.", "silver."))]
    (refused,) = bench.rows("archive.submissions")
    assert refused["verdict"] == "refused"
    (finding,) = [row for row in bench.rows("archive.findings") if row["code"] == GATE_CODE]
    assert "takes datasets from 99%" in finding["message"]
    (check,) = checks(bench, "fit_for_the_archive")
    assert check.description.startswith(f"refused: {GATE_CODE} in (whole dataset): ")

    assert gated(bench, "warn", 0.99).ingest(handed_in(bench, tmp_path / "source")).success
    assert len(bench.state()["versions"]) == 1
    rows = bench.rows("archive.submissions")
    assert sorted(row["verdict"] for row in rows) == ["accepted", "refused"]
    assert len({row["rules_version"] for row in rows}) == 2
    newest = checks(bench, "fair_enough")[-1]
    assert not newest.passed
    assert newest.severity == dg.AssetCheckSeverity.WARN


def test_every_indicator_is_stored_with_its_priority_verdict_and_f_uji_metric(bench, tmp_path):
    assert gated(bench, "block", 0.5).ingest(handed_in(bench, tmp_path / "source")).success
    rows = {row["indicator"]: row for row in bench.rows("archive.fair_indicators")}
    assert len(rows) == 41
    kept = {name: rows["RDA-F4-01M"][name] for name in ("priority", "indicator_verdict", "fuji_metric", "max_points")}
    assert kept == {
        "priority": "essential",
        "indicator_verdict": "after publication",
        "fuji_metric": "FsF-F4-01M",
        "max_points": 0.0,
    }
    counted = [row for row in rows.values() if row["max_points"]]
    score = sum(row["points"] for row in counted) / sum(row["max_points"] for row in counted)
    (submission,) = bench.rows("archive.submissions")
    assert abs(submission["fair_score"] - score) < 1e-9
