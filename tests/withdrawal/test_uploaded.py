"""What a withdrawal and a retraction do in the bucket of uploads, on a real MinIO that keeps versions."""

import hashlib
import json
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio

from dagster_project.withdrawing import told
from lakehouse.adapters import minio_server
from lakehouse.adapters.object_versions import VersionedBuckets
from lakehouse.adapters.upload_bucket import S3Uploads
from lakehouse.archive.inbox_reports import look
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.archive.upload_reports import UploadReports
from lakehouse.archive.uploads import Uploads
from lakehouse.archive.validate import validate
from lakehouse.archive.withdraw.retract import Order
from lakehouse.archive.withdraw.run import finish, retract, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.archive.withdraw.uploaded import UploadBin
from lakehouse.errors import BusyError
from lakehouse.storage_ports import REPORTS

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

BUCKET = minio_server.INBOX


class Site:
    """An archive with a bucket of uploads."""

    def __init__(self, server, planted, home):
        self.server, self.planted = server, planted
        made = planted.folder_archive(home)
        endpoint = server.root.endpoint
        bucket = S3Uploads(endpoint, *server.keys["writer"], BUCKET)
        self.uploads = Uploads(bucket, UploadQueue(home / "queue"), made.shelf.inbox, home / "archive" / "uploads")
        self.archive = replace(made, uploads=self.bin("steward"))

    def bin(self, role):
        eraser = VersionedBuckets(self.server.root.endpoint, *self.server.keys[role], BUCKET)
        return UploadBin(BUCKET, self.uploads, eraser)

    def upload(self, name: str, folder: Path) -> str:
        body = Path(shutil.make_archive(str(folder.parent / "packed"), "zip", folder)).read_bytes()
        self.put(name, body)
        return name

    def put(self, name: str, body: bytes) -> None:
        self.server.root.client().put_object(BUCKET, name, BytesIO(body), len(body))

    def take(self, name: str) -> str:
        """Fetch an upload and save it as a version, as the assets do."""
        entry = self.uploads.fetch(name)
        (arrival,) = [one for one in self.planted.inbox.arrivals(self.archive.shelf.inbox) if one.path == entry]
        landed = self.archive.shelf.take(arrival.key, self.archive.versions)
        dataset, _, label = arrival.key.partition("@")
        self.archive.versions.save(landed.folder, dataset, label, landed.content_sha256)
        self.archive.shelf.done(arrival.key)
        return arrival.key

    def tell(self, key: str) -> list[str]:
        """Write the report on an upload that was taken, as the hooks do."""
        shelf = self.archive.shelf
        landed = shelf.landed(key)
        report = validate(landed.folder, submission=key, content_sha256=landed.content_sha256)
        return UploadReports(self.uploads).tell(look(shelf.inbox, key, shelf.landed_as(key)).judged, report)

    def kept(self) -> list[str]:
        """Return the keys of all versions and marks in the bucket."""
        listed = self.server.root.client().list_objects(BUCKET, recursive=True, include_version=True)
        return sorted({str(one.object_name) for one in listed})


@pytest.fixture(scope="module")
def server(run_minio):
    with run_minio() as made:
        yield made


@pytest.fixture
def site(server, planted, tmp_path):
    made = Site(server, planted, tmp_path / "home")
    VersionedBuckets(server.root.endpoint, *server.keys["steward"], BUCKET).erase(made.kept())
    assert made.kept() == []
    yield made
    made.archive.house.tables.close()


def test_an_upload_that_holds_the_person_goes_with_all_its_versions(site, tmp_path, monkeypatch):
    guilty = f"{site.planted.NEEDLE}.zip"
    site.put(guilty, b"an older one")
    site.upload(guilty, site.planted.submission("2001", tmp_path / "given"))
    site.upload("others.zip", site.planted.submission("2002", tmp_path / "given", person=False))
    site.put("broken.zip", b"no archive at all")
    assert site.take(guilty) == "club@2001"
    monkeypatch.setitem(minio_server.ROLES, "looker", (minio_server.Grant((BUCKET,), minio_server.READ),))
    site.server.keys["looker"] = ("test-looker", "test-looker-secret")
    minio_server.provision(site.server.root, site.server.keys)

    helpless = replace(site.archive, uploads=site.bin("looker"))
    done = withdraw(helpless, Request(site.planted.NEEDLE))
    assert done.plan.uploads == (guilty,)
    assert "broken.zip': upload, cannot be read to tell" in told(done)
    assert [(one.bucket, one.key) for one in done.retained] == [(BUCKET, guilty)] * 2
    receipt = json.loads(done.file.read_bytes())["receipt"]
    assert site.planted.NEEDLE not in json.dumps(receipt)
    assert (receipt["uploads_removed"], receipt["uploads_not_read"]) == (0, ["broken.zip"])
    assert {one["key"] for one in receipt["not_removed"]} == {"[withdrawn].zip"}
    assert site.kept() == [guilty, "broken.zip", "others.zip"]

    finish(site.archive)
    assert site.kept() == ["broken.zip", "others.zip"], "the account that may has deleted them"
    left = site.planted.places_with(tmp_path / "home", (site.planted.NEEDLE,))
    assert left == [], [Path(one).read_bytes()[:600] for one in left]


def test_an_upload_nobody_has_fetched_holds_a_withdrawal_up_and_that_of_a_retracted_version_goes(site, tmp_path):
    site.upload("first.zip", site.planted.submission("2001", tmp_path / "given"))
    reports = site.tell(site.take("first.zip"))
    submitter = Minio(site.server.root.endpoint, *site.server.keys["submitter"], secure=False, region="us-east-1")
    digest = hashlib.sha256(site.server.root.client().get_object(BUCKET, "first.zip").read()).hexdigest()
    assert reports == [f"{REPORTS}{digest}.txt", f"{REPORTS}{digest}.html"]
    assert "club@2001" in submitter.get_object(BUCKET, reports[0]).read().decode()
    site.upload("second.zip", site.planted.submission("2003", tmp_path / "given"))
    # As a rule of expiry does it: the first is hidden, and its bytes are kept.
    site.server.root.client().remove_object(BUCKET, "first.zip")
    with pytest.raises(BusyError, match=r"'second\.zip' waits in the bucket inbox and holds the subject"):
        withdraw(site.archive, Request(site.planted.NEEDLE))
    done = retract(site.archive, Order("club@2001", reason="wrong figures", by="A. Owner"))
    assert done.retained == ()
    assert json.loads(done.file.read_bytes())["receipt"]["uploads_removed"] == 1
    assert site.kept() == ["second.zip"]
