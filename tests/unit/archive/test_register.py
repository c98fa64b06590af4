from lakehouse.archive.register import register_rows
from lakehouse.tables.register import FAIR_INDICATORS, FINDINGS, SUBMISSIONS


def test_a_report_gives_rows_in_the_register_s_schemas(dataset, judged):
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,x\n")
    report = judged(dataset)
    rows = register_rows(report)
    assert set(rows) == {SUBMISSIONS, FINDINGS, FAIR_INDICATORS}
    for table, found in rows.items():
        assert found.schema == table.arrow_schema()
        assert len(found.group_by(list(table.key)).aggregate([])) == found.num_rows
    (submission,) = rows[SUBMISSIONS].to_pylist()
    assert (submission["dataset"], submission["dataset_version"], submission["verdict"]) == ("lessons", "1", "refused")
    assert submission["error_count"] == report.count("error") > 0
    assert rows[FINDINGS].num_rows == len(report.findings)
    assert sum(rows[FAIR_INDICATORS].column("points").to_pylist()) > 0


def test_an_undescribed_submission_is_registered_too(dataset, judged):
    (dataset / "dataset.yaml").unlink()
    (submission,) = register_rows(judged(dataset))[SUBMISSIONS].to_pylist()
    assert (submission["dataset"], submission["verdict"], submission["title"]) == ("lessons", "refused", None)
    assert submission["fair_score"] == 0.0


def test_an_accepted_submission_may_have_no_findings(dataset, judged):
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,1\n11,2\n")
    rows = register_rows(judged(dataset))
    assert rows[SUBMISSIONS].column("verdict").to_pylist() == ["accepted"]
    assert set(rows[FINDINGS].column("level").to_pylist()) <= {"warning", "note"}
