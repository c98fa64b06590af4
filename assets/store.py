"""Writes an accepted version into Iceberg: bronze as submitted, silver typed, and the documents models learn from."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.house import (
    Engine,
    Origin,
    commit,
    current_release,
    failures,
    preview,
    read_released,
    submissions,
    with_run,
)
from assets.identifiers_kept import hidden_in_silver, to_be_hidden
from assets.leaks import without_leaks
from assets.learning import Permission, document_parts
from assets.promises import KEPT, inspection, records, require_kept, verdict
from assets.version import dataset_record, dataset_version, saved_version
from lakehouse.archive.deidentified import Deidentified
from lakehouse.archive.eds import Description
from lakehouse.archive.keeping import Holding, Keeper
from lakehouse.archive.layers import Far, bronze_writes, load_rows, silver_writes
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.terms import personal_columns, terms_rows
from lakehouse.definition import TableDefinition
from lakehouse.ports import AnyWrite, Change, DatasetVersion, DatasetVersions, Provenance, StoredRows, TableWrite
from lakehouse.tables.documents import assemble, documents_sha256
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.far import leaving, staying
from lakehouse.tables.expectations.inspection import Inspection
from lakehouse.tables.gold import DOCUMENTS, LOADS
from lakehouse.tables.health import ROWS_ASIDE
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse

WHOLE = dg.AssetCheckSpec(
    "as_many_rows_as_bronze",
    asset="silver_tables",
    blocking=True,
    description="No row was lost or made by typing: silver and set aside.",
)
APART = dg.AssetCheckSpec(
    "no_text_in_two_splits",
    asset="documents",
    blocking=True,
    description="No text occurs twice, so none is both learned from and measured on.",
)


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
    silver_key: dg.ResourceParam[SilverKey],
) -> dg.MaterializeResult[None]:
    """Every table and text collection as submitted, each cell as text, with file and row number."""
    with failures():
        description, version = _accepted(shelf, versions, context.partition_key)
        keeper = Keeper(house, _key("bronze", version))
        named = to_be_hidden(house, description, version, silver_key)
        terms = terms_rows(description, version, named.columns, named.fingerprint)
        beside = _terms_beside(house, terms, version, _provenance(context, origin, version))
        writes = bronze_writes(shelf.landed(context.partition_key).folder, description, version, keeper.keep)
        _commit(context, house, origin, "bronze", version, writes, beside=beside)
    return _loaded(writes, version, description, keeper.shown)


@dg.asset(
    partitions_def=submissions,
    deps=[bronze_tables],
    group_name="store",
    owners=["team:data"],
    kinds={"iceberg", "silver"},
    check_specs=[WHOLE, KEPT],
)
def silver_tables(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    origin: dg.ResourceParam[Origin],
    expectations: dg.ResourceParam[Expectations],
    engine: dg.ResourceParam[Engine],
    silver_key: dg.ResourceParam[SilverKey],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The same rows in the types of their data dictionary and with pseudonyms, published together or not at all."""
    with closing(Holding()) as holding:
        with failures():
            description, version = _accepted(shelf, versions, context.partition_key)
            found, published = inspection(house, expectations, version), _row_counts(house, version)["silver"] > 0
            named = hidden_in_silver(house, description, version, silver_key, already_stored=published)
            folder, far = shelf.landed(context.partition_key).folder, _far(house, engine, found, named)
            held = silver_writes(folder, description, version, holding.hold, found.sift, far, named)
        yield verdict(found)
        with failures():
            require_kept(house, found, origin, context, version, already_published=published)
            keeper = Keeper(house, _key("silver", version))
            writes = [keeper.keep_held(write) for write in held]
            beside = records(found, origin.provenance(context))
            _commit(context, house, origin, "silver", version, writes, beside=beside)
            shelf.done(context.partition_key)
            counts = _row_counts(house, version)
    yield _loaded(writes, version, description, keeper.shown)
    whole = counts["bronze"] == counts["silver"] + counts["set_aside"]
    yield dg.AssetCheckResult(check_name=WHOLE.name, passed=whole, metadata=dict(counts))


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
    permission: dg.ResourceParam[Permission],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """All documents the language model may learn from or be measured on, split by a hash of their text."""
    with failures():
        parts, left_out = document_parts(house, shelf, versions, permission)
        rows, leaks = without_leaks(assemble(parts))
        digest = documents_sha256(rows)
        # Named after what they replace too: the same documents can come back when terms or consent change twice.
        before = documents_sha256(read_released(house, DOCUMENTS))
        writes = [TableWrite(DOCUMENTS, rows, mode="replace")] if digest != before else []
        commit(house, writes, key=f"documents:{digest}:after:{before}", provenance=origin.provenance(context))
    counts = Counter(rows["split"].to_pylist())
    yield dg.MaterializeResult(
        metadata={
            "documents": rows.num_rows,
            "bytes": pc.sum(rows["byte_count"]).as_py() or 0,
            "left_out": left_out,
            "held_out_twins_left_out": [f"{each.held} says {each.learned} ({each.share:.0%})" for each in leaks],
            **{f"{split}_documents": count for split, count in sorted(counts.items())},
            "preview": preview(rows.select(["document_id", "split", "text"])),
        },
        data_version=dg.DataVersion(digest),
    )
    shared = rows.num_rows - len(rows["text"].unique())
    yield dg.AssetCheckResult(check_name=APART.name, passed=shared == 0, metadata={"texts_that_repeat": shared})


def _far(house: Lakehouse, engine: Engine, found: Inspection, named: Deidentified) -> Far:
    """Return what makes silver tables of published bronze rows on other machines, where there is such an engine.

    What such a table promises is judged of the files that were made, and of the rows that were left out of them. So
    tables that promise something of a column that has pseudonyms there are made here.
    """
    prefix = f"silver.{found.version.dataset}_"

    def made(
        bronze: TableDefinition, silver: TableDefinition, where: Mapping[str, str], change: Change
    ) -> StoredRows | None:
        pin = current_release(house).tables.get(bronze.name) if engine.maker else None
        if engine.maker is None or pin is None or pin.snapshot_id is None:
            return None
        source = bronze.name, pin.snapshot_id, where
        promised_of = found.expectations.of(silver.name)
        if promised_of is not None and promised_of.named_columns & set(named.of(silver.name.removeprefix(prefix))):
            return None
        if promised_of is None or promised_of.of_count_alone:
            rows = engine.maker.make(silver, *source, change)
            found.count(silver, rows.num_rows)
            return rows
        rows = engine.maker.make(silver, *source, partial(staying, change=change, promised_of=promised_of))
        left_out: Iterable[pa.Table] = ()
        if promised_of.sets_aside:
            left_out = engine.maker.pick(*source, partial(leaving, change=change, promised_of=promised_of))
        stored = house.tables.stored_columns(silver.name, rows, sorted(promised_of.named_columns))
        found.judge_stored(silver, stored, left_out)
        return rows

    return made


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
    writes: Sequence[AnyWrite],
    *,
    beside: tuple[TableWrite, ...] = (),
) -> None:
    provenance = _provenance(context, origin, version)
    loads = with_run(load_rows(writes, version), provenance, LOADS)
    commit(
        house,
        [*writes, TableWrite(LOADS, loads), *beside],
        key=_key(layer, version),
        provenance=provenance,
    )


def _key(layer: str, version: DatasetVersion) -> str:
    return f"{layer}:{version.dataset}@{version.version}:{version.commit}"


def _provenance(context: dg.AssetExecutionContext, origin: Origin, version: DatasetVersion) -> Provenance:
    return origin.provenance(
        context, dataset=version.dataset, dataset_version=version.version, dataset_commit=version.commit
    )


def _terms_beside(
    house: Lakehouse, terms: pa.Table, version: DatasetVersion, provenance: Provenance
) -> tuple[TableWrite, ...]:
    """Return the terms of a version as a write beside its bronze rows; none where they are published already.

    Terms that tell of renamed columns are published here: from the renaming of a table on, what is hidden must be
    known by its new name, and storing may end right after it.
    """
    known = read_released(house, TERMS, columns=["dataset", "dataset_version"]).to_pylist()
    if {"dataset": version.dataset, "dataset_version": version.version} in known:
        return ()
    write = TableWrite(TERMS, terms)
    if not any(terms["former_columns"].to_pylist()):
        return (write,)
    key = f"terms:{version.dataset}@{version.version}:{version.commit}"
    commit(house, [write], key=key, provenance=provenance)
    return ()


def _row_counts(house: Lakehouse, version: DatasetVersion) -> Counter[str]:
    """Return how many rows of a version were loaded into each layer, as its loads say, and how many were set aside."""
    aside = read_released(house, ROWS_ASIDE, columns=["dataset_commit"])["dataset_commit"].to_pylist()
    counts: Counter[str] = Counter(bronze=0, silver=0, set_aside=aside.count(version.commit))
    for row in read_released(house, LOADS).to_pylist():
        if row["dataset_commit"] == version.commit:
            counts[row["layer"]] += row["row_count"]
    return counts


def _loaded(
    writes: Sequence[AnyWrite], version: DatasetVersion, description: Description, shown: Mapping[str, pa.Table]
) -> dg.MaterializeResult[None]:
    here = [write for write in writes if write.table.name in shown]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(write.rows.num_rows for write in writes),
            "tables": [write.table.name for write in writes],
            "dataset_version": dg.MetadataValue.asset(dataset_version.key),
            "dataset_commit": version.commit,
            "dataset_tag": version.tag,
            **({"preview": _preview(here, version, description, shown)} if here else {}),
        },
        data_version=dg.DataVersion(version.commit),
    )


def _preview(
    writes: Sequence[AnyWrite], version: DatasetVersion, description: Description, shown: Mapping[str, pa.Table]
) -> dg.MarkdownMetadataValue:
    """Return the first rows of the largest table that was made here."""
    largest = max(writes, key=lambda write: write.rows.num_rows)
    # What Dagster keeps of a run is not asked for its purpose, so it holds no column that names or exposes people.
    part = largest.table.name.split(".", 1)[1].removeprefix(f"{version.dataset}_")
    personal = personal_columns(description).get(part, frozenset())
    rows = shown[largest.table.name]
    return preview(rows.select([name for name in rows.column_names if name not in personal]))
