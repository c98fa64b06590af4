"""Decides whether drift asks for a new model: one decision a cause, made once, with the numbers behind it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from lakehouse.monitor.drift import DriftRow
from lakehouse.tables.gold import RETRAIN_DECISIONS

SHOWN_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class RetrainDecision:
    """What was decided about one cause: a row of gold.retrain_decisions without the run that wrote it."""

    cause_key: str
    cause: Literal["first", "schedule", "drift", "request"]
    decision: Literal["retrain", "wait"]
    reason: str


def decide(
    drift_rows: Sequence[DriftRow],
    *,
    trained_on: Mapping[str, AbstractSet[str]],
    decided: AbstractSet[str] = frozenset(),
) -> list[RetrainDecision]:
    """Return a decision for every drifted dataset version, sorted by cause key.

    A version the current model has not learned from asks for a retraining; one it has learned from waits. Versions
    that did not drift, and causes in `decided`, give no decision.

    Args:
        drift_rows: Measures of any number of datasets and versions, drifted or not.
        trained_on: The versions of each dataset that the current model has learned from; empty without a model.
        decided: Cause keys that have had their decision.
    """
    causes: dict[tuple[str, str], list[DriftRow]] = {}
    for row in drift_rows:
        if row.drifted and cause_key(row.dataset, row.dataset_version) not in decided:
            causes.setdefault((row.dataset, row.dataset_version), []).append(row)
    return [
        _decision(dataset, version, rows, learned=version in trained_on.get(dataset, frozenset()))
        for (dataset, version), rows in sorted(causes.items())
    ]


def cause_key(dataset: str, version: str) -> str:
    """Return the key under which drift of a version is decided, the same as the submission's."""
    return f"{dataset}@{version}"


def decisions_table(
    decisions: Sequence[RetrainDecision], *, run_id: str, code_commit: str, recorded_at: datetime
) -> pa.Table:
    """Return the decisions as gold.retrain_decisions; `recorded_at` carries its time zone."""
    run = {"run_id": run_id, "code_commit": code_commit, "recorded_at": recorded_at}
    return pa.Table.from_pylist([{**asdict(one), **run} for one in decisions], schema=RETRAIN_DECISIONS.arrow_schema())


def _decision(dataset: str, version: str, rows: Sequence[DriftRow], *, learned: bool) -> RetrainDecision:
    numbers = _numbers(rows)
    reason = (
        f"the current model has already learned from {dataset} {version}; {numbers}"
        if learned
        else f"the current model has not learned from {dataset} {version}; {numbers}"
    )
    return RetrainDecision(
        cause_key=cause_key(dataset, version),
        cause="drift",
        decision="wait" if learned else "retrain",
        reason=reason,
    )


def _numbers(rows: Sequence[DriftRow]) -> str:
    """Name the columns that moved most against their thresholds."""
    worst = sorted(rows, key=lambda row: (-row.value / row.threshold, row.table_name, row.column_name, row.measure))
    shown = [
        f"{row.column_name} {row.measure} {row.value:.2f} > {row.threshold:.2f} against {row.reference_version}"
        for row in worst[:SHOWN_COLUMNS]
    ]
    left = len(worst) - len(shown)
    return "; ".join(shown) + (f"; and {left} more" if left else "")
