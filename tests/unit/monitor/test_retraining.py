"""The retraining policy by its cases."""

from datetime import UTC, datetime

from lakehouse.monitor.drift import DriftRow
from lakehouse.monitor.retraining import RetrainDecision, cause_key, decide, decisions_table
from lakehouse.tables.gold import RETRAIN_DECISIONS


def measure(version: str, *, value: float, column: str = "mark", dataset: str = "marks") -> DriftRow:
    return DriftRow(
        table_name=f"silver.{dataset}_t",
        column_name=column,
        dataset=dataset,
        dataset_version=version,
        reference_version="2011",
        measure="population_stability_index",
        value=value,
        threshold=0.25,
        drifted=value > 0.25,
    )


def test_a_drifted_version_the_model_has_not_seen_asks_for_a_retraining():
    assert decide([measure("2012", value=1.0)], trained_on={"marks": {"2011"}}) == [
        RetrainDecision(
            cause_key="marks@2012",
            cause="drift",
            decision="retrain",
            reason="the current model has not learned from marks 2012; "
            "mark population_stability_index 1.00 > 0.25 against 2011",
        )
    ]


def test_a_drifted_version_the_model_has_seen_waits_with_the_reason():
    (decision,) = decide([measure("2012", value=1.0)], trained_on={"marks": {"2011", "2012"}})
    assert decision.decision == "wait"
    assert decision.reason.startswith("the current model has already learned from marks 2012; mark ")


def test_a_version_learned_in_another_dataset_does_not_count():
    (decision,) = decide([measure("2012", value=1.0)], trained_on={"other": {"2012"}})
    assert decision.decision == "retrain"


def test_without_a_model_every_drifted_version_asks():
    assert [d.decision for d in decide([measure("2012", value=1.0), measure("2015", value=2.0)], trained_on={})] == [
        "retrain",
        "retrain",
    ]


def test_what_has_not_drifted_asks_for_nothing():
    assert decide([measure("2012", value=0.2)], trained_on={}) == []
    assert decide([], trained_on={}) == []


def test_a_version_is_one_cause_however_many_columns_moved():
    rows = [measure("2012", value=1.0 + n / 10, column=f"c{n}") for n in range(7)]
    (decision,) = decide(rows, trained_on={})
    assert decision.cause_key == "marks@2012"
    assert decision.reason.count("against 2011") == 5
    assert "c6 population_stability_index 1.60" in decision.reason
    assert decision.reason.endswith("; and 2 more")


def test_a_cause_is_decided_once():
    rows = [measure("2012", value=1.0), measure("2015", value=2.0)]
    first = decide(rows, trained_on={})
    again = decide(rows, trained_on={}, decided={decision.cause_key for decision in first[:1]})
    assert [decision.cause_key for decision in first] == ["marks@2012", "marks@2015"]
    assert again == first[1:]


def test_the_order_of_the_rows_does_not_matter():
    rows = [measure("2012", value=1.0), measure("2015", value=2.0), measure("1", value=3.0, dataset="a")]
    assert decide(rows, trained_on={}) == decide(rows[::-1], trained_on={})


def test_decisions_become_rows_of_their_table():
    decisions = decide([measure("2012", value=1.0)], trained_on={})
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    table = decisions_table(decisions, run_id="r", code_commit="c", recorded_at=moment)
    assert table.schema.equals(RETRAIN_DECISIONS.arrow_schema())
    assert table.to_pylist() == [
        {
            "cause_key": cause_key("marks", "2012"),
            "cause": "drift",
            "decision": "retrain",
            "reason": decisions[0].reason,
            "run_id": "r",
            "code_commit": "c",
            "recorded_at": moment,
        }
    ]
