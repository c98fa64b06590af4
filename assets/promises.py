"""Holds rows to what their tables promise, and records how each promise was kept."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from assets.house import Origin, commit, current_release, read_released, rows_of, with_run
from lakehouse.errors import BrokenPromiseError
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.inspection import Inspection, recorded, told
from lakehouse.tables.expectations.judge import Verdict, judge
from lakehouse.tables.health import EXPECTATION_RESULTS, ROWS_ASIDE
from lakehouse.tables.write_audit_publish import Lakehouse

KEPT = dg.AssetCheckSpec(
    "keeps_its_promises",
    asset="silver_tables",
    blocking=True,
    description="The rows keep what docs/expectations.md says of their tables; a warning lets them through.",
)


def inspection(house: Lakehouse, expectations: Expectations, version: DatasetVersion) -> Inspection:
    """Return a look at one version, with what is known of the versions before it."""
    known = read_released(house, EXPECTATION_RESULTS)
    return Inspection(expectations, known, version, datetime.now(UTC))


def records(found: Inspection, provenance: Provenance) -> tuple[TableWrite, ...]:
    """Return how each promise was kept, and the rows that were set aside, as writes."""
    writes = [_results(found, provenance)] if found.verdicts else []
    aside = found.rows_aside()
    if aside is not None:
        writes.append(TableWrite(ROWS_ASIDE, with_run(aside, provenance, ROWS_ASIDE)))
    return tuple(writes)


def require_kept(
    house: Lakehouse,
    found: Inspection,
    origin: Origin,
    context: dg.AssetExecutionContext,
    version: DatasetVersion,
    *,
    already_published: bool,
) -> None:
    """Raise BrokenPromiseError when nothing may be published, once that is on record.

    A promise that was changed later takes nothing back: what is published stays, and the check says what is broken.
    """
    if not found.blocked or already_published:
        return
    provenance = origin.provenance(context, dataset=version.dataset, dataset_version=version.version)
    key = f"expectations:{version.dataset}@{version.version}:{version.commit}:{found.expectations.version}"
    commit(house, [_results(found, provenance)], key=key, provenance=provenance)
    raise BrokenPromiseError(
        f"nothing of {version.dataset}@{version.version} was published: {'; '.join(found.blocked)}. Correct the data "
        "and hand in a new version, or change the promise (docs/expectations.md) and run again"
    )


def verdict(found: Inspection) -> dg.AssetCheckResult:
    """Return the asset check: passed when every promise is kept, a warning when only such are broken."""
    lines = [f"- {table}: {one.code} ({one.expectation.severity}), {told(one)}" for table, one in found.broken]
    return dg.AssetCheckResult(
        check_name=KEPT.name,
        passed=not found.broken,
        severity=dg.AssetCheckSeverity.ERROR if found.blocked else dg.AssetCheckSeverity.WARN,
        metadata={
            "promises": len(found.verdicts),
            "broken": len(found.broken),
            "rows_aside": found.aside_count,
            "which": dg.MetadataValue.md("\n".join(lines) or "none"),
        },
    )


def _results(found: Inspection, provenance: Provenance) -> TableWrite:
    return TableWrite(EXPECTATION_RESULTS, rows_of(EXPECTATION_RESULTS, found.results(), provenance))


@dataclass(frozen=True)
class Health:
    """How the project's own tables keep their promises: rows for the record, sentences on what is broken."""

    key: str
    results: list[dict[str, object]]
    broken: list[str]
    serious: bool


def health(house: Lakehouse, expectations: Expectations, now: datetime) -> Health:
    """Judge every table of the project itself that promises something and is published."""
    pins = current_release(house).tables
    digest = hashlib.sha256(f"{expectations.version}:{now.date()}".encode())
    judged: list[tuple[str, Verdict]] = []
    for table, promised_of in expectations.of_own_tables():
        if table.name not in pins:
            continue
        digest.update(f"{table.name}={pins[table.name].snapshot_id};".encode())
        found = judge(read_released(house, table), promised_of, history={}, now=now)
        judged += [(table.name, verdict) for verdict in found.verdicts]
    return Health(
        key=f"health:{digest.hexdigest()}",
        results=[recorded(table, verdict, expectations.version) for table, verdict in judged],
        broken=[
            *(f"{table}: {verdict.code}, {told(verdict)}" for table, verdict in judged if not verdict.kept),
            *(
                f"{name}: no such table is published, so its promises are not judged"
                for name in _absent(expectations, pins)
            ),
        ],
        serious=any(verdict.blocks for _, verdict in judged),
    )


def _absent(expectations: Expectations, pins: Collection[str]) -> list[str]:
    """Return the tables of datasets that an added file names and that are not there: a slip, or not handed in yet."""
    named = (name for name in expectations.added if name.startswith("silver.") and not name.endswith(".*"))
    return sorted(name for name in named if name not in pins)
