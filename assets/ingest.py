"""Takes a submission out of the inbox and keeps a safe copy of exactly what was handed in."""

import dagster as dg

from assets.house import failures, submissions
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.uploads import Uploads
from lakehouse.ports import DatasetVersions
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse


class Wanted(dg.Config):
    """Which upload to fetch, by its name in the bucket."""

    upload: str


@dg.op
def fetch_upload(context: dg.OpExecutionContext, config: Wanted, uploads: dg.ResourceParam[Uploads]) -> None:
    """Bring an upload from the bucket into the inbox, whole; the inbox is looked at by itself."""
    with failures():
        entry = uploads.fetch(config.upload)
    context.log.info("upload %s entry=%s", config.upload, entry.name if entry else "fetched before, or gone")


@dg.asset(
    partitions_def=submissions,
    group_name="ingest",
    owners=["team:archive"],
    kinds={"file"},
)
def submission(
    context: dg.AssetExecutionContext,
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    house: dg.ResourceParam[Lakehouse],
) -> dg.MaterializeResult[None]:
    """A submitted folder or archive, copied out of the inbox unchanged and named by its content."""
    with failures():
        require_none_open(house.objects)
        landed = shelf.take(context.partition_key, versions)
    return dg.MaterializeResult(
        metadata={
            "folder": dg.MetadataValue.path(str(landed.folder)),
            "files": landed.file_count,
            "size_bytes": landed.size_bytes,
        },
        data_version=dg.DataVersion(landed.content_sha256),
    )
