"""A submission goes to its tables once, an unfit one goes nowhere, and both are on record."""

from assets.ingest import submission
from assets.validate import validation_report
from assets.version import dataset_version
from dagster_project import demo
from lakehouse.samples import college_scorecard, course_records


def test_a_wave_becomes_a_version_and_typed_rows_with_their_origin(stored):
    rows = stored.rows("silver.college_scorecard_outcomes")
    (version,) = stored.state()["versions"]
    assert len(rows) == len(stored.rows("bronze.college_scorecard_outcomes")) > 5_000
    assert {row["dataset_commit"] for row in rows} == {version}
    assert {row["year"] for row in rows} == {2007}
    assert isinstance(rows[0]["earnings_med"], float | None)


def test_every_snapshot_says_which_commit_run_and_code_made_it(stored):
    from dagster_project.wiring import lakehouse

    summary = lakehouse(stored.settings).tables.summaries("silver.college_scorecard_outcomes")[-1]
    (version,) = stored.state()["versions"]
    (run,) = stored.loop.instance.get_runs()
    assert summary["lakehouse.dataset-commit"] == version
    assert summary["lakehouse.run-id"] == run.run_id
    assert len(summary["lakehouse.code-commit"].removesuffix("+dirty")) == 40


def test_the_same_wave_again_changes_nothing(stored):
    before = stored.state()
    assert stored.loop.ingest("college_scorecard@2007").success
    assert stored.state() == before


def test_whoever_stores_all_again_is_told_what_was_unchanged(stored, tmp_path, capsys):
    keys = ["college_scorecard@2007", stored.wave(2009), stored.arrive(course_records.write(tmp_path))]
    told = []
    for _ in range(2):
        demo._ingest_all(stored.loop, stored.settings, keys, lambda _: None)
        lines = capsys.readouterr().out.splitlines()
        told.append([line.split()[1] for key in keys for line in lines if line.startswith(f"  {key}: ")])
    assert told == [["unchanged", "stored", "refused"], ["unchanged", "unchanged", "refused"]]
    demo.fill_inbox(stored.settings, [(key, None) for key in keys])
    assert capsys.readouterr().out == "  unchanged: all of them were put there before\n"


def test_the_same_content_under_another_label_is_the_same_version(stored, tmp_path):
    before = stored.state()
    from lakehouse.samples import college_scorecard

    folder = college_scorecard.write(2007, tmp_path / "again")
    text = (folder / "dataset.yaml").read_text()
    assert 'version: "2007"' in text
    (folder / "dataset.yaml").write_text(text.replace('version: "2007"', 'version: "2007b"'))
    outcome = stored.loop.ingest(stored.arrive(folder))
    assert outcome.success, outcome.failure
    after = stored.state()
    assert after["versions"] == before["versions"]
    assert (
        after["snapshots"]["silver.college_scorecard_outcomes"]
        == before["snapshots"]["silver.college_scorecard_outcomes"]
    )


def test_an_unfit_submission_is_refused_on_record_and_goes_no_further(stored, tmp_path):
    before = stored.state()
    outcome = stored.loop.ingest(stored.arrive(course_records.write(tmp_path)))
    assert not outcome.success
    assert "fit_for_the_archive" in outcome.failure
    after = stored.state()
    changed = {name for name, count in after["snapshots"].items() if count != before["snapshots"][name]}
    assert changed == {"archive.submissions", "archive.findings", "archive.fair_indicators"}
    assert after["versions"] == before["versions"]
    verdicts = {row["submission"]: row["verdict"] for row in stored.rows("archive.submissions")}
    assert verdicts == {"college_scorecard@2007": "accepted", "course_records@1": "refused"}


def test_a_refused_submission_cannot_be_pushed_on_by_hand(bench, tmp_path):
    key = bench.arrive(course_records.write(tmp_path))
    bench.loop.ingest(key)
    import dagster as dg
    import pytest

    from assets.version import saved_version
    from dagster_project.wiring import versions
    from lakehouse.errors import RefusedError

    assert isinstance(bench.loop.instance, dg.DagsterInstance)
    with pytest.raises(RefusedError, match="course_records@1 was refused"):
        saved_version(bench.shelf, versions(bench.settings), key)


def test_a_new_wave_is_compared_with_the_one_before(bench):
    for year in (2014, 2015):
        assert bench.loop.ingest(bench.wave(year)).success
    drifted = {(row["dataset_version"], row["column_name"]) for row in bench.rows("gold.drift") if row["drifted"]}
    assert ("2015", "earnings_med") in drifted


def test_a_version_that_the_tables_cannot_take_leaves_no_trace_and_its_label_free(stored, tmp_path):
    from lakehouse.samples import college_scorecard

    def wave(old, new):
        folder = college_scorecard.write(2009, tmp_path)
        path = folder / "tables" / "outcomes" / "columns.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return stored.arrive(folder)

    before = stored.state()
    counted = 'type: integer\n    description: "Former students who work."'
    outcome = stored.loop.ingest(wave(counted, counted.replace("integer", "number")))
    assert not outcome.success
    after = stored.state()
    changed = {name for name, count in after["snapshots"].items() if count != before["snapshots"][name]}
    assert changed == {"archive.submissions", "archive.findings", "archive.fair_indicators"}
    assert after["versions"] == before["versions"]
    (finding,) = [row for row in stored.rows("archive.findings") if row["code"] == "COLUMN_RETYPED"]
    assert "as integer, this one describes it as number" in finding["message"]
    outcome = stored.loop.ingest(wave(counted, f"{counted}\n    required: false"))
    assert outcome.success, outcome.failure
    assert {row["dataset_version"] for row in stored.rows("silver.college_scorecard_outcomes")} == {"2007", "2009"}


def test_a_version_that_waits_to_be_stored_holds_the_next_one_to_its_columns(bench, tmp_path):
    first = bench.wave(2007)
    steps = [submission.key, validation_report.key, dataset_version.key]
    bench.loop._add_partition(first)
    assert bench.loop._run(first, "ingest", partition_key=first, only=steps).success
    made = [name for layer in ("bronze", "silver") for name in bench.house.tables.tables(layer)]
    assert not made, "a version that is not stored has no tables"
    folder = college_scorecard.write(2009, tmp_path)
    path = folder / "tables" / "outcomes" / "columns.yaml"
    counted = 'type: integer\n    description: "Former students who work."'
    path.write_text(path.read_text().replace(counted, counted.replace("integer", "number")))
    outcome = bench.loop.ingest(bench.arrive(folder))
    assert not outcome.success
    (finding,) = [row for row in bench.rows("archive.findings") if row["code"] == "COLUMN_RETYPED"]
    assert finding["submission"] == "college_scorecard@2009"
    assert len(bench.state()["versions"]) == 1
    outcome = bench.loop.ingest(first)
    assert outcome.success, outcome.failure
    assert {row["dataset_version"] for row in bench.rows("silver.college_scorecard_outcomes")} == {"2007"}
