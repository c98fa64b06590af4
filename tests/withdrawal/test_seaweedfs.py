"""The same withdrawal on SeaweedFS: nothing under its S3 API gives the person back."""

import pytest

from lakehouse.adapters.object_store import S3Objects
from lakehouse.adapters.seaweedfs import TABLE_BUCKET, SeaweedDisk
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse


def objects_with(server, planted):
    """Return the keys of all buckets whose bytes, unpacked, hold the person."""
    found = []
    for bucket in ("lake", TABLE_BUCKET):
        store = S3Objects(f"127.0.0.1:{server.ports.s3}", "test-access", "test-secret", bucket)
        keys = store.keys("")
        assert keys, f"bucket {bucket} has something to search"
        found += [key for key in keys if any(planted.holds(body) for body in planted.bodies(store.get(key)))]
    return found


@pytest.mark.servers
@pytest.mark.slow
def test_nothing_under_the_s3_api_gives_the_person_back(planted, tmp_path, seaweed, monkeypatch):
    objects = seaweed.objects()
    for key in objects.keys(""):
        objects.delete(key)
    house = Lakehouse(seaweed.tables(), objects, ReleaseLog(objects))
    seen = {}
    plain = planted.withdraw

    def watched(made, request, **options):
        seen["before"] = objects_with(seaweed, planted)
        return plain(made, request, **options)

    monkeypatch.setattr(planted, "withdraw", watched)
    home = tmp_path / "home"
    story = planted.Story.play(home, planted.archive(home, house, SeaweedDisk(seaweed.ports)))
    assert any(key.endswith(".parquet") for key in seen["before"]), "rows are found before"
    assert any(key.endswith(".avro") for key in seen["before"]), "column bounds are found before"
    assert objects_with(seaweed, planted) == []
    assert planted.places_with(home) == []
    current = house.releases.current()
    for name, pin in current.tables.items():
        house.tables.read(name, snapshot_id=pin.snapshot_id)
    assert story.outcome.carried_out
    house.tables.close()
