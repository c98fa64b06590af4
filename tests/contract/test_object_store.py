"""What every object store promises."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from lakehouse.adapters import minio_server, object_store, seaweedfs
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.errors import LoginError, NoObjectError, ObjectExistsError, PermanentError, ServiceUnavailableError


def test_an_object_comes_back(backend):
    backend.objects().put("models/a/weights.bin", b"\x00\xff")
    assert backend.objects().get("models/a/weights.bin") == b"\x00\xff"


def test_an_empty_object_comes_back(backend):
    backend.objects().put("empty", b"")
    assert backend.objects().get("empty") == b""


def test_a_large_object_comes_back(backend):
    body = bytes(range(256)) * 40_000  # more than one S3 part of SeaweedFS's 4 MB chunks
    backend.objects().put("large", body)
    assert backend.objects().get("large") == body


def test_the_last_put_wins(backend):
    objects = backend.objects()
    objects.put("a", b"first")
    objects.put("a", b"second")
    assert objects.get("a") == b"second"


def test_an_absent_object_is_an_error_that_names_it(backend):
    with pytest.raises(NoObjectError, match="no/such"):
        backend.objects().get("no/such")


def test_the_storage_says_when_an_object_came(backend):
    objects = backend.objects()
    with pytest.raises(NoObjectError, match="no/such"):
        objects.stored_at("no/such")
    objects.put("folder/a", b"")
    with pytest.raises(NoObjectError, match="folder"):
        objects.stored_at("folder")
    objects.put("a", b"first")
    first = objects.stored_at("a")
    assert abs(datetime.now(UTC) - first) < timedelta(hours=1), "these storages have this machine's clock"
    objects.put("a", b"second")
    assert objects.stored_at("a") >= first


def test_create_only_refuses_an_existing_key_and_keeps_it(backend):
    objects = backend.objects()
    objects.put_new("releases/1", b"first")
    with pytest.raises(ObjectExistsError, match="releases/1"):
        objects.put_new("releases/1", b"second")
    assert objects.get("releases/1") == b"first"


def test_of_many_creators_of_a_key_exactly_one_wins(backend):
    def create(number: int) -> bool:
        try:
            backend.objects().put_new("releases/1", str(number).encode())
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert backend.objects().get("releases/1") == str(won.index(True)).encode()


def test_keys_are_listed_by_prefix_and_sorted(backend):
    objects = backend.objects()
    for key in ("b/2", "a/10", "a/1/x", "ab"):
        objects.put(key, b".")
    assert objects.keys("a/") == ["a/1/x", "a/10"]
    assert objects.keys("a") == ["a/1/x", "a/10", "ab"]
    assert objects.keys("nothing/") == []


def test_more_keys_than_one_page_are_all_listed(backend):
    objects = backend.objects()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: objects.put(f"many/{number:04d}", b""), range(1_100)))
    assert objects.keys("many/") == [f"many/{number:04d}" for number in range(1_100)]


def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(backend):
    objects = backend.objects()
    objects.put("a/b", b".")
    objects.delete("a/b")
    objects.delete("a/b")
    assert objects.keys("") == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../../b", "a/."])
def test_a_folder_store_refuses_keys_that_leave_it(tmp_path, key):
    with pytest.raises(PermanentError, match="no object key"):
        LocalObjects(tmp_path / "objects").put(key, b"")
    assert not list(tmp_path.rglob("*"))


def test_a_folder_store_leaves_no_partial_files(tmp_path):
    objects = LocalObjects(tmp_path)
    objects.put_new("a", b"1")
    with pytest.raises(ObjectExistsError):
        objects.put_new("a", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.servers
@pytest.mark.parametrize("method", ["get", "keys", "delete"])
def test_a_wrong_secret_is_a_login_error(seaweed, method):
    objects = S3Objects(f"127.0.0.1:{seaweed.ports.s3}", "test-access", "wrong", "lake")
    with pytest.raises(LoginError, match="access key"):
        getattr(objects, method)("a")
    with pytest.raises(LoginError, match="access key"):
        objects.put_new("a", b"")


def test_a_server_that_does_not_answer_is_a_transient_error(monkeypatch):
    monkeypatch.setattr("lakehouse.adapters.object_store.FIRST_WAIT_S", 0.001)
    objects = S3Objects("127.0.0.1:9", "key", "secret", "lake")
    with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:9"):
        objects.get("a")
    with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:9"):
        objects.put_new("a", b"")


@pytest.mark.servers
@pytest.mark.parametrize("place", ["minio", "seaweed"])
def test_a_server_refuses_bytes_that_are_not_those_of_the_hash(place, request, monkeypatch):
    monkeypatch.setattr(object_store, "FIRST_WAIT_S", 0.0)
    server = request.getfixturevalue(place)
    if place == "minio":
        objects = S3Objects(server.root.endpoint, *server.keys["writer"], minio_server.TABLES)
    else:
        objects = S3Objects(f"127.0.0.1:{server.ports.s3}", server.access_key, server.secret_key, seaweedfs.BUCKET)
    objects.put("a hash/ü+1", b"rows", sha256=hashlib.sha256(b"rows").hexdigest())
    assert objects.get("a hash/ü+1") == b"rows"
    with pytest.raises(ServiceUnavailableError, match="HTTP 400"):
        objects.put("other", b"rows", sha256=hashlib.sha256(b"others").hexdigest())
    with pytest.raises(NoObjectError):
        objects.get("other")


@pytest.mark.servers
def test_a_bit_that_turns_on_the_disk_of_a_server_is_an_error(minio, monkeypatch):
    """Readers that ask for a part of an object, as DuckDB does, are told as well."""
    monkeypatch.setattr(object_store, "ATTEMPTS", 1)
    objects, body = minio.objects(), random.Random(7).randbytes(1_000_000)
    objects.put("turned", body)
    assert objects.get("turned") == body
    (path,) = (Path(minio.environment["HOME"]) / "data" / objects.bucket / "turned").glob("*/part.1")
    kept = bytearray(path.read_bytes())
    kept[len(kept) // 2] ^= 1
    path.write_bytes(kept)
    with pytest.raises(ServiceUnavailableError, match="turned"):
        objects.get("turned")
    with pytest.raises((S3Error, HTTPError)):
        objects._client.get_object(objects.bucket, "turned", offset=499_999, length=1000).read()
