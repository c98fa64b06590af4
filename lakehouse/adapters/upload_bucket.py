"""The bucket of uploads on an S3 server: what lies there, and its bytes as a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from lakehouse.adapters.s3_client import s3_client, s3_pool
from lakehouse.errors import CommitConflictError, LoginError, PermanentError, ServiceUnavailableError
from lakehouse.storage_ports import UploadedObject

REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
REPLACED = ("NoSuchKey", "PreconditionFailed")
FIRST_PERMANENT, FIRST_TRANSIENT = 400, 500


@dataclass(frozen=True)
class S3Uploads:
    """One bucket of an S3 server; `endpoint` is host:port or a URL. See `lakehouse.storage_ports.UploadBucket`."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    secure: bool = False
    ca_file: Path | None = None

    @cached_property
    def _client(self) -> Minio:
        pool = s3_pool(self.ca_file, Retry(3, backoff_factor=0.2))
        return s3_client(self.endpoint, self.access_key, self.secret_key, secure=self.secure, pool=pool)

    def objects(self, prefix: str) -> Iterator[UploadedObject]:
        """Yield the objects whose keys start with `prefix`, sorted by the bytes of their keys."""
        with self._translated(prefix):
            for one in self._client.list_objects(self.bucket, prefix=prefix or None, recursive=True):
                yield UploadedObject(str(one.object_name), one.size or 0, str(one.etag))

    @contextmanager
    def opened(self, one: UploadedObject) -> Iterator[IO[bytes]]:
        """Give an object's bytes to read, exactly those that `one` was seen with."""
        with self._translated(one.key):
            same: dict[str, str | list[str] | tuple[str]] = {"If-Match": f'"{one.etag}"'}
            answer = self._client.get_object(self.bucket, one.key, version_id=one.version, request_headers=same)
            try:
                yield cast("IO[bytes]", answer)
            finally:
                answer.close()
                answer.release_conn()

    def put(self, key: str, body: bytes) -> None:
        """Write or overwrite an object below `REPORTS`."""
        kind = "text/html; charset=utf-8" if key.endswith(".html") else "text/plain; charset=utf-8"
        with self._translated(key):
            self._client.put_object(self.bucket, key, BytesIO(body), len(body), kind)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        place = f"s3://{self.bucket}/{key} on {self.endpoint}"
        try:
            yield
        except S3Error as error:
            status = getattr(error.response, "status", FIRST_TRANSIENT)
            if error.code in REPLACED:
                raise CommitConflictError(f"{place} was replaced or removed while it was read; try again") from error
            if error.code in REFUSED:
                raise LoginError(f"{place} refused the access key ({error.code}); check the S3 settings") from error
            if FIRST_PERMANENT <= status < FIRST_TRANSIENT:
                raise PermanentError(f"{place} answered {error.code}; check the name of the bucket") from error
            raise ServiceUnavailableError(f"{place} does not answer ({error}); try again") from error
        except (MinioException, HTTPError) as error:
            raise ServiceUnavailableError(f"{place} does not answer ({error}); start the server, try again") from error
