"""Promises of the gate before the alias."""

import pytest

from assets.gate import FIRST, Case, Gate, judge
from models.scores import Comparison

BETTER = Comparison(True, -0.1, 0.01, 1.9, 2.0, 40)
WORSE = Comparison(False, -0.01, 0.01, 1.99, 2.0, 40)


def case(*, current="gpt-0001", comparison=BETTER, failed=(), stages=None):
    return Case("gpt-0002", current, comparison, failed, stages or {})


def stage(word):
    return {"gpt-0002": {"stage": word, "decided_by": "ada", "reason": "writes nonsense"}}


@pytest.mark.parametrize("current", [None, "gpt-0001"])
def test_a_better_model_with_green_tests_is_promoted(current):
    verdict = judge(case(current=current, comparison=BETTER if current else None), Gate())
    assert verdict.promoted
    assert verdict.reason == (BETTER.reason if current else FIRST)


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ({"comparison": WORSE}, "two standard|2 standard errors"),
        ({"failed": ("planted_secrets",)}, "planted_secrets"),
        ({"current": None, "comparison": None, "failed": ("no_leakage",)}, "no_leakage"),
        ({"stages": stage("rolled_back")}, "rolled back by ada: writes nonsense"),
        ({"stages": stage("retired")}, "retired by ada"),
        ({"current": "gpt-0002", "comparison": None}, "current version already"),
    ],
)
@pytest.mark.parametrize("approval", [False, True])
def test_anything_against_it_keeps_the_alias_where_it_is(against, said, approval):
    verdict = judge(case(**against), Gate(approval=approval))
    assert not verdict.promoted
    assert not verdict.waits
    assert any(word in verdict.reason for word in said.split("|"))


def test_where_a_person_must_agree_a_better_model_waits():
    verdict = judge(case(), Gate(approval=True))
    assert (verdict.promoted, verdict.waits) == (False, True)
    assert "lakehouse models approve gpt-0002" in verdict.reason


def test_a_version_made_current_again_by_a_person_is_judged_as_any_other():
    assert judge(case(stages=stage("current")), Gate()).promoted
