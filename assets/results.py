"""Turns what the model library gives back into rows of the gold tables."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.gate import Verdict
from assets.house import with_run
from lakehouse.definition import TableDefinition
from lakehouse.errors import ChecksumError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.gold import (
    EVALUATIONS,
    MEASURED_AT_A_STEP,
    MODEL_FORMS,
    MODEL_MEASURES,
    MODEL_STAGES,
    MODEL_TESTS,
    MODEL_VERSIONS,
    PREDICTIONS,
    PROMOTIONS,
    TOKEN_SHARES,
    TRAINING_CURVE,
)
from lakehouse.tables.stages import Stage
from models.form_verdict import FormVerdict
from models.requests import EvaluateResult
from models.scores import Comparison, Measure
from models.shares import TokenShare
from models.trials import TrialResult


def model_writes(
    version: str, training: Mapping[str, Any], shares: Sequence[TokenShare], provenance: Provenance
) -> list[TableWrite]:
    """Return the rows that describe a trained version: itself, its training curve and what it learned from."""
    row = {
        "model_version": version,
        "recipe": json.dumps(training["recipe"], sort_keys=True),
        "seed": training["seed"],
        "parameter_count": training["parameter_count"],
        "train_tokens": training["train_tokens"],
        "train_seconds": training["train_seconds"],
        "device": training["device"],
        "documents_snapshot": training["documents_snapshot"],
        "cause": training["cause"],
        "training_key": training["training_key"],
    }
    curve = [{"model_version": version, **measured_at(point)} for point in training["curve"]]
    writes = [write_of(MODEL_VERSIONS, [row], provenance), write_of(TRAINING_CURVE, curve, provenance)]
    learned = [{"model_version": version, **asdict(share)} for share in shares]
    return [*writes, write_of(TOKEN_SHARES, learned, provenance)] if learned else writes


def measured_at(point: Mapping[str, Any]) -> dict[str, object]:
    """Return what is kept of a step of training, by its column."""
    return {"step": point["step"], **{column.name: point[column.name] for column in MEASURED_AT_A_STEP}}


def evaluation_writes(version: str, result: EvaluateResult, provenance: Provenance) -> list[TableWrite]:
    """Return the rows of one evaluation: bits per byte by evaluator and slice, and predictions on passages."""
    known = {"model_version": version, "evaluation_snapshot": result.evaluation_snapshot}
    rows = [{**known, **asdict(row)} for row in result.rows]
    predictions = [{**known, **row} for row in _rows_of(result.predictions).to_pylist()]
    return [write_of(EVALUATIONS, rows, provenance), write_of(PREDICTIONS, predictions, provenance)]


def _rows_of(file: str | Path) -> pa.Table:
    """Read what a model's process wrote; raise ChecksumError when it is not as it was written."""
    try:
        return pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise ChecksumError(f"{file} is damaged ({error}); run the step again, nothing of it was published") from error


def trial_writes(version: str, snapshot: str, taken: Sequence[TrialResult], provenance: Provenance) -> list[TableWrite]:
    """Return the rows of a version's tests, those before its training and those after it."""
    known = {"model_version": version, "evaluation_snapshot": snapshot}
    rows = [
        {**known, **asdict(each), "test": each.trial, "value": each.value if math.isfinite(each.value) else None}
        for each in taken
    ]
    return [write_of(MODEL_TESTS, rows, provenance)] if rows else []


def measure_writes(version: str, measures: Sequence[Measure], provenance: Provenance) -> list[TableWrite]:
    """Return the rows of a version's figures."""
    rows = [{"model_version": version, **asdict(each)} for each in measures]
    return [write_of(MODEL_MEASURES, rows, provenance)] if rows else []


def promotion_write(
    version: str,
    snapshot: str,
    current: str | None,
    comparison: Comparison | None,
    verdict: Verdict,
    provenance: Provenance,
) -> TableWrite:
    """Return the row that says whether a version became the current one, and why."""
    row = {
        "model_version": version,
        "evaluation_snapshot": snapshot,
        "compared_with": current,
        "promoted": verdict.promoted,
        "waits": verdict.waits,
        "difference": comparison.difference if comparison else None,
        "standard_error": comparison.standard_error if comparison else None,
        "reason": verdict.reason,
    }
    return write_of(PROMOTIONS, [row], provenance)


def form_write(
    form: str, version: str, weights_sha256: str, verdict: FormVerdict, provenance: Provenance
) -> TableWrite:
    """Return the row of a smaller form beside the version it was made from."""
    values = asdict(verdict)
    asked = f"worse_at_most {values.pop('worse_at_most'):g}, size_at_most {values.pop('size_at_most'):g}"
    known = {"form": form, "model_version": version, "asked": asked, "weights_sha256": weights_sha256}
    return write_of(MODEL_FORMS, [known | values], provenance)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a version, and why."""

    version: str
    stage: Stage
    by: str
    reason: str
    snapshot: str | None = None


def stage_write(decisions: Sequence[Decision], release: int, provenance: Provenance) -> TableWrite:
    """Return the rows of decisions taken while `release` was the current one."""
    rows = [
        {
            "event_key": f"{release:010d}:{at}:{one.stage}:{one.version}",
            "model_version": one.version,
            "stage": one.stage,
            "evaluation_snapshot": one.snapshot,
            "decided_by": one.by,
            "reason": one.reason,
        }
        for at, one in enumerate(decisions)
    ]
    return write_of(MODEL_STAGES, rows, provenance)


def write_of(table: TableDefinition, rows: list[dict[str, Any]], provenance: Provenance) -> TableWrite:
    """Return the write of rows, one at least, with the run beside; what a row does not tell is null."""
    schema = pa.schema([field for field in table.arrow_schema() if any(field.name in row for row in rows)])
    return TableWrite(table, with_run(pa.Table.from_pylist(rows, schema=schema), provenance, table))
