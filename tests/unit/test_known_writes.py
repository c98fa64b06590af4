"""Figures on published tests, and tests that need them, become rows once, whenever the folder of them is named."""

import dataclasses
from pathlib import Path

import pytest

from assets.house import commit
from assets.publish import known_writes
from dagster_project.settings import load_settings
from dagster_project.wiring import ensure_folders, lakehouse
from lakehouse.ports import Provenance
from models.requests import EvaluateResult
from models.scores import Measure
from models.trials import TrialResult

OWN = Measure("bits_per_byte", "all", 1.4, 1.3, 1.5, 9, "snapshot")
PAIRS = Measure("blimp_accuracy", "all", 0.6, 0.5, 0.7, 9, "BLiMP, 9 pairs, sha256 a")
PUBLISHED = Measure("blimp_accuracy", "published: gpt2", 0.8, None, None, 9, "BLiMP, as published")
RESULT = EvaluateResult(
    evaluation_snapshot="snapshot", rows=[], scores=Path(), predictions=Path(), seconds=1.0,
    measures=[OWN, PAIRS, PUBLISHED],
)  # fmt: skip
TEST = TrialResult(
    trial="published_injections_do_not_work", measure="published_injections_gap", value=0.0, threshold=0.1,
    comparison="at_most", passed=True, stops="promotion", owner="team:models", detail="",
)  # fmt: skip


class Taken:
    """Stands for the workshop: what a version showed before its training, and in the tests of an evaluation."""

    @staticmethod
    def trial_results(_version, result):
        return result.trials


HERE = Provenance(run_id="test", code_commit="c" * 40)


@pytest.fixture
def house(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    ensure_folders(settings)
    return lakehouse(settings)


def test_figures_on_published_tests_are_written_once_a_version_and_test(house):
    (write,) = known_writes(house, Taken, "gpt-0001", RESULT, HERE)
    assert {row["measured_on"] for row in write.rows.to_pylist()} == {PAIRS.measured_on, PUBLISHED.measured_on}
    commit(house, [write], key="known", provenance=HERE)
    assert known_writes(house, Taken, "gpt-0001", RESULT, HERE) == []
    other = dataclasses.replace(PAIRS, measured_on="BLiMP, 9 pairs, sha256 b")
    (more,) = known_writes(house, Taken, "gpt-0001", dataclasses.replace(RESULT, measures=[OWN, PAIRS, other]), HERE)
    assert [row["measured_on"] for row in more.rows.to_pylist()] == [other.measured_on]
    assert known_writes(house, Taken, "gpt-0002", RESULT, HERE)


def test_a_test_that_needs_published_tests_is_written_once_they_are_there(house):
    own = dataclasses.replace(TEST, trial="writes_text")
    before = dataclasses.replace(RESULT, measures=[OWN], trials=[own])
    (write,) = known_writes(house, Taken, "gpt-0001", before, HERE)
    commit(house, [write], key="release", provenance=HERE)
    assert known_writes(house, Taken, "gpt-0001", before, HERE) == []
    (more,) = known_writes(house, Taken, "gpt-0001", dataclasses.replace(before, trials=[own, TEST]), HERE)
    assert more.rows["test"].to_pylist() == [TEST.trial]
    assert more.table.name == "gold.model_tests"
