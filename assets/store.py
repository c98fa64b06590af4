"""Writes an accepted version into Iceberg: bronze as submitted, silver typed, and the documents models learn from."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.house import Origin, commit, failures, preview, read_released, stored_datasets, submissions, with_run
from assets.version import dataset_record, dataset_version, saved_version
from lakehouse.archive.eds import Description
from lakehouse.archive.layers import bronze_writes, load_rows, silver_writes
from lakehouse.archive.reading import table_definition, text_definition
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.terms import terms_rows
from lakehouse.errors import NoReleaseError
from lakehouse.ports import DatasetVersion, DatasetVersions, TableWrite
from lakehouse.tables.documents import assemble, documents_sha256, from_outcomes, from_texts
from lakehouse.tables.gold import DOCUMENTS, LOADS
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse

WHOLE = dg.AssetCheckSpec(
    "as_many_rows_as_bronze", asset="silver_tables", blocking=True, description="No row was lost or made by typing."
)
APART = dg.AssetCheckSpec(
    "no_text_in_two_splits",
    asset="documents",
    blocking=True,
    description="No text occurs twice, so none is both learned from and measured on.",
)
OUTCOMES = "silver.college_scorecard_outcomes"


@dg.asset(
    partitions_def=submissions,
    deps=[dataset_record],
    group_name="store",
    owners=["team:data"],
    kinds={"iceberg", "bronze"},
)
def bronze_tables(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
) -> dg.MaterializeResult[None]:
    """Every table and text collection as submitted, each cell as text, with file and row number."""
    with failures():
        description, version = _accepted(shelf, versions, context.partition_key)
        writes = bronze_writes(shelf.landed(context.partition_key).folder, description, version)
        terms = TableWrite(TERMS, terms_rows(description, version))
        _commit(context, house, origin, "bronze", version, writes, beside=(terms,))
    return _loaded(writes, version)


@dg.asset(
    partitions_def=submissions,
    deps=[bronze_tables],
    group_name="store",
    owners=["team:data"],
    kinds={"iceberg", "silver"},
    check_specs=[WHOLE],
)
def silver_tables(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The same rows in the types of their data dictionary, published together or not at all."""
    with failures():
        description, version = _accepted(shelf, versions, context.partition_key)
        writes = silver_writes(shelf.landed(context.partition_key).folder, description, version)
        _commit(context, house, origin, "silver", version, writes)
        shelf.done(context.partition_key)
        counts = _row_counts(house, version)
    yield _loaded(writes, version)
    yield dg.AssetCheckResult(check_name=WHOLE.name, passed=counts["bronze"] == counts["silver"], metadata=dict(counts))


@dg.asset(
    deps=[silver_tables],
    group_name="store",
    owners=["team:data"],
    kinds={"iceberg", "gold"},
    check_specs=[APART],
)
def documents(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """All documents the language model may learn from or be measured on, split by a hash of their text."""
    with failures():
        rows = assemble(_document_parts(house, shelf, versions))
        writes = [TableWrite(DOCUMENTS, rows, mode="replace")]
        digest = documents_sha256(rows)
        commit(house, writes, key=f"documents:{digest}", provenance=origin.provenance(context))
    counts = Counter(rows["split"].to_pylist())
    yield dg.MaterializeResult(
        metadata={
            "documents": rows.num_rows,
            "bytes": pc.sum(rows["byte_count"]).as_py() or 0,
            **{f"{split}_documents": count for split, count in sorted(counts.items())},
            "preview": preview(rows.select(["document_id", "split", "text"])),
        },
        data_version=dg.DataVersion(digest),
    )
    shared = rows.num_rows - len(rows["text"].unique())
    yield dg.AssetCheckResult(check_name=APART.name, passed=shared == 0, metadata={"texts_that_repeat": shared})


def _accepted(shelf: Shelf, versions: DatasetVersions, key: str) -> tuple[Description, DatasetVersion]:
    version = saved_version(shelf, versions, key)
    description = shelf.judge(key).description
    assert description is not None, "saved_version refuses what has no description"
    return description, version


def _commit(
    context: dg.AssetExecutionContext,
    house: Lakehouse,
    origin: Origin,
    layer: str,
    version: DatasetVersion,
    writes: list[TableWrite],
    *,
    beside: tuple[TableWrite, ...] = (),
) -> None:
    provenance = origin.provenance(
        context, dataset=version.dataset, dataset_version=version.version, dataset_commit=version.commit
    )
    loads = with_run(load_rows(writes, version), provenance, LOADS)
    commit(
        house,
        [*writes, TableWrite(LOADS, loads), *beside],
        key=f"{layer}:{version.dataset}@{version.version}:{version.commit}",
        provenance=provenance,
    )


def _row_counts(house: Lakehouse, version: DatasetVersion) -> Counter[str]:
    """Return how many rows of a version were loaded into each layer, as its loads say."""
    counts: Counter[str] = Counter(bronze=0, silver=0)
    for row in read_released(house, LOADS).to_pylist():
        if row["dataset_commit"] == version.commit:
            counts[row["layer"]] += row["row_count"]
    return counts


def _loaded(writes: list[TableWrite], version: DatasetVersion) -> dg.MaterializeResult[None]:
    largest = max(writes, key=lambda write: write.rows.num_rows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(write.rows.num_rows for write in writes),
            "tables": [write.table.name for write in writes],
            "dataset_version": dg.MetadataValue.asset(dataset_version.key),
            "dataset_commit": version.commit,
            "dataset_tag": version.tag,
            "preview": preview(largest.rows),
        },
        data_version=dg.DataVersion(version.commit),
    )


def _document_parts(house: Lakehouse, shelf: Shelf, versions: DatasetVersions) -> list[pa.Table]:
    """Return the documents of every published dataset: all versions of waves, the newest of snapshots."""
    parts = []
    for name, stored in stored_datasets(house, shelf, versions).items():
        description, licence = stored.description, stored.description.licence or ""
        labels = [version.version for version in stored.versions]
        kept = pa.array(labels[-1:] if description.accumulates == "snapshots" else labels)
        for collection in description.texts.values():
            rows = read_released(house, text_definition(name, collection, "silver"))
            rows = rows.filter(pc.is_in(rows["dataset_version"], value_set=kept))
            parts.append(from_texts(rows, dataset=name, collection=collection.name, licence=licence))
        for table in description.tables.values():
            definition = table_definition(name, table, "silver")
            if definition.name == OUTCOMES:
                parts.append(from_outcomes(read_released(house, definition), dataset=name, licence=licence))
    if not parts:
        raise NoReleaseError("no published dataset holds text; hand one in with `lakehouse submit PATH`")
    return parts
