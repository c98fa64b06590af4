"""Whole objects by key: in a local folder, or in one bucket of an S3 server."""

import base64
import contextlib
import hashlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException, S3Error, ServerError
from urllib3 import PoolManager, Retry
from urllib3.exceptions import HTTPError

from lakehouse.adapters.s3_client import REGION, s3_client, s3_pool, signed_headers
from lakehouse.durable_files import PARTIAL, settle, sync_folder, unnamed_file
from lakehouse.errors import (
    ClockError,
    LoginError,
    NoObjectError,
    ObjectExistsError,
    PermanentError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    import pyarrow as pa

Answer = TypeVar("Answer")

ATTEMPTS = 5
FIRST_WAIT_S = 0.2
MISSING = {"NoSuchKey", "NoSuchObject"}
# The body did not arrive as it was sent: S3's name for it, and MinIO's.
ALTERED = {"BadDigest", "XAmzContentChecksumMismatch"}
TRANSIENT = {"SlowDown", "RequestTimeout", "IncompleteBody", "OperationAborted", *ALTERED}
CHECKSUM = "x-amz-checksum-sha256"
AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
TOO_SKEWED = "RequestTimeTooSkewed"
REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
TAKEN = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}


@dataclass(frozen=True)
class LocalObjects:
    """Objects as files under `root`; writes are atomic and, but for notes, survive a power cut."""

    root: Path

    def put(self, key: str, body: bytes) -> None:
        """Write or overwrite an object."""
        target = self._path(key)
        with self._written(target, body) as temporary:
            temporary.replace(target)
        sync_folder(target.parent)

    def note(self, key: str, body: bytes) -> None:
        """Write or overwrite an object that nobody misses after a power cut; there is no waiting for the disk."""
        target = self._path(key)
        with unnamed_file(target) as (temporary, file):
            file.write(body)
            file.flush()
            temporary.replace(target)

    def put_new(self, key: str, body: bytes) -> None:
        """Write an object that must not exist yet; raise ObjectExistsError when it does."""
        target = self._path(key)
        with self._written(target, body) as temporary:
            try:
                # A hard link fails when the name is taken, and appears with its whole content or not at all.
                target.hardlink_to(temporary)
            except FileExistsError as error:
                raise ObjectExistsError(f"object {key!r} already exists; read it before writing again") from error
        sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raise NoObjectError when there is none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise self._absent(key) from error

    def keys(self, prefix: str) -> list[str]:
        """Return all keys that start with `prefix`, sorted."""
        parts = prefix.split("/")[:-1]
        start = self.root if {"", ".", ".."}.intersection(parts) else self.root.joinpath(*parts)
        files = (path for path in start.rglob("*") if path.is_file() and not path.name.endswith(PARTIAL))
        return sorted(key for path in files if (key := path.relative_to(self.root).as_posix()).startswith(prefix))

    def stored_at(self, key: str) -> datetime:
        """Return when an object was last written (UTC), as the file system says; NoObjectError for none."""
        path = self._path(key)
        if not path.is_file():
            raise self._absent(key)
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def delete(self, key: str) -> None:
        """Remove an object; removing an absent one is no error."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path(key).unlink()

    def _absent(self, key: str) -> NoObjectError:
        return NoObjectError(f"no object {key!r} under {self.root}; list its prefix to see what there is")

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or key.endswith(PARTIAL) or any(part in ("", ".", "..") for part in parts) or "\0" in key:
            raise PermanentError(f"{key!r} is no object key; use names joined by single slashes")
        return self.root.joinpath(*parts)

    @contextlib.contextmanager
    def _written(self, target: Path, body: bytes) -> Iterator[Path]:
        with unnamed_file(target) as (temporary, file):
            file.write(body)
            settle(file)
            yield temporary


@dataclass(frozen=True, order=True)
class StoredObject:
    """What a server says of an object: its key, its bytes, and when it was last written (UTC)."""

    key: str
    size: int
    stored_at: datetime

    @classmethod
    def of(cls, said: Object) -> "StoredObject":
        """Read what the SDK found."""
        assert said.object_name is not None, "an object has a key"
        assert said.last_modified is not None, "an S3 server says Last-Modified for each object"
        return cls(said.object_name, said.size or 0, said.last_modified)


@dataclass(frozen=True)
class S3Objects:
    """Objects in one bucket of an S3 server, e.g. SeaweedFS or MinIO. `endpoint` is host:port or a URL.

    `ca_file` holds the certificates of the authority to trust, where it is not one of the system's.
    """

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    secure: bool = False
    ca_file: Path | None = None

    @cached_property
    def _pool(self) -> PoolManager:
        # Retries live in `_call`, which knows what may be sent twice.
        return s3_pool(self.ca_file, Retry(total=0))

    @cached_property
    def _client(self) -> Minio:
        return s3_client(self.endpoint, self.access_key, self.secret_key, secure=self.secure, pool=self._pool)

    def put(self, key: str, body: "bytes | pa.Buffer", *, sha256: str | None = None) -> None:
        """Write or overwrite an object; whoever knows the hash of its bytes says it, as hex digits."""
        self._call(key, lambda: self._send(key, body, {}, sha256))

    def note(self, key: str, body: bytes) -> None:
        """Write or overwrite an object that nobody misses after a power cut, as any other."""
        self.put(key, body)

    def put_new(self, key: str, body: bytes) -> None:
        """Write an object that must not exist yet; raise ObjectExistsError when it does."""
        attempts = 0
        sha256 = hashlib.sha256(body).hexdigest()

        def create() -> None:
            nonlocal attempts
            attempts += 1
            self._send(key, body, {"If-None-Match": "*"}, sha256)

        try:
            self._call(key, create)
        except ObjectExistsError:
            # After a lost answer the repeated request meets our own object: that is success.
            if attempts == 1 or self.get(key) != body:
                raise

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raise NoObjectError when there is none."""
        return self._call(key, lambda: self._read(key))

    def keys(self, prefix: str) -> list[str]:
        """Return all keys that start with `prefix`, sorted."""
        return [one.key for one in self.stored(prefix)]

    def stored_at(self, key: str) -> datetime:
        """Return when an object was last written (UTC, whole seconds), as the server says; NoObjectError for none."""
        return self.stored_object(key).stored_at

    def stored_object(self, key: str) -> "StoredObject":
        """Return what the server says of an object; raise NoObjectError when there is none."""
        return StoredObject.of(self._call(key, lambda: self._client.stat_object(self.bucket, key)))

    def stored(self, prefix: str) -> "list[StoredObject]":
        """Return what the server says of all objects whose keys start with `prefix`, sorted by key."""
        return self._call(prefix, lambda: self._list(prefix))

    def delete(self, key: str) -> None:
        """Remove an object; removing an absent one is no error."""
        with contextlib.suppress(NoObjectError):
            self._call(key, lambda: self._client.remove_object(self.bucket, key))

    def _send(self, key: str, body: "bytes | pa.Buffer", condition: Mapping[str, str], sha256: str | None) -> None:
        # The SDK's put_object takes no precondition, and sends what is larger than 5 MiB in parts, which stay behind
        # when the process is killed. So a request of our own is sent; a bucket with locks wants a hash.
        url = self._client._base_url.build(method="PUT", region=REGION, bucket_name=self.bucket, object_name=key)
        digest = bytes.fromhex(sha256) if sha256 else hashlib.sha256(body).digest()
        headers = signed_headers(
            "PUT", url, self.access_key, self.secret_key, {CHECKSUM: base64.b64encode(digest).decode(), **condition}
        )
        sent: Any = body  # urllib3 takes whatever a memoryview can be made of, and does not say so
        answer = self._pool.request("PUT", url.geturl(), body=sent, headers=headers)
        if condition and answer.status in TAKEN:
            raise ObjectExistsError(f"object {self._place(key)} already exists; read it before writing again")
        if TOO_SKEWED.encode() in answer.data:
            raise _too_skewed(self._place(key))
        if answer.status == HTTPStatus.FORBIDDEN:
            raise LoginError(f"{self._place(key)} refused the access key; check the S3 key and secret settings")
        code = _code_of(answer.data)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in AGAIN or code in TRANSIENT:
            raise ServerError(f"HTTP {answer.status} {code or answer.reason}", answer.status)
        if answer.status != HTTPStatus.OK:
            said = f"HTTP {answer.status} {code or answer.reason}"
            raise PermanentError(f"{self._place(key)} answered {said}; check the bucket name and the server's log")

    def _place(self, key: str) -> str:
        return f"s3://{self.bucket}/{key} on {self.endpoint}"

    def _read(self, key: str) -> bytes:
        response = self._client.get_object(self.bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _list(self, prefix: str) -> "list[StoredObject]":
        found = self._client.list_objects(self.bucket, prefix=prefix or None, recursive=True)
        return sorted(StoredObject.of(item) for item in found if item.object_name and not item.is_dir)

    def _call(self, key: str, request: Callable[[], Answer]) -> Answer:
        wait_s = FIRST_WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except (MinioException, HTTPError) as error:
                translated = self._translate(key, error)
                if attempt == ATTEMPTS or not isinstance(translated, ServiceUnavailableError):
                    raise translated from error
                # Jitter, so that clients that failed together do not come back in step.
                time.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 - no secret
                wait_s *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _translate(self, key: str, error: Exception) -> Exception:
        place = self._place(key)
        match error:
            case S3Error(code=code) if code in MISSING:
                return NoObjectError(f"no object {place}; list its prefix to see what there is")
            case S3Error(code=code) if code == TOO_SKEWED:
                return _too_skewed(place)
            case S3Error(code=code) if code in REFUSED:
                return LoginError(f"{place} refused the access key ({code}); check the S3 key and secret settings")
            case S3Error(code=code) if code in ALTERED:
                return ServiceUnavailableError(
                    f"{place}: other bytes arrived than were sent ({code}); nothing was stored, try again"
                )
            case S3Error(code=code) if not _is_transient(error):
                return PermanentError(f"{place} answered {code}; check the bucket name and the server's log")
            case _:
                return ServiceUnavailableError(
                    f"{place} does not answer ({_cause(error)}); start it (`lakehouse up`) and try again"
                )


def _cause(error: Exception) -> str:
    """Say why a request failed, without the pool of connections that it came through."""
    reason = getattr(error, "reason", None)
    return str(reason).rpartition(": ")[2] if isinstance(reason, Exception) else str(error)


def _too_skewed(place: str) -> ClockError:
    return ClockError(
        f"{place} refused what was signed at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, for its own clock is more than "
        "15 minutes away from that; set the clocks of both machines, then run again"
    )


def _code_of(body: bytes) -> str:
    """Return the code that an error of S3 names, empty where it names none."""
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return found[1].decode() if found else ""


def _is_transient(error: S3Error) -> bool:
    status = getattr(error.response, "status", HTTPStatus.INTERNAL_SERVER_ERROR)
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in TRANSIENT
