"""Compares each new dataset version with the one before it and records what has shifted."""

import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa

from assets.house import Origin, commit, failures, preview, read_released, rows_of, stored_datasets
from assets.promises import health
from assets.store import silver_tables
from lakehouse.archive.reading import table_definition
from lakehouse.archive.shelf import Shelf
from lakehouse.monitor.drift import DriftRow, compare_versions, drift_rows, drift_table
from lakehouse.ports import DatasetVersions, TableWrite
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.gold import DRIFT
from lakehouse.tables.health import EXPECTATION_RESULTS
from lakehouse.tables.write_audit_publish import Lakehouse

SHIFTED_COLUMNS = ["column_name", "dataset_version", "measure", "value", "table_name"]
HEALTHY = dg.AssetCheckSpec(
    "tables_keep_their_promises",
    asset="table_health",
    description="The project's own tables keep their promises (docs/expectations.md), and those of datasets are fresh.",
)


@dg.asset(
    deps=[silver_tables],
    group_name="monitor",
    owners=["team:monitoring"],
    kinds={"iceberg", "gold"},
)
def drift(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
) -> dg.MaterializeResult[None]:
    """How far each dataset version has moved from its predecessor, column by column."""
    with failures():
        known = read_released(house, DRIFT)
        found = [row for pair in _new_pairs(house, shelf, versions, known) for row in pair]
        if found:
            provenance = origin.provenance(context)
            rows = drift_table(
                found, run_id=provenance.run_id, code_commit=provenance.code_commit, recorded_at=datetime.now(UTC)
            )
            commit(house, [TableWrite(DRIFT, rows)], key=_key(found), provenance=provenance)
            known = read_released(house, DRIFT)
    shifted = known.filter(known["drifted"])
    return dg.MaterializeResult(
        metadata={
            "compared_now": len(found),
            "measures": known.num_rows,
            "drifted": shifted.num_rows,
            # The page is narrow and cuts what stands on the right: tables have the longest names.
            "shifted": preview(shifted.select(SHIFTED_COLUMNS), limit=20),
        }
    )


@dg.asset(
    deps=[silver_tables],
    group_name="monitor",
    owners=["team:data"],
    kinds={"iceberg", "gold"},
    check_specs=[HEALTHY],
)
def table_health(
    context: dg.AssetExecutionContext,
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
    expectations: dg.ResourceParam[Expectations],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """How the project's own tables keep their promises today, and how fresh the tables of datasets are."""
    with failures():
        found = health(house, expectations, datetime.now(UTC))
        rows = rows_of(EXPECTATION_RESULTS, found.results, origin.provenance(context))
        # Once a day and state of the tables: a second look at the same is no news.
        commit(house, [TableWrite(EXPECTATION_RESULTS, rows)], key=found.key, provenance=origin.provenance(context))
    yield dg.MaterializeResult(metadata={"promises": len(found.results), "broken": len(found.broken)})
    yield dg.AssetCheckResult(
        check_name=HEALTHY.name,
        passed=not found.broken,
        severity=dg.AssetCheckSeverity.ERROR if found.serious else dg.AssetCheckSeverity.WARN,
        metadata={"which": dg.MetadataValue.md("\n".join(f"- {line}" for line in found.broken) or "none")},
    )


def _new_pairs(house: Lakehouse, shelf: Shelf, versions: DatasetVersions, known: pa.Table) -> Iterator[list[DriftRow]]:
    """Yield the measures of every published table's neighbouring versions that are not among the known ones."""
    done = {(row.table_name, row.dataset_version) for row in drift_rows(known)}
    for name, stored in stored_datasets(house, shelf, versions).items():
        labels = [version.version for version in stored.versions]
        for table in stored.description.tables.values():
            silver = table_definition(name, table, "silver")
            pairs = [pair for pair in itertools.pairwise(labels) if (silver.name, pair[1]) not in done]
            rows = read_released(house, silver) if pairs else silver.arrow_schema().empty_table()
            present = set(rows["dataset_version"].unique().to_pylist())
            for reference, version in pairs:
                if {reference, version} <= present:
                    yield compare_versions(
                        rows, silver.name, name, version=version, reference_version=reference, skip=table.primary_key
                    )


def _key(found: list[DriftRow]) -> str:
    pairs = sorted({f"{row.table_name}:{row.reference_version}:{row.dataset_version}" for row in found})
    return "drift:" + hashlib.sha256("\n".join(pairs).encode()).hexdigest()
