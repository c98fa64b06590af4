"""Turns what the model library gives back into rows of the gold tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.house import with_run
from lakehouse.definition import TableDefinition
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.gold import EVALUATIONS, MODEL_VERSIONS, PREDICTIONS, PROMOTIONS, TOKEN_SHARES, TRAINING_CURVE
from models.requests import EvaluateResult
from models.scores import Comparison
from models.shares import TokenShare


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
    }
    curve = [
        {
            "model_version": version,
            "step": point["step"],
            "train_bits_per_byte": point["train_bits_per_byte"],
            "validation_bits_per_byte": point["validation_bits_per_byte"],
            "tokens_per_second": point["tokens_per_second"],
        }
        for point in training["curve"]
    ]
    writes = [_write(MODEL_VERSIONS, [row], provenance), _write(TRAINING_CURVE, curve, provenance)]
    learned = [{"model_version": version, **asdict(share)} for share in shares]
    return [*writes, _write(TOKEN_SHARES, learned, provenance)] if learned else writes


def evaluation_writes(version: str, result: EvaluateResult, provenance: Provenance) -> list[TableWrite]:
    """Return the rows of one evaluation: bits per byte by evaluator and slice, and predictions on passages."""
    known = {"model_version": version, "evaluation_snapshot": result.evaluation_snapshot}
    rows = [{**known, **asdict(row)} for row in result.rows]
    predictions = [{**known, **row} for row in pq.read_table(result.predictions).to_pylist()]
    return [_write(EVALUATIONS, rows, provenance), _write(PREDICTIONS, predictions, provenance)]


def promotion_write(
    version: str, snapshot: str, current: str | None, comparison: Comparison | None, provenance: Provenance
) -> TableWrite:
    """Return the row that says whether a version became the current one, and why."""
    row = {
        "model_version": version,
        "evaluation_snapshot": snapshot,
        "compared_with": current,
        "promoted": comparison is None or comparison.wins,
        "difference": comparison.difference if comparison else None,
        "standard_error": comparison.standard_error if comparison else None,
        "reason": comparison.reason if comparison else "the first model that beats the baselines",
    }
    return _write(PROMOTIONS, [row], provenance)


def _write(table: TableDefinition, rows: list[dict[str, Any]], provenance: Provenance) -> TableWrite:
    names = [name for name in table.arrow_schema().names if rows and name in rows[0]]
    schema = pa.schema([table.arrow_schema().field(name) for name in names])
    return TableWrite(table, with_run(pa.Table.from_pylist(rows, schema=schema), provenance, table))
