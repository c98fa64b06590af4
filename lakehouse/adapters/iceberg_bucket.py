"""A bucket as Iceberg's storage, whose files are read and written whole, with the patience of all objects.

Arrow's own S3 client uploads each file in parts, which a process that is killed leaves behind for ever, and has no end
for a server that sends a trickle.
"""

from functools import cache
from types import TracebackType

import pyarrow as pa
from pyarrow import fs

from lakehouse.adapters.object_store import S3Objects
from lakehouse.adapters.s3_client import CONNECT_SECONDS, READ_SECONDS, REGION
from lakehouse.errors import NoObjectError


class WholeObjects(fs.S3FileSystem):
    """Arrow's S3 storage, which still lists files, except that one is got, put and deleted by one request each."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str) -> None:
        super().__init__(
            access_key=access_key,
            secret_key=secret_key,
            endpoint_override=endpoint,
            region=REGION,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=READ_SECONDS,
        )
        self._place = (endpoint, access_key, secret_key)

    def _bucket(self, path: str) -> tuple[S3Objects, str]:
        bucket, _, key = path.partition("/")
        return _objects(*self._place, bucket), key

    def open_input_file(self, path: str) -> pa.BufferReader:
        """Return a file's bytes, all of them; raise FileNotFoundError when there is none."""
        objects, key = self._bucket(path)
        try:
            return pa.BufferReader(objects.get(key))
        except NoObjectError as error:
            raise FileNotFoundError(str(error)) from error

    def open_input_stream(self, path: str, *_: object, **__: object) -> pa.BufferReader:
        """Return a file's bytes, as `open_input_file` does."""
        return self.open_input_file(path)

    def open_output_stream(self, path: str, *_: object, **__: object) -> "_WholeObject":  # type: ignore[override]
        """Return a stream whose bytes are at `path` once it is closed without an error."""
        return _WholeObject(*self._bucket(path))

    def delete_file(self, path: str) -> None:
        """Delete a file; an absent one is no error."""
        objects, key = self._bucket(path)
        objects.delete(key)


class _WholeObject:
    def __init__(self, objects: S3Objects, key: str) -> None:
        self._objects, self._key = objects, key
        self._pieces: list[bytes | pa.Buffer] = []
        self.closed = False

    def write(self, body: bytes | pa.Buffer) -> int:
        self._pieces.append(body)
        return len(memoryview(body))

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(map(bytes, self._pieces))
        self._objects.put(self._key, whole)

    def __enter__(self) -> "_WholeObject":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self.closed = True


@cache
def _objects(endpoint: str, access_key: str, secret_key: str, bucket: str) -> S3Objects:
    """Return a bucket; every table that is loaded asks for its storage anew, and connections are worth keeping."""
    return S3Objects(endpoint, access_key, secret_key, bucket)
