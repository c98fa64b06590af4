"""What a bucket with versions promises after a withdrawal: old versions are gone, or the lock is named."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from minio.commonconfig import COMPLIANCE
from minio.retention import Retention

from lakehouse.adapters import minio_server
from lakehouse.adapters.object_versions import VersionedBuckets
from lakehouse.errors import LoginError

pytestmark = pytest.mark.servers
PERSON = b"zq77 was here"


def buckets(server, role="steward"):
    return VersionedBuckets(server.root.endpoint, *server.keys[role], minio_server.RELEASES)


def names(key, body):
    return key.endswith(".plan.json") or PERSON in body


def versions_of(server, bucket, key):
    found = server.root.client().list_objects(bucket, prefix=key, recursive=True, include_version=True)
    return sorted(one.version_id for one in found if not one.is_delete_marker)


def put(server, bucket, key, body, **more):
    return server.root.client().put_object(bucket, key, BytesIO(body), len(body), **more).version_id


def test_old_versions_that_name_the_person_go_and_the_current_and_others_stay(minio):
    lake, tables = minio_server.RELEASES, minio_server.TABLES
    put(minio, lake, "v/told.json", PERSON)
    kept = put(minio, lake, "v/told.json", b"masked")
    other = [put(minio, lake, "v/other.json", body) for body in (b"one", b"two")]
    put(minio, lake, "v/w1.plan.json", b"x")
    minio.root.client().remove_object(lake, "v/w1.plan.json")
    put(minio, tables, "warehouse/v/club/data/1.parquet", PERSON)
    minio.root.client().remove_object(tables, "warehouse/v/club/data/1.parquet")
    put(minio, tables, "warehouse/v/club_too/data/1.parquet", b"of another table")
    minio.root.client().remove_object(tables, "warehouse/v/club_too/data/1.parquet")

    assert list(buckets(minio).purge([f"s3://{tables}/warehouse/v/club"], names)) == []

    assert versions_of(minio, lake, "v/told.json") == [kept]
    assert versions_of(minio, lake, "v/other.json") == sorted(other)
    assert versions_of(minio, lake, "v/w1.plan.json") == []
    assert versions_of(minio, tables, "warehouse/v/club/") == []
    assert len(versions_of(minio, tables, "warehouse/v/club_too/")) == 1


def test_who_may_not_break_the_lock_is_told_until_when_it_holds(minio):
    lake = minio_server.RELEASES
    old = put(minio, lake, "g/told.json", PERSON)
    put(minio, lake, "g/told.json", b"masked")
    (kept,) = [one for one in buckets(minio, "writer").purge([], names) if one.key.startswith("g/")]
    assert (kept.bucket, kept.key, kept.version) == (lake, "g/told.json", old)
    assert versions_of(minio, lake, "g/told.json") != []
    assert list(buckets(minio).destroy([kept])) == [], "the steward may"
    assert old not in versions_of(minio, lake, "g/told.json")


@pytest.fixture
def own(minio):
    """Make a bucket of its own, as the root user sees it; what a compliance lock keeps stays in no other test's way."""

    def make(name, *, lock):
        minio.root.client().make_bucket(name, object_lock=lock)
        return VersionedBuckets(minio.root.endpoint, minio.root.user, minio.root.password, name)

    return make


def test_a_compliance_lock_keeps_versions_from_everybody_until_its_date(minio, own):
    locked, until = own("locked", lock=True), datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    old = put(minio, "locked", "told.json", PERSON, retention=Retention(COMPLIANCE, until))
    put(minio, "locked", "told.json", b"masked")
    (kept,) = locked.purge([], names)
    assert (kept.key, kept.version, datetime.fromisoformat(kept.until)) == ("told.json", old, until)
    assert list(locked.destroy([kept])) == [kept], "and it is still kept"
    gone = replace(kept, version=str(uuid.uuid4()))
    assert list(locked.destroy([gone])) == [], "what is no more is not kept"


def test_buckets_without_versions_have_nothing_to_purge(minio, own):
    plain = own("plain", lock=False)
    put(minio, "plain", "told.json", PERSON)
    assert list(plain.purge(["s3://plain/x"], names)) == []
    assert minio.root.client().get_object("plain", "told.json").read() == PERSON


def test_a_wrong_key_is_a_login_error(minio):
    wrong = VersionedBuckets(minio.root.endpoint, "test-steward", "wrong-password", minio_server.RELEASES)
    with pytest.raises(LoginError, match="steward"):
        wrong.purge([], names)
