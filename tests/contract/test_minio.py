"""What a MinIO set up for the lakehouse promises: locks, versions, a user for each role, and TLS."""

from io import BytesIO

import pytest
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from lakehouse.adapters import minio_server
from lakehouse.errors import LoginError, ServiceUnavailableError
from lakehouse.storage_ports import REPORTS

pytestmark = pytest.mark.servers


def client(server, role: str) -> Minio:
    access_key, secret_key = server.keys[role]
    return Minio(server.root.endpoint, access_key=access_key, secret_key=secret_key, secure=False, region="us-east-1")


def denied(action) -> bool:
    with pytest.raises(S3Error) as caught:
        action()
    return caught.value.code == "AccessDenied"


def put(s3: Minio, bucket: str, key: str, body: bytes = b"x") -> str:
    return s3.put_object(bucket, key, BytesIO(body), len(body)).version_id


def test_a_writer_hides_but_never_destroys_what_is_published(minio):
    writer = client(minio, "writer")
    version = put(writer, minio_server.RELEASES, "releases/7.json", b"first")
    with pytest.raises(S3Error, match="WORM protected"):
        writer.remove_object(minio_server.RELEASES, "releases/7.json", version)

    writer.remove_object(minio_server.RELEASES, "releases/7.json")

    kept = writer.get_object(minio_server.RELEASES, "releases/7.json", version_id=version)
    assert kept.read() == b"first"


def test_an_overwritten_release_keeps_its_first_version(minio):
    writer = client(minio, "writer")
    first = put(writer, minio_server.RELEASES, "releases/8.json", b"first")
    put(writer, minio_server.RELEASES, "releases/8.json", b"second")
    assert (
        client(minio, "reader").get_object(minio_server.RELEASES, "releases/8.json", version_id=first).read()
        == b"first"
    )


def test_only_the_steward_breaks_the_lock(minio):
    version = put(client(minio, "writer"), minio_server.TABLES, "silver/part.parquet")
    steward = client(minio, "steward")
    with pytest.raises(S3Error):  # even the steward must say that the lock is meant
        steward.remove_object(minio_server.TABLES, "silver/part.parquet", version)

    doomed = [DeleteObject("silver/part.parquet", version)]
    assert list(client(minio, "writer").remove_objects(minio_server.TABLES, doomed, bypass_governance_mode=True))
    assert not list(steward.remove_objects(minio_server.TABLES, doomed, bypass_governance_mode=True))
    with pytest.raises(S3Error) as caught:
        steward.get_object(minio_server.TABLES, "silver/part.parquet", version_id=version)
    assert caught.value.code == "NoSuchVersion"


def test_a_reader_only_reads(minio):
    put(client(minio, "writer"), minio_server.TABLES, "gold/part.parquet", b"rows")
    reader = client(minio, "reader")
    assert reader.get_object(minio_server.TABLES, "gold/part.parquet").read() == b"rows"
    assert denied(lambda: put(reader, minio_server.TABLES, "gold/other.parquet"))
    assert denied(lambda: reader.remove_object(minio_server.TABLES, "gold/part.parquet"))
    assert denied(lambda: list(reader.list_objects(minio_server.INBOX)))


def test_a_submitter_hands_in_and_sees_nothing(minio):
    submitter = client(minio, "submitter")
    put(submitter, minio_server.INBOX, "grades_2026.zip")
    assert denied(lambda: submitter.get_object(minio_server.INBOX, "grades_2026.zip"))
    assert denied(lambda: list(submitter.list_objects(minio_server.INBOX)))
    assert denied(lambda: put(submitter, minio_server.RELEASES, "releases/9.json"))
    assert client(minio, "writer").get_object(minio_server.INBOX, "grades_2026.zip").read() == b"x"


def test_a_submitter_reads_the_report_whose_name_he_knows_and_writes_none(minio):
    submitter, writer = client(minio, "submitter"), client(minio, "writer")
    report = f"{REPORTS}0123.txt"
    put(writer, minio_server.INBOX, report)
    assert submitter.get_object(minio_server.INBOX, report).read() == b"x"
    assert denied(lambda: list(submitter.list_objects(minio_server.INBOX, prefix=REPORTS)))
    assert denied(lambda: put(submitter, minio_server.INBOX, report))
    assert denied(lambda: put(submitter, minio_server.INBOX, f"{REPORTS}of_mine.txt"))
    with pytest.raises(S3Error, match="does not exist"):
        submitter.get_object(minio_server.INBOX, f"{REPORTS}none.txt")
    assert denied(lambda: put(writer, minio_server.INBOX, "forged.zip")), "reports are all that it writes there"


def test_parts_of_an_upload_that_was_broken_off_are_seen_and_go_by_themselves_after_a_day(minio):
    submitter, root = client(minio, "submitter"), minio.root.client()
    upload = submitter._create_multipart_upload(minio_server.INBOX, "half.zip", {})
    submitter._upload_part(minio_server.INBOX, "half.zip", b"x" * 100, None, upload, 1)
    assert [one.object_name for one in root._list_multipart_uploads(minio_server.INBOX, prefix="half.zip").uploads]
    assert "stale_uploads_expiry=24h" in minio.root.admin().config_get("api")
    submitter._abort_multipart_upload(minio_server.INBOX, "half.zip", upload)
    assert not root._list_multipart_uploads(minio_server.INBOX, prefix="half.zip").uploads


def test_no_role_may_change_the_lock_or_see_the_users(minio):
    for role in minio_server.ROLES:
        s3 = client(minio, role)
        assert denied(lambda s3=s3: s3.delete_object_lock_config(minio_server.RELEASES))
        assert denied(lambda s3=s3: s3.remove_bucket(minio_server.INBOX))


@pytest.mark.parametrize("bucket", [*minio_server.PUBLISHED, minio_server.INBOX])
def test_what_was_hidden_is_destroyed_once_no_lock_can_hold_it(minio, bucket):
    (rule,) = minio.root.client().get_bucket_lifecycle(bucket).rules
    assert rule.status == "Enabled"
    assert rule.rule_filter is None or not rule.rule_filter.prefix, "it holds for all objects"
    assert rule.noncurrent_version_expiration.noncurrent_days == minio_server.LOCKED_DAYS + 1
    assert rule.expiration.expired_object_delete_marker


def test_setting_up_again_changes_nothing(minio):
    version = put(client(minio, "writer"), minio_server.RELEASES, "releases/10.json")
    minio_server.provision(minio.root, minio.keys)
    assert client(minio, "reader").stat_object(minio_server.RELEASES, "releases/10.json").version_id == version


def test_a_wrong_root_password_is_a_login_error(minio):
    wrong = minio_server.Root(minio.root.endpoint, minio.root.user, "wrong-password")
    with pytest.raises(LoginError, match="test-root"):
        minio_server.provision(wrong, minio.keys)
    assert "wrong-password" not in repr(wrong)


def test_a_missing_program_says_how_to_get_it(tmp_path):
    with pytest.raises(ServiceUnavailableError, match="make minio"):
        minio_server.binary(tmp_path)
