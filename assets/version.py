"""Makes an accepted submission a version: a DataLad commit with a tag that nothing changes afterwards."""

import dagster as dg

from assets.house import failures, submissions
from assets.validate import validation_report
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import RefusedError
from lakehouse.ports import DatasetVersion, DatasetVersions


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
) -> dg.MaterializeResult[None]:
    """One DataLad commit and tag per accepted content; the same content twice is the same version."""
    with failures():
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


def saved_version(shelf: Shelf, versions: DatasetVersions, key: str) -> DatasetVersion:
    """Save what landed under `key`; raise RefusedError when it was not accepted, so that no path leads around it."""
    report = shelf.judge(key)
    if not report.accepted or report.description is None:
        raise RefusedError(f"{key} was refused with {len(report.findings)} findings; mend them and submit again")
    landed = shelf.landed(key)
    return versions.save(landed.folder, report.description.name, report.description.version, landed.content_sha256)
