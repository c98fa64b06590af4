"""What the tables keep of a withdrawal or retraction: tombstones, quarantines, and the wish for a retraining."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.definition import TableDefinition
from lakehouse.ports import DatasetVersion, TableWrite
from lakehouse.tables.gold import MODEL_QUARANTINES, RETRAIN_DECISIONS
from lakehouse.tables.records import TOMBSTONES
from lakehouse.tables.register import WITHDRAWALS

Now = Callable[[str, str], DatasetVersion]
"""Returns a dataset's version as it is now, by dataset and label."""


def register_writes(
    plan: Plan, quarantined: Sequence[str], *, now: Now, signer: Signer, code_commit: str, at: datetime
) -> list[TableWrite]:
    """Return the rows that a finished withdrawal or retraction leaves in the tables; `at` is in UTC."""
    run = {"run_id": f"{plan.act} {plan.receipt}", "code_commit": code_commit, "recorded_at": at}
    if plan.act == "retraction":
        rows = [
            {
                "dataset": one.dataset,
                "dataset_version": one.version,
                "reason": plan.reason,
                "decided_by": plan.by,
                "removed_at": at,
                **run,
            }
            for one in plan.versions
            if one.removal.whole
        ]
        writes = [_write(TOMBSTONES, rows)]
    else:
        writes = [_write(WITHDRAWALS, [{**row, "withdrawn_at": at} for row in _withdrawals(plan, now, signer)])]
    return [*writes, *_of_models(plan, quarantined, run)] if quarantined else writes


def _of_models(plan: Plan, quarantined: Sequence[str], run: dict[str, Any]) -> list[TableWrite]:
    what = plan.subject if plan.act == "retraction" else f"a {plan.kind}"
    reason = f"{plan.act} {plan.receipt} removed {what} these models learned from"
    rows = [{"model_version": name, "receipt": plan.receipt, "reason": reason, **run} for name in quarantined]
    asked = {
        "cause_key": f"{plan.act}:{plan.receipt}",
        "cause": "request",
        "decision": "retrain",
        "reason": f"{', '.join(quarantined)}: {reason}",
    }
    return [_write(MODEL_QUARANTINES, rows), _write(RETRAIN_DECISIONS, [{**asked, **run}])]


def _withdrawals(plan: Plan, now: Now, signer: Signer) -> list[dict[str, Any]]:
    return [
        {
            "receipt": plan.receipt,
            "dataset": one.dataset,
            "dataset_version": one.version,
            "subject_kind": plan.kind,
            "subject_hash": signer.fingerprint(plan.subject),
            "commit_before": one.commit,
            "commit_after": now(one.dataset, one.version).commit,
            "content_before": one.content_sha256,
            "content_after": now(one.dataset, one.version).content_sha256,
            "rows_removed": sum(one.removal.rows.values()),
            "mentions_masked": sum(one.removal.mentions.values()),
            "withdrawn_by": plan.by,
            "reason": plan.reason,
        }
        for one in plan.versions
    ]


def _write(table: TableDefinition, rows: list[dict[str, Any]]) -> TableWrite:
    return TableWrite(table, pa.Table.from_pylist(rows, schema=table.arrow_schema()))
