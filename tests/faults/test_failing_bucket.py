"""A bucket that fails three requests in ten, before or after it did them, or hangs up, loses no acknowledged object."""

import base64
import hashlib
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from pyarrow import fs

from lakehouse.adapters import iceberg_bucket, object_store, s3_client, s3_pace
from lakehouse.adapters.iceberg_catalogs import s3_properties
from lakehouse.adapters.iceberg_seal import SealedFileIO, data_name, store_surely
from lakehouse.adapters.object_store import S3Objects
from lakehouse.adapters.upload_bucket import S3Uploads
from lakehouse.errors import NoObjectError, ObjectExistsError, ServiceUnavailableError
from lakehouse.storage_ports import UploadedObject

SEED = 20261127
SHARE = 0.3
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>simulated</Message></Error>"
ALTERED = b"<?xml version='1.0'?><Error><Code>BadDigest</Code><Message>simulated</Message></Error>"
ABSENT = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>simulated</Message></Error>"


class Bucket(BaseHTTPRequestHandler):
    """Just enough of S3 for whole objects."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def fails(self):
        """Draw what happens to this request: nothing, or one of three faults."""
        server = self.server
        server.requests += 1
        if not server.failing or server.draw.random() >= SHARE:
            return None
        return server.draw.choice(("before", "after", "hang up"))

    def answer(self, status, body=b"", claimed=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self.end_headers()
        for at in range(0, len(body), 1 if self.server.trickle_s else max(1, len(body))):
            time.sleep(self.server.trickle_s)
            self.wfile.write(body[at : at + 1] if self.server.trickle_s else body)

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        if self.server.cut:
            self.server.cut -= 1
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        if self.server.trickle_s:
            while length and not self.server.waiting.wait(self.server.trickle_s):
                length -= len(self.rfile.read(1))
        body = self.rfile.read(length)
        if self.server.hanging:
            self.server.waiting.wait(60)
            return None
        return self.take(body)

    def take(self, body):
        key, fault = urlsplit(self.path).path, self.fails()
        if self.server.altered:
            self.server.altered, body = self.server.altered - 1, b"?" + body[1:]
        if self.headers["x-amz-checksum-sha256"] != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return self.answer(400, ALTERED)
        if fault == "before":
            return self.answer(503, BUSY)
        if self.headers.get("If-None-Match") and key in self.server.objects:
            return self.answer(412)
        self.server.objects[key] = body
        if fault == "hang up":
            self.close_connection = True
            return None
        return self.answer(500, BUSY) if fault else self.answer(200)

    def do_HEAD(self):
        return self.answer(404)

    def do_GET(self):
        fault, place = self.fails(), urlsplit(self.path)
        listed = "list-type" in parse_qs(place.query)
        body = listing(self.server.objects) if listed else self.server.objects.get(place.path)
        if fault == "before":
            return self.answer(503, BUSY)
        if body is None:
            return self.answer(404, ABSENT)
        if fault:
            self.close_connection = True
            return self.answer(200, body[: len(body) // 2], claimed=len(body))
        return self.answer(200, body)


def listing(objects):
    """Return all objects of the bucket, as ListObjectsV2 answers."""
    found = "".join(
        f"<Contents><Key>{key.removeprefix('/lake/')}</Key><Size>{len(body)}</Size>"
        "<LastModified>2026-11-28T00:00:00.500Z</LastModified></Contents>"
        for key, body in objects.items()
    )
    name = "http://s3.amazonaws.com/doc/2006-03-01/"
    said = f"<Name>lake</Name><Prefix>a/</Prefix><IsTruncated>false</IsTruncated>{found}"
    return f"<?xml version='1.0'?><ListBucketResult xmlns='{name}'>{said}</ListBucketResult>".encode()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(object_store, "FIRST_WAIT_S", 0.001)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    server.daemon_threads = True
    server.draw, server.objects, server.requests, server.failing = random.Random(SEED), {}, 0, True
    server.altered = 0
    server.cut, server.hanging, server.waiting, server.trickle_s = 0, False, threading.Event(), 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    iceberg_bucket._objects.cache_clear()  # connections have the time-outs of when they were made
    yield server
    server.waiting.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_acknowledged_is_there_and_every_call_asks_a_bounded_number_of_times(server):
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    kept, given_up = {}, 0
    for number in range(120):
        key, body = f"a/{number}", random.Random(number).randbytes(500)
        before = server.requests
        try:
            if number % 2:
                objects.put_new(key, body)
            else:
                objects.put(key, body)
            kept[key] = body
            assert objects.get(key) == body, f"seed {SEED}"
        except ServiceUnavailableError:
            given_up += 1
        # Two calls, and the look that tells an own object from another's.
        assert server.requests - before <= 3 * object_store.ATTEMPTS, f"seed {SEED}"
    assert given_up < 12, "five attempts are enough but for bad luck"
    server.failing = False
    assert {key: objects.get(key) for key in kept} == kept, f"seed {SEED}"
    with pytest.raises(ObjectExistsError):
        objects.put_new("a/1", b"other")


def test_a_bucket_that_never_answers_is_given_up_after_a_bounded_number_of_waits(server, monkeypatch):
    server.failing, server.hanging = False, True
    with monkeypatch.context() as impatient:
        impatient.setattr(s3_client, "READ_SECONDS", 0.2)
        hasty = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
        for write in (hasty.put, hasty.put_new):
            with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
                write("slow", b"body")
    assert not server.objects
    server.hanging = False
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    objects.put_new("slow", b"body")
    assert objects.get("slow") == b"body"


def test_an_upload_that_is_cut_off_in_the_middle_is_sent_again_whole(server):
    server.failing = False
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    body = random.Random(SEED).randbytes(200_000)
    for key, write in (("put", objects.put), ("new", objects.put_new)):
        server.cut = 2
        write(key, body)
        assert objects.get(key) == body
    server.cut = 10**6
    with pytest.raises(ServiceUnavailableError):
        objects.put_new("never", body)
    server.cut = 0
    with pytest.raises(NoObjectError):
        objects.get("never")


def test_a_body_that_is_altered_on_its_way_is_sent_again(server):
    server.failing = False
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    for write in (objects.put, objects.put_new):
        server.altered = 2
        write(write.__name__, b"body")
        assert objects.get(write.__name__) == b"body"
    server.altered = 10**6
    with pytest.raises(ServiceUnavailableError, match="BadDigest"):
        objects.put("never", b"body")
    assert "/lake/never" not in server.objects


def test_a_server_that_sends_or_takes_a_trickle_is_given_up_in_a_bounded_time(server, monkeypatch):
    server.failing = False
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    objects.put_new("slow", b"body " * 20)
    server.trickle_s = 0.05  # far less than the longest wait for the next byte
    start = time.monotonic()
    with monkeypatch.context() as impatient:
        impatient.setattr(s3_pace, "GRACE_SECONDS", 0.3)
        with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
            objects.get("slow")
        with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
            objects.put_new("large", bytes(20_000_000))
    assert time.monotonic() - start < 300, "a trickle of it all would take days"
    server.trickle_s = 0
    assert objects.get("slow") == b"body " * 20


def test_a_reader_that_takes_its_time_is_no_slow_server(server, monkeypatch):
    monkeypatch.setattr(s3_pace, "GRACE_SECONDS", 0.3)
    server.failing = False
    body = random.Random(SEED).randbytes(4_000_000)
    server.objects["/lake/large"] = body
    uploads = S3Uploads(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    with uploads.opened(UploadedObject("large", len(body), "0")) as stream:
        read = stream.read(1000)
        time.sleep(0.6)
        assert read + stream.read() == body


def test_a_large_object_is_one_request_so_a_killed_writer_leaves_no_parts(server):
    server.failing = False
    objects = S3Objects(f"127.0.0.1:{server.server_port}", "key", "secret", "lake")
    objects.put("large", bytes(12_000_000))
    assert server.requests == 1


def files_of_a_table(server):
    return SealedFileIO(s3_properties(f"http://127.0.0.1:{server.server_port}", "key", "secret"))


def test_files_of_tables_are_tried_again_and_told_as_other_objects_are(server):
    files, given_up = files_of_a_table(server), 0
    for number in range(60):
        body = random.Random(number).randbytes(500)
        location = f"s3://lake/{data_name(body)}"
        before = server.requests
        try:
            store_surely(files, location, body)
        except ServiceUnavailableError:
            given_up += 1
        assert server.requests - before <= 2 * object_store.ATTEMPTS, f"seed {SEED}"
    assert given_up < 6, "five attempts are enough but for bad luck"
    with pytest.raises(FileNotFoundError):
        files.new_input("s3://lake/nothing").open()


def test_files_of_tables_wait_neither_for_silence_nor_for_a_trickle(server, monkeypatch):
    server.failing, files = False, files_of_a_table(server)
    body = b"row " * 50
    location = f"s3://lake/{data_name(body)}"
    store_surely(files, location, body)
    server.trickle_s = 0.05
    with monkeypatch.context() as impatient:
        impatient.setattr(s3_pace, "GRACE_SECONDS", 0.3)
        with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
            files.new_input(location).open()
        server.trickle_s, server.hanging = 0, True
        with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
            store_surely(files, location, body)
    server.hanging = False
    server.cut = 2
    store_surely(files, location, body)


def test_files_of_tables_are_listed_with_the_same_patience(server, monkeypatch):
    files = files_of_a_table(server).fs_by_scheme("s3", "lake")
    server.objects |= {"/lake/a/one": b"1", "/lake/a/b/two": b"22"}
    below = [files.get_file_info(fs.FileSelector("lake/a", recursive=True)) for _ in range(20)]
    assert server.requests > 20, "some were asked for again"
    assert {(one.path, one.size, one.mtime_ns) for found in below for one in found} == {
        ("lake/a/b/two", 2, 1_795_824_000_500_000_000),
        ("lake/a/one", 1, 1_795_824_000_500_000_000),
    }
    assert [one.path for one in files.get_file_info(fs.FileSelector("lake/a"))] == ["lake/a/one"]
    assert files.get_file_info("lake/a/none").type == fs.FileType.NotFound
    monkeypatch.setattr(s3_pace, "GRACE_SECONDS", 0.3)
    server.failing, server.trickle_s = False, 0.05
    with pytest.raises(ServiceUnavailableError, match=r"start it \(`lakehouse up`\) and try again"):
        files.get_file_info(fs.FileSelector("lake/a", recursive=True))


@pytest.mark.parametrize(
    ("more", "ours"),
    [
        ({}, True),
        ({"s3.path-style-access": "true", "client.region": "eu-west-1"}, True),
        ({"s3.region": "eu-west-1"}, False),
        ({"s3.proxy-uri": "http://127.0.0.1:9"}, False),
        ({"client.session-token": "token"}, False),
    ],
)
def test_a_bucket_that_a_catalog_asks_more_for_is_left_to_arrow(more, ours):
    files = SealedFileIO({**s3_properties("http://127.0.0.1:9", "key", "secret"), **more})
    assert isinstance(files.fs_by_scheme("s3", "lake"), iceberg_bucket.WholeObjects) is ours
