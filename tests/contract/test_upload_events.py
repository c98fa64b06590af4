"""An upload to a real MinIO is told at once and counts once; untold, looking through the bucket finds it."""

import http.client
import json
import random
import shutil
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio
from pydantic import SecretStr

from dagster_project.services import receiver
from dagster_project.settings import load_settings
from dagster_project.supervisor import Supervisor
from dagster_project.wiring import uploads
from lakehouse.adapters import minio_server, seaweedfs
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.errors import CommitConflictError, LoginError, PermanentError
from lakehouse.samples import course_records

pytestmark = pytest.mark.servers

TOLD_SECONDS = 120.0
SEED, TIMES, RESTARTS = 20261128, 1000, 2
TOKEN = "test-uploads-token"


class Site:
    """A MinIO that tells a receiver, and the receiver as the supervisor runs it."""

    def __init__(self, server, given):
        self.server, self.settings = server, load_settings(given)
        service = receiver(self.settings)
        self.service = replace(service, environment={**service.environment, **given})
        self.supervisor = Supervisor(self.settings.home)
        self.queue = UploadQueue(self.settings.upload_queue)

    def up(self):
        self.supervisor.start(self.service)
        self.supervisor.wait(self.service)

    def down(self):
        self.supervisor.stop(self.service.name)

    def upload(self, key: str, body: bytes) -> None:
        access_key, secret_key = self.server.keys["submitter"]
        s3 = Minio(self.server.root.endpoint, access_key, secret_key, secure=False, region="us-east-1")
        s3.put_object(minio_server.INBOX, key, BytesIO(body), len(body))

    def told(self, *expected: str) -> list[str]:
        """Wait until the queue holds these names, and return all it holds."""
        end = time.monotonic() + TOLD_SECONDS
        while not set(expected) <= set(self.queue.names()) and time.monotonic() < end:
            time.sleep(0.1)
        return self.queue.names()

    def send(self, body: bytes, token: str = TOKEN, *, chunked: bool = False) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.uploads_port, timeout=60)
        headers = {"Authorization": f"Bearer {token}"}
        pieces = iter([body[at : at + 65536] for at in range(0, len(body), 65536)]) if chunked else body
        try:
            connection.request("POST", "/uploads", pieces, headers, encode_chunked=chunked)
            return connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 413  # the server need not read what it refuses
        finally:
            connection.close()

    def send_all(self, bodies: list[bytes]) -> set[int]:
        """Send events one after the other on one connection; return what was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.uploads_port, timeout=60)
        answers = set()
        for body in bodies:
            connection.request("POST", "/uploads", body, {"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            answer.read()
            answers.add(answer.status)
        connection.close()
        return answers


@pytest.fixture(scope="module")
def site(run_minio, tmp_path_factory):
    home = tmp_path_factory.mktemp("uploads")
    port = seaweedfs.free_ports(1)[0]
    webhook = minio_server.webhook_environment(f"http://127.0.0.1:{port}/uploads", TOKEN, home / "untold")
    with run_minio(variables=webhook) as server:
        access_key, secret_key = server.keys["writer"]
        given = {
            "HOME": str(home),
            "STORAGE": "folder",
            "S3_INBOX": minio_server.INBOX,
            "S3_ENDPOINT": server.root.endpoint,
            "S3_ACCESS_KEY": access_key,
            "S3_SECRET_KEY": secret_key,
            "UPLOADS_PORT": str(port),
            "UPLOADS_TOKEN": TOKEN,
        }
        given = {f"LAKEHOUSE_{name}": value for name, value in given.items()}
        minio_server.notify(server.root)
        minio_server.notify(server.root)
        made = Site(server, given)
        made.up()
        yield made
        made.down()


def event(key: str) -> bytes:
    record = {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "inbox"}, "object": {"key": key}}}
    return json.dumps({"Records": [record]}).encode()


def packed(folder: Path) -> bytes:
    return Path(shutil.make_archive(str(folder.parent / "packed"), "zip", folder)).read_bytes()


def test_an_upload_is_told_and_fetched_once_however_often_and_in_whatever_order_it_is_told(site, tmp_path):
    body = packed(course_records.write(tmp_path))
    site.upload("grades ü.zip", body)
    assert site.told("grades ü.zip").count("grades ü.zip") == 1
    for key in ("c%2Flate.csv", *["grades+%C3%BC.zip"] * 10, "c%2Fearly.csv"):
        assert site.send(event(key)) == 200
    assert sorted(set(site.told("c/"))) == sorted(site.told("c/"))

    source = uploads(site.settings)
    (upload,) = source.named(source.queue.names())
    assert upload.name == "grades ü.zip", "what was told of and is not there is nothing"
    entry = source.fetch(upload.name)
    assert entry.read_bytes() == body
    site.upload("grades ü.zip", body)
    for _ in range(3):
        assert site.send(event("grades+%C3%BC.zip")) == 200
    assert source.named(source.queue.names()) == []
    assert [path.name for path in source.inbox.iterdir()] == [entry.name]


def test_a_thousand_tellings_of_one_upload_in_any_order_and_over_restarts_are_one_submission(site):
    site.upload("thousand.csv.zip", b"PK again")
    others = [event(f"other-{number}%2Fx.csv") for number in range(TIMES // 50)]
    told = [*others, *[event("thousand.csv.zip")] * TIMES]
    random.Random(SEED).shuffle(told)
    source, part, entries = uploads(site.settings), len(told) // (RESTARTS + 1), []
    for restart in range(RESTARTS + 1):
        assert site.send_all(told[restart * part :][: part if restart < RESTARTS else None]) == {200}, f"seed {SEED}"
        assert site.queue.names().count("thousand.csv.zip") == 1
        entries += [source.fetch(one.name) for one in source.named(source.queue.names())]
        if restart < RESTARTS:
            site.down()
            site.up()
            source = uploads(site.settings)
    assert [entry.read_bytes() for entry in entries] == [b"PK again"], f"seed {SEED}"
    assert [path.name for path in source.inbox.glob("thousand*")] == [entries[0].name]


def test_an_upload_nobody_was_told_of_is_found_by_looking_and_what_was_told_outlives_the_receiver(site):
    assert site.send(event("kept.zip")) == 200
    site.down()
    assert "kept.zip" in site.queue.names()
    site.upload("lost/dataset.yaml", b"name: lost\n")
    site.upload("lost/tables/a.csv", b"a\n1\n")
    source = uploads(site.settings)
    assert "lost/" in [one.name for one in source.everything()]
    entry = source.fetch("lost/")
    assert (entry / "tables" / "a.csv").read_bytes() == b"a\n1\n"
    assert "lost/" not in [one.name for one in source.everything()]

    site.up()  # the storage tells it late, when it is fetched already
    assert {"lost/", "kept.zip"} <= set(site.told("lost/"))
    assert source.named(["lost/"]) == []


def test_an_upload_that_is_replaced_while_it_is_read_is_never_mixed(site):
    site.upload("twice.zip", b"first")
    source = uploads(site.settings)
    (upload,) = source.named(["twice.zip"])
    site.upload("twice.zip", b"other")
    with pytest.raises(CommitConflictError, match="replaced or removed"), source.bucket.opened(upload.objects[0]):
        pass
    assert source.fetch("twice.zip").read_bytes() == b"other"


def test_a_wrong_key_and_a_wrong_bucket_are_no_fault_of_the_upload(site):
    good = site.settings
    for wrong, kind in (({"s3_secret_key": SecretStr("wrong")}, LoginError), ({"s3_inbox": "nowhere"}, PermanentError)):
        with pytest.raises(kind):
            uploads(good.model_copy(update=wrong)).everything()


def test_a_stranger_and_what_is_no_event_change_nothing(site):
    before = site.queue.names()
    assert site.send(event("evil.zip"), token="wrong") == 401
    assert site.send(event("evil.zip"), token="") == 401
    assert site.send(b'{"Records": 1}') == 400
    too_large = event("x" * (1 << 20))
    assert site.send(too_large) == site.send(too_large, chunked=True) == 413
    assert site.queue.names() == before
    assert "evil" not in site.supervisor.log(site.service.name).read_text()


def test_the_token_stands_on_no_command_line_and_in_no_log(site):
    assert not [word for word in site.service.command if TOKEN in word]
    assert TOKEN not in site.supervisor.log(site.service.name).read_text()


def test_a_storage_without_a_webhook_says_so(minio):
    with pytest.raises(PermanentError, match="knows no webhook"):
        minio_server.notify(minio.root)
