"""Makes an accepted submission a version, a DataLad commit with a tag that nothing changes, and keeps its record."""

from collections.abc import Callable

import dagster as dg
import pyarrow as pa

from assets.house import Origin, commit, failures, read_released, submissions, with_run
from assets.validate import validation_report, verdict_on
from lakehouse.archive.eds import Description
from lakehouse.archive.findings import Report
from lakehouse.archive.identifiers import Naming, mint
from lakehouse.archive.records import Names, Sources, VersionRecord, make_record, store_record
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import RefusedError
from lakehouse.ports import DatasetVersion, DatasetVersions, Provenance, TableWrite
from lakehouse.tables.records import IDENTIFIERS, RECORDS
from lakehouse.tables.withdrawals import require_none_open, require_not_retracted
from lakehouse.tables.write_audit_publish import Lakehouse


@dg.asset(
    partitions_def=submissions,
    deps=[validation_report],
    group_name="version",
    owners=["team:archive"],
    kinds={"git"},
)
def dataset_version(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
) -> dg.MaterializeResult[None]:
    """One DataLad commit and tag per accepted content; the same content twice is the same version."""
    with failures():
        require_none_open(house.objects)
        require_not_retracted(house.objects, shelf.landed(context.partition_key).content_sha256)
        # Of two versions of a dataset that come at once, the second is held to the columns of the first.
        with shelf.saving(context.partition_key):
            _require_accepted(verdict_on(context.partition_key, shelf, house, versions), context.partition_key)
            version = saved_version(shelf, versions, context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "dataset": version.dataset,
            "version": version.version,
            "commit": version.commit,
            "tag": version.tag,
            "created": dg.MetadataValue.timestamp(version.created_at),
        },
        data_version=dg.DataVersion(version.commit),
    )


@dg.asset(
    partitions_def=submissions,
    deps=[dataset_version],
    group_name="version",
    owners=["team:archive"],
    kinds={"json", "iceberg"},
)
def dataset_record(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
    naming: dg.ResourceParam[Naming],
    origin: dg.ResourceParam[Origin],
) -> dg.MaterializeResult[None]:
    """What outlives the data: identifiers, metadata as others read it, and the changes since the version before."""
    with failures():
        version = saved_version(shelf, versions, context.partition_key)
        label = context.partition_key.partition("@")[2]
        if label != version.version:
            return dg.MaterializeResult(metadata={"same_content_as": f"{version.dataset}@{version.version}"})
        record = recorded(house, shelf, versions, naming, version, origin.provenance(context))
    return dg.MaterializeResult(
        metadata={
            "identifier": str(record.row["version_identifier"]),
            "page": dg.MetadataValue.url(naming.landing_url(version.dataset, version.version)),
            "files": sorted(record.files),
            "folder": record.folder,
        },
        data_version=dg.DataVersion(record.sha256),
    )


def recorded(
    house: Lakehouse,
    shelf: Shelf,
    versions: DatasetVersions,
    naming: Naming,
    version: DatasetVersion,
    provenance: Provenance,
    publish: Callable[..., object] = commit,
) -> VersionRecord:
    """Mint the identifiers of a saved version, write its record and publish both; the same again changes nothing.

    `publish` makes rows visible as `commit` does.
    """
    known = read_released(house, IDENTIFIERS).to_pylist()
    others = [
        row["identifier"]
        for row in known
        if (row["dataset"], row["dataset_version"]) == (version.dataset, version.version) and row["scheme"] != "ARK"
    ]
    names = Names(
        dataset=mint(house.objects, naming, version.dataset),
        version=mint(house.objects, naming, version.dataset, version.version),
        others=tuple(others),
    )
    record = make_record(_sources(shelf, versions, version), names, naming)
    store_record(house.objects, record)
    minted = {names.dataset: None, names.version: version.version}
    for identifier in sorted(minted.keys() - {row["identifier"] for row in known}):
        row = {
            "identifier": identifier,
            "scheme": "ARK",
            "dataset": version.dataset,
            "dataset_version": minted[identifier],
        }
        rows = with_run(pa.Table.from_pylist([row]), provenance, IDENTIFIERS)
        publish(house, [TableWrite(IDENTIFIERS, rows)], key=f"identifier:{identifier}", provenance=provenance)
    rows = with_run(pa.Table.from_pylist([dict(record.row)]), provenance, RECORDS)
    key = f"record:{version.dataset}@{version.version}:{record.sha256}"
    publish(house, [TableWrite(RECORDS, rows)], key=key, provenance=provenance)
    return record


def _sources(shelf: Shelf, versions: DatasetVersions, version: DatasetVersion) -> Sources:
    known = versions.versions(version.dataset)
    place = [one.version for one in known].index(version.version)
    report = shelf.judge(f"{version.dataset}@{version.version}")
    before = known[place - 1] if place else None
    judged = shelf.accepted_report(before.content_sha256) if before else None
    return Sources(
        folder=shelf.landed(f"{version.dataset}@{version.version}").folder,
        report=report,
        version=version,
        sequence=place + 1,
        previous=(before, judged) if before and judged else None,
    )


def saved_version(shelf: Shelf, versions: DatasetVersions, key: str) -> DatasetVersion:
    """Save what landed under `key`; raise RefusedError when it was not accepted, so that no path leads around it."""
    description = _require_accepted(shelf.judge(key), key)
    landed = shelf.landed(key)
    return versions.save(landed.folder, description.name, description.version, landed.content_sha256)


def _require_accepted(report: Report, key: str) -> Description:
    if not report.accepted or report.description is None:
        raise RefusedError(f"{key} was refused with {len(report.findings)} findings; mend them and submit again")
    return report.description
