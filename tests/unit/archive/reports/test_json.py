import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from lakehouse.archive.findings import Report
from lakehouse.archive.gate import FairGate
from lakehouse.archive.refusal import refusal
from lakehouse.errors import UnsafeArchiveError

SCHEMA = json.loads(files("lakehouse.archive.reports").joinpath("report.schema.json").read_text(encoding="utf-8"))


def faults(report, level="note"):
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(json.loads(report.to_json(level)))]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_reports_fit_the_written_schema(accepted, refused, dataset, judged):
    (dataset / "dataset.yaml").unlink()
    unsafe = refusal("x", UnsafeArchiveError("a/../b: a path that leads out of the dataset; use plain names"))
    for report in (accepted, refused, judged(dataset), FairGate("block", 1.0).applied(accepted), unsafe):
        assert faults(report) == []
        assert Report.from_json(report.to_json()) == report


def test_the_schema_refuses_what_is_no_report(accepted):
    raw = json.loads(accepted.to_json())
    broken = [
        {**raw, "report_version": "2.0"},
        {**raw, "verdict": "fine"},
        {**raw, "fair_score": 1.1},
        {**raw, "findings": [{}]},
        {**raw, "fair": [{**raw["fair"][0], "indicator": "F1"}]},
        {name: value for name, value in raw.items() if name != "counts"},
    ]
    validator = Draft202012Validator(SCHEMA)
    assert [validator.is_valid(one) for one in broken] == [False] * len(broken)


@pytest.mark.parametrize(("level", "left"), [("error", {"error"}), ("warning", {"error", "warning"})])
def test_findings_below_the_level_are_left_out_and_still_counted(refused, level, left):
    assert refused.count("note") > 0
    raw = json.loads(refused.to_json(level))
    assert {finding["level"] for finding in raw["findings"]} == left
    assert raw["counts"] == {name: refused.count(name) for name in ("error", "warning", "note")}
    assert faults(refused, level) == []


def test_every_field_that_is_written_is_in_the_schema(refused):
    raw = json.loads(refused.to_json())
    definitions = SCHEMA["$defs"]
    assert set(raw) == set(SCHEMA["properties"])
    assert set(raw["findings"][0]) == set(definitions["finding"]["properties"])
    assert set(raw["fair"][0]) == set(definitions["indicator"]["properties"])
