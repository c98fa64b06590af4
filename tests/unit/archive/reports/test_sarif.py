import importlib.util
import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator

from lakehouse.archive.reports.sarif import sarif

_spec = importlib.util.spec_from_file_location("sarif_shape", Path(__file__).with_name("sarif_shape.py"))
assert _spec is not None
assert _spec.loader is not None
sarif_shape = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sarif_shape)


def log(report, root="", level="note"):
    raw = json.loads(sarif(report, root, level))
    faults = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(sarif_shape.LOG).iter_errors(raw)]
    assert faults == []
    return raw["runs"][0]


def test_every_finding_is_a_result_of_its_rule(refused):
    run = log(refused)
    rules = run["tool"]["driver"]["rules"]
    results = run["results"]
    assert len(results) == len(refused.findings) > 5
    assert len({rule["id"] for rule in rules}) == len(rules)
    for finding, result in zip(refused.findings, results, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code
        assert result["level"] == finding.level
        assert finding.message in result["message"]["text"]
        assert finding.how_to_fix in result["message"]["text"]
    prints = [json.dumps(result["partialFingerprints"]) for result in results]
    assert len(set(prints)) == len(prints)
    assert run["invocations"][0]["exitCode"] == 1


def locations(run, code):
    return [result["locations"][0] for result in run["results"] if result["ruleId"] == code]


def test_a_fault_in_a_row_points_at_its_line(refused, dataset):
    found = locations(log(refused), "TYPE_WRONG")
    lines = (dataset / "tables/lessons/lessons.csv").read_text().splitlines()
    (place,) = [
        one["physicalLocation"] for one in found if "held_on" in one["logicalLocations"][0]["fullyQualifiedName"]
    ]
    assert place["artifactLocation"]["uri"] == "tables/lessons/lessons.csv"
    assert "31.12.2024" in lines[place["region"]["startLine"] - 1]


def test_names_are_encoded_and_start_from_the_folder_that_was_named(refused):
    (place,) = locations(log(refused, "data sets/lessons"), "FILE_UNEXPECTED")
    assert unquote(place["physicalLocation"]["artifactLocation"]["uri"]) == "data sets/lessons/<b>name & | `x`.pdf"


def test_a_fault_of_the_whole_has_no_file(dataset, judged):
    for folder in ("tables", "texts"):
        (dataset / folder).rename(dataset.parent / folder)
    (place,) = locations(log(judged(dataset)), "NOTHING_INSIDE")
    assert "physicalLocation" not in place
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "(whole dataset)"


@pytest.mark.parametrize("level", ["error", "warning"])
def test_findings_below_the_level_are_no_results(refused, level):
    shown = {"error": {"error"}, "warning": {"error", "warning"}}[level]
    assert {result["level"] for result in log(refused, level=level)["results"]} == shown


def test_an_accepted_dataset_gives_a_log_that_says_so(accepted):
    run = log(accepted, level="error")
    assert run["results"] == []
    assert run["invocations"][0]["exitCode"] == 0
