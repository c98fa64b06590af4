"""A bucket as Iceberg's storage, whose files are listed, and read and written whole, with the patience of all objects.

Arrow's own S3 client uploads each file in parts, which a process that is killed leaves behind for ever, and has no end
for a server that sends a trickle.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
from pyarrow import fs

from lakehouse.adapters.iceberg_names import sha256_in
from lakehouse.adapters.object_store import S3Objects, StoredObject
from lakehouse.adapters.s3_client import CONNECT_SECONDS, READ_SECONDS, REGION
from lakehouse.errors import NoObjectError


class WholeObjects(fs.S3FileSystem):
    """Arrow's S3 storage, except that a file is got, put and deleted by one request each, and listed by our client."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, ca_file: str | None = None) -> None:
        super().__init__(  # type: ignore[call-arg]  # its stubs are older than tls_ca_file_path
            access_key=access_key,
            secret_key=secret_key,
            endpoint_override=endpoint,
            region=REGION,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=READ_SECONDS,
            tls_ca_file_path=ca_file,
        )
        self._place = (endpoint, access_key, secret_key, ca_file)

    def _bucket(self, path: str) -> tuple[S3Objects, str]:
        bucket, _, key = path.partition("/")
        return _objects(*self._place, bucket), key

    def get_file_info(self, paths_or_selector: str | Sequence[str] | fs.FileSelector) -> Any:  # noqa: ANN401 - as asked
        """Return what is at a path or at each of several, or every file below a selector's folder, with no folders."""
        if isinstance(paths_or_selector, fs.FileSelector):
            return self._below(paths_or_selector)
        if isinstance(paths_or_selector, str):
            return self._info(paths_or_selector)
        return [self._info(path) for path in paths_or_selector]

    def _below(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """Return the files below a folder, which a bucket has only where a file is below it.

        Raises FileNotFoundError where there is none and the selector does not allow that.
        """
        folder = selector.base_dir.rstrip("/") + "/"
        objects, prefix = self._bucket(folder)
        found = [_file(objects.bucket, one) for one in objects.stored(prefix)]
        if not found and not selector.allow_not_found:
            raise FileNotFoundError(f"no files below {folder}")
        return [one for one in found if selector.recursive or "/" not in one.path.removeprefix(folder)]

    def _info(self, path: str) -> fs.FileInfo:
        objects, key = self._bucket(path)
        try:
            return _file(objects.bucket, objects.stored_object(key))
        except NoObjectError:
            return fs.FileInfo(path, fs.FileType.NotFound)

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


def _file(bucket: str, one: StoredObject) -> fs.FileInfo:
    return fs.FileInfo(
        f"{bucket}/{one.key}", fs.FileType.File, size=one.size, mtime_ns=round(one.stored_at.timestamp() * 1e9)
    )


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
        self._objects.put(self._key, whole, sha256=sha256_in(self._key))

    def __enter__(self) -> "_WholeObject":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self.closed = True


@cache
def _objects(endpoint: str, access_key: str, secret_key: str, ca_file: str | None, bucket: str) -> S3Objects:
    """Return a bucket; every table that is loaded asks for its storage anew, and connections are worth keeping."""
    return S3Objects(endpoint, access_key, secret_key, bucket, ca_file=Path(ca_file) if ca_file else None)
