"""Decides whether what has shifted asks for a new model; a sensor acts on the decision, which closes the loop."""

from datetime import UTC, datetime

import dagster as dg

from assets.house import Origin, commit, current_model, failures, preview, read_released
from assets.monitor import drift
from assets.publish import release
from assets.workshop import Workshop
from lakehouse.monitor.drift import DriftRow, drift_rows
from lakehouse.monitor.retraining import cause_key, decide, decisions_table
from lakehouse.ports import TableWrite
from lakehouse.tables.gold import DOCUMENTS, DRIFT, RETRAIN_DECISIONS
from lakehouse.tables.write_audit_publish import Lakehouse


@dg.asset(
    deps=[drift, release],
    group_name="retrain",
    owners=["team:monitoring"],
    kinds={"iceberg", "gold"},
)
def retrain_decisions(
    context: dg.AssetExecutionContext,
    workshop: dg.ResourceParam[Workshop],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
) -> dg.MaterializeResult[None]:
    """One decision per cause: retrain on what the current model has not learned from, or wait, and why.

    Before the first model there is nothing to decide: the first training learns from everything.
    """
    with failures():
        known = read_released(house, RETRAIN_DECISIONS)
        model = current_model(house)
        decided = {row["cause_key"] for row in known.select(["cause_key"]).to_pylist()}
        found = []
        if model is not None:
            measures = _open_measures(house, decided)
            found = decide(measures, trained_on=workshop.learned_versions(model), decided=decided) if measures else []
        if found:
            provenance = origin.provenance(context, model_version=model)
            rows = decisions_table(
                found, run_id=provenance.run_id, code_commit=provenance.code_commit, recorded_at=datetime.now(UTC)
            )
            key = "decisions:" + ",".join(one.cause_key for one in found)
            commit(house, [TableWrite(RETRAIN_DECISIONS, rows)], key=key, provenance=provenance)
            known = read_released(house, RETRAIN_DECISIONS)
    return dg.MaterializeResult(
        metadata={
            "decided_now": len(found),
            "decisions": preview(known.select(["cause_key", "decision", "reason"]), limit=20, width=200),
        }
    )


def _open_measures(house: Lakehouse, decided: set[str]) -> list[DriftRow]:
    """Return drift that has had no decision, in datasets that models learn from; the rest asks for no training."""
    drifted = [row for row in drift_rows(read_released(house, DRIFT)) if row.drifted]
    undecided = [row for row in drifted if cause_key(row.dataset, row.dataset_version) not in decided]
    if not undecided:
        return []
    learned_from = set(read_released(house, DOCUMENTS, columns=["dataset"])["dataset"].unique().to_pylist())
    return [row for row in undecided if row.dataset in learned_from]
