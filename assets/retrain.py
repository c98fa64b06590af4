"""Decides whether what has shifted asks for a new model; a sensor acts on the decision, which closes the loop."""

from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.house import Origin, commit, current_model, failures, preview, read_or_empty
from assets.monitor import drift
from assets.publish import release
from assets.workshop import Workshop
from lakehouse.monitor.drift import drift_rows
from lakehouse.monitor.retraining import decide, decisions_table
from lakehouse.ports import TableStore, TableWrite
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
        known = read_or_empty(house.tables, RETRAIN_DECISIONS)
        model = current_model(house)
        decided = {row["cause_key"] for row in known.select(["cause_key"]).to_pylist()}
        found = []
        if model is not None:
            measures = drift_rows(_of_what_models_read(house.tables))
            found = decide(measures, trained_on=workshop.learned_versions(model), decided=decided)
        if found:
            provenance = origin.provenance(context, model_version=model)
            rows = decisions_table(
                found, run_id=provenance.run_id, code_commit=provenance.code_commit, recorded_at=datetime.now(UTC)
            )
            key = "decisions:" + ",".join(one.cause_key for one in found)
            commit(house, [TableWrite(RETRAIN_DECISIONS, rows)], key=key, provenance=provenance)
            known = house.tables.read(RETRAIN_DECISIONS.name)
    return dg.MaterializeResult(
        metadata={
            "decided_now": len(found),
            "decisions": preview(known.select(["cause_key", "decision", "reason"]), limit=20, width=200),
        }
    )


def _of_what_models_read(tables: TableStore) -> pa.Table:
    """Return the measures of datasets that models learn from; what shifts elsewhere asks for no training."""
    read = read_or_empty(tables, DOCUMENTS, columns=["dataset"])["dataset"].unique()
    measures = read_or_empty(tables, DRIFT)
    return measures.filter(pc.is_in(measures["dataset"], value_set=read))
