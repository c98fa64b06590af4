"""Judges a submission: every finding at once, a FAIR score with its evidence, and a verdict that can block."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.house import Origin, commit, failures, read_released, submissions
from assets.ingest import submission
from lakehouse.archive.eds import Description
from lakehouse.archive.fitting import fitted
from lakehouse.archive.register import register_rows
from lakehouse.archive.reports.groups import where
from lakehouse.archive.reports.markdown import verdict_line
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.validate import Report
from lakehouse.definition import TableDefinition
from lakehouse.percent import percent
from lakehouse.ports import DatasetVersion, DatasetVersions, TableWrite
from lakehouse.tables.gold import LOADS
from lakehouse.tables.health import EXPECTATION_RESULTS
from lakehouse.tables.withdrawals import is_retracted
from lakehouse.tables.write_audit_publish import Lakehouse

FIT = dg.AssetCheckSpec(
    "fit_for_the_archive", asset="validation_report", blocking=True, description="No finding of level error."
)
FAIR = dg.AssetCheckSpec(
    "fair_enough", asset="validation_report", description="The FAIR score reaches the archive's threshold."
)


@dg.asset(
    partitions_def=submissions,
    deps=[submission],
    group_name="validate",
    owners=["team:archive"],
    kinds={"yaml", "iceberg"},
    check_specs=[FIT, FAIR],
)
def validation_report(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    house: dg.ResourceParam[Lakehouse],
    versions: dg.ResourceParam[DatasetVersions],
    origin: dg.ResourceParam[Origin],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """All findings and the FAIR score of a submission, kept in the register whatever the verdict."""
    with failures():
        report = verdict_on(context.partition_key, shelf, house, versions)
        writes = [TableWrite(table, rows) for table, rows in register_rows(report).items()]
        key = f"register:{report.submission}:{report.content_sha256}:{report.rules_version}"
        commit(house, writes, key=key, provenance=origin.provenance(context))
        if not report.accepted:
            shelf.done(context.partition_key)
    for finding in report.findings:
        if finding.level == "error":
            context.log.error("%s in %s: %s %s", finding.code, where(finding), finding.message, finding.how_to_fix)
    yield dg.MaterializeResult(metadata=_shown(report), data_version=dg.DataVersion(key))
    yield dg.AssetCheckResult(
        check_name=FIT.name,
        passed=report.accepted,
        description=verdict_line(report),
        metadata={"report": dg.MetadataValue.md(report.as_markdown())},
    )
    yield dg.AssetCheckResult(
        check_name=FAIR.name,
        passed=shelf.gate.passes(report),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"FAIR score {percent(report.fair_score)}, threshold {shelf.gate.asked}",
        metadata={"fair_score": report.fair_score, "threshold": shelf.gate.threshold, "gate": shelf.gate.mode},
    )


def verdict_on(key: str, shelf: Shelf, house: Lakehouse, versions: DatasetVersions) -> Report:
    """Return the report on what landed under a key, held to the tables that its rows would go to."""
    report = shelf.judge(key)
    return fitted(report, house.tables.misfits, _waiting(report, shelf, house, versions))


def unfinished(house: Lakehouse, saved: Sequence[DatasetVersion]) -> list[DatasetVersion]:
    """Return those of a dataset's saved versions whose rows are still to come.

    One that a promise stopped is not waited for: what mends it may need another type. Neither is one that was taken
    back: its rows do not come any more.
    """
    done = _labels(house, LOADS, saved[0].dataset, ("layer", "silver")) if saved else set()
    waiting = [one for one in saved if one.version not in done]
    done = _labels(house, EXPECTATION_RESULTS, saved[0].dataset, ("blocked", True)) if waiting else set()
    return [one for one in waiting if one.version not in done and not is_retracted(house.objects, one.content_sha256)]


def _waiting(report: Report, shelf: Shelf, house: Lakehouse, versions: DatasetVersions) -> Iterator[Description]:
    """Yield how the versions are described that were saved before this one and are not stored yet."""
    known = versions.versions(report.dataset)
    place = next((n for n, one in enumerate(known) if one.content_sha256 == report.content_sha256), len(known))
    for version in unfinished(house, known[:place]):
        accepted = shelf.accepted_report(version.content_sha256)
        if accepted is not None and accepted.description is not None:
            yield accepted.description


def _labels(house: Lakehouse, table: TableDefinition, dataset: str, wanted: tuple[str, object]) -> set[str]:
    """Return the versions of a dataset with a row in a table that holds a value in a column."""
    column, value = wanted
    rows = read_released(house, table, columns=["dataset", "dataset_version", column]).to_pylist()
    return {row["dataset_version"] for row in rows if row["dataset"] == dataset and row[column] == value}


def _shown(report: Report) -> dict[str, dg.MetadataValue | str | int | float]:
    return {
        "verdict": verdict_line(report),
        "report": dg.MetadataValue.md(report.as_markdown()),
        "fair_score": report.fair_score,
        "rows": report.row_count,
        "findings": len(report.findings),
        "personal_values": report.personal_count,
    }
