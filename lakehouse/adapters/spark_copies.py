"""Private copies of a table's metadata, on which Spark's own procedures run without anybody seeing a commit.

Iceberg's procedures commit to main at once, and know neither pins nor the past beside the metadata. So Spark gets a
copy in a catalog of its own memory; what it writes lies in one folder of the table, which goes when the copy does.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pyarrow import fs
from pyiceberg.manifest import DataFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyspark.sql import Row, SparkSession

from lakehouse.adapters.iceberg_commit import live_entries, manifests_of
from lakehouse.adapters.iceberg_history import file_system
from lakehouse.adapters.iceberg_seal import metadata_bytes, store
from lakehouse.adapters.spark_session import NAMESPACE, SCRATCH
from lakehouse.errors import PermanentError

UNSPOKEN = ("'", "\\", "\n")


@dataclass(frozen=True)
class Copy:
    """A table as Spark sees it: at `head`, with the snapshots it was given, in the catalog ``scratch``."""

    spark: SparkSession
    stored: Table
    head: Snapshot
    mark: str

    @property
    def name(self) -> str:
        """The table's name in Spark."""
        return f"{SCRATCH}.{NAMESPACE}.{self.mark}"

    @property
    def folder(self) -> str:
        """Where all lies that Spark writes."""
        return f"{self.stored.location()}/spark-{self.mark}"

    def call(
        self, procedure: str, arguments: Mapping[str, str | bool], options: Mapping[str, str] | None = None
    ) -> list[Row]:
        """Run one of Iceberg's procedures on the copy; values are told as text and may hold no quotes."""
        spoken = {"table": _spoken(f"{NAMESPACE}.{self.mark}"), **{k: _spoken(v) for k, v in arguments.items()}}
        if options:
            spoken["options"] = f"map({', '.join(_spoken(part) for pair in options.items() for part in pair)})"
        told = ", ".join(f"{name} => {value}" for name, value in spoken.items())
        # A procedure takes no bound values.
        rows: list[Row] = self.spark.sql(f"call {SCRATCH}.system.{procedure}({told})").collect()
        return rows

    def after(self) -> tuple[list[DataFile], set[str]]:
        """Return the data files that are in the copy now and were not before, and the paths of those that left it."""
        folder = urlsplit(f"{self.folder}/metadata")
        files = file_system(self.stored)
        chosen = fs.FileSelector(folder.netloc + folder.path)
        names = sorted(one.base_name for one in files.get_file_info(chosen) if one.path.endswith(".metadata.json"))
        newest = self.stored.io.new_input(f"{self.folder}/metadata/{names[-1]}")
        metadata = FromInputFile.table_metadata(newest)
        head = next(one for one in metadata.snapshots if one.snapshot_id == metadata.current_snapshot_id)
        before = {entry.data_file.file_path for entry in live_entries(self.stored.io, self.head)}
        now = {entry.data_file.file_path: entry.data_file for entry in live_entries(self.stored.io, head)}
        return [file for path, file in now.items() if path not in before], before - set(now)

    def unreferenced(self, paths: Sequence[str]) -> set[str]:
        """Return those of `paths` that no snapshot of the copy needs."""
        long_ago = datetime(1970, 1, 2, tzinfo=UTC)
        view = f"found_{self.mark}"
        rows = [(path, long_ago) for path in paths]
        self.spark.createDataFrame(rows, "file_path string, last_modified timestamp").createOrReplaceTempView(view)
        found = self.call("remove_orphan_files", {"file_list_view": view, "dry_run": True})
        return {row["orphan_file_location"] for row in found}


@contextmanager
def copied(
    spark: SparkSession,
    stored: Table,
    head: Snapshot,
    snapshots: Sequence[Snapshot],
    properties: Mapping[str, str] | None = None,
) -> Iterator[Copy]:
    """Give Spark a copy of a table that has these snapshots; it and all that Spark wrote for it go afterwards.

    After a crash they lie about in the table's folder, where the removal of orphans finds them.
    """
    copy = Copy(spark, stored, head, uuid.uuid4().hex)
    main = SnapshotRef(
        snapshot_id=head.snapshot_id,
        snapshot_ref_type=SnapshotRefType.BRANCH,
        min_snapshots_to_keep=None,
        max_snapshot_age_ms=None,
        max_ref_age_ms=None,
    )
    own = {"write.data.path": f"{copy.folder}/data", "write.metadata.path": f"{copy.folder}/metadata"}
    metadata = stored.metadata.model_copy(
        update={
            "snapshots": list(snapshots),
            "current_snapshot_id": head.snapshot_id,
            "refs": {MAIN_BRANCH: main},
            "properties": {**stored.metadata.properties, **own, **(properties or {})},
            "snapshot_log": [],
            "metadata_log": [],
            "statistics": [],
            "partition_statistics": [],
        }
    )
    location = f"{copy.folder}/metadata/00000-{uuid.uuid4()}.metadata.json"
    store(stored.io, location, metadata_bytes(metadata))
    try:
        copy.call("register_table", {"metadata_file": location})
        yield copy
        spark.catalog.dropTempView(f"found_{copy.mark}")
        spark.sql(f"drop table if exists {copy.name}")
    finally:
        folder = urlsplit(copy.folder)
        file_system(stored).delete_dir(folder.netloc + folder.path)


def metadata_files(stored: Table, snapshots: Sequence[Snapshot]) -> list[str]:
    """Return the lists and manifests of snapshots, which Spark reads and does not judge."""
    lists = [one.manifest_list for one in snapshots]
    manifests = {manifest.manifest_path for one in snapshots for manifest in manifests_of(stored.io, one)}
    return [*lists, *sorted(manifests)]


def _spoken(value: str | bool) -> str:  # noqa: FBT001 - a value, not an option
    if isinstance(value, bool):
        return str(value).lower()
    if any(sign in value for sign in UNSPOKEN):
        raise PermanentError(f"{value!r} cannot be told to Spark: it has a quote or a backslash; rename the table")
    return f"'{value}'"
