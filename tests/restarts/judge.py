"""What must hold when all services are back: each submission once, every key known, no file that nothing needs."""

import time
from collections.abc import Iterable

from minio import Minio

from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.write_audit_publish import Lakehouse
from tests.restarts.traffic import LINES, ORIGIN, TABLE, Traffic

RECORDS = ("past-", "key-", "upkeep-looked")
SECOND_S = 1.1
"""S3 tells the time of a file in whole seconds, and only what is older than the newest is an orphan."""
AT_ONCE = Upkeep(keep_days=0, keep_releases=1, abandoned_hours=0)


def judge(house: Lakehouse, traffic: Traffic) -> None:
    """Judge what is published when every writer has ended."""
    assert sorted(traffic.acknowledged) == traffic.submissions
    pin = house.releases.current().tables[TABLE.name]
    rows = house.tables.read(TABLE.name, snapshot_id=pin.snapshot_id)
    found = sorted(zip(rows["submission"].to_pylist(), rows["line"].to_pylist(), strict=True))
    assert found == [(one, line) for one in traffic.submissions for line in range(LINES)]
    again = [one for one in traffic.submissions[:: max(1, traffic.appends // 5)] if traffic.hand_in(house, one)]
    assert not again, f"{again} were acknowledged, and are not known any more"


def judge_storage(house: Lakehouse, root: Minio, bucket: str) -> int:
    """Look after all tables as if long ago, then see that no file and no part of one is left that nothing needs.

    Nobody may write meanwhile. Returns how many orphans there were.
    """
    done = []
    for _ in range(2):  # the first joins files, and the release before that needs the old ones until then
        time.sleep(SECOND_S)
        done += maintain(house, IcebergUpkeep(house.tables), AT_ONCE, ORIGIN)
    left = set(_objects(root, bucket)) - set(_needed(house))
    assert not left, f"{len(left)} files are left that nothing needs, e.g. {sorted(left)[:3]}"
    parts = root._list_multipart_uploads(bucket).uploads  # the SDK has no public call for it
    assert not parts, f"{len(parts)} uploads were broken off and are left, e.g. {parts[0].object_name}"
    return sum(one.orphan_files for one in done)


def _objects(root: Minio, bucket: str) -> Iterable[str]:
    for one in root.list_objects(bucket, recursive=True):
        name = one.object_name.rpartition("/")[2]
        if name and not name.startswith(RECORDS):  # Arrow's S3 client marks a folder by an empty object
            yield f"s3://{bucket}/{one.object_name}"


def _needed(house: Lakehouse) -> Iterable[str]:
    """Yield, by PyIceberg's own reading, what the tables of the current release are made of."""
    for name, pin in house.releases.current().tables.items():
        stored = house.tables.catalog.load_table(name)
        assert list(stored.metadata.refs) == ["main"], f"a branch is left in {name}: {stored.metadata.refs}"
        yield from (stored.metadata_location, pin.metadata_location)
        for snapshot in stored.snapshots():
            yield snapshot.manifest_list
            for manifest in snapshot.manifests(stored.io):
                yield manifest.manifest_path
                yield from (one.data_file.file_path for one in manifest.fetch_manifest_entry(stored.io))
