"""The register's rows for one report: the submission, its findings and its FAIR indicators."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from lakehouse.archive.findings import Report
from lakehouse.definition import TableDefinition
from lakehouse.tables.register import FAIR_INDICATORS, FINDINGS, SUBMISSIONS


def register_rows(report: Report) -> dict[TableDefinition, pa.Table]:
    """Return the rows to append to each table of the register, in its exact schema; a table may get none."""
    key = {
        "submission": report.submission,
        "content_sha256": report.content_sha256,
        "rules_version": report.rules_version,
        "validated_at": report.validated_at,
    }
    findings = [{**key, **asdict(finding)} for finding in report.findings]
    indicators = [{**key, **asdict(indicator), "indicator_verdict": indicator.verdict} for indicator in report.fair]
    return {
        SUBMISSIONS: _rows(SUBMISSIONS, [{**key, **_submission(report)}]),
        FINDINGS: _rows(FINDINGS, findings),
        FAIR_INDICATORS: _rows(FAIR_INDICATORS, indicators),
    }


def _submission(report: Report) -> dict[str, object]:
    description = report.description
    return {
        "dataset": report.dataset,
        "dataset_version": report.dataset_version,
        "title": description.title if description else None,
        "licence": description.licence if description else None,
        "verdict": "accepted" if report.accepted else "refused",
        "fair_score": report.fair_score,
        "error_count": report.count("error"),
        "warning_count": report.count("warning"),
        "personal_count": report.personal_count,
        "row_count": report.row_count,
        "size_bytes": report.size_bytes,
    }


def _rows(table: TableDefinition, rows: Sequence[dict[str, object]]) -> pa.Table:
    names = [column.name for column in table.columns]
    return pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema=table.arrow_schema())
