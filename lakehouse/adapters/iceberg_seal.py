"""Files whose names carry the hash of their bytes, and the reading that refuses whatever differs from its name.

An Iceberg table is a tree of immutable files: metadata names manifest lists, those name manifests, those name data
files. A name that is the hash of the content therefore makes the tree a hash chain without a byte of extra storage.
"""

import hashlib
import uuid
from io import BytesIO
from typing import Any

import pyarrow as pa
from pyarrow import fs
from pyiceberg.io import (
    AWS_ROLE_ARN,
    AWS_SESSION_TOKEN,
    S3_ACCESS_KEY_ID,
    S3_ANONYMOUS,
    S3_ENDPOINT,
    S3_PROXY_URI,
    S3_REGION,
    S3_ROLE_ARN,
    S3_SECRET_ACCESS_KEY,
    S3_SESSION_TOKEN,
    FileIO,
    InputFile,
    InputStream,
    OutputFile,
    OutputStream,
)
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.table.metadata import TableMetadata

from lakehouse.adapters.iceberg_bucket import WholeObjects
from lakehouse.adapters.iceberg_folder import WholeFiles
from lakehouse.adapters.iceberg_names import LONG_SEAL, SHORT_SEAL, is_sealed
from lakehouse.adapters.s3_client import REGION
from lakehouse.errors import ChecksumError, PermanentError

_ONLY_ARROW = (AWS_ROLE_ARN, AWS_SESSION_TOKEN, S3_ANONYMOUS, S3_PROXY_URI, S3_ROLE_ARN, S3_SESSION_TOKEN)
CA_FILE = "lakehouse.s3.ca-file"
FILE_IO = "lakehouse.adapters.iceberg_seal.SealedFileIO"


def sha256_of(body: bytes | memoryview | pa.Buffer) -> str:
    """Return the hash as 64 hex digits."""
    return hashlib.sha256(body).hexdigest()


def data_name(body: bytes | pa.Buffer) -> str:
    """Return a name that no file had before, sealed by the hash of the bytes.

    By their hash alone rows that come back would take the name of an old file, which upkeep may be about to delete.
    """
    return f"rows-{uuid.uuid4().hex[:12]}-{sha256_of(body)}.parquet"


def short_seal(body: bytes) -> str:
    """Return the first 122 bits of the hash, laid out as a UUID of version 8."""
    digest = bytearray(hashlib.sha256(body).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def require_sealed(location: str, body: pa.Buffer) -> None:
    """Raise ChecksumError when the bytes are not those that the name of their file was made from."""
    if found := LONG_SEAL.search(location):
        actual = sha256_of(body)
    elif found := SHORT_SEAL.search(location):
        actual = short_seal(body.to_pybytes())
    else:
        return
    if actual != found[1]:
        raise ChecksumError(
            f"{location} is damaged: its {body.size} bytes hash to {actual}, its name says {found[1]}; "
            "restore this file from a backup or a replica, nothing of it was used"
        )


class SealedFileIO(PyArrowFileIO):
    """PyIceberg's own file access, except that a sealed file is read whole and judged before any of it is given.

    In a folder, too, a file is there whole or not at all, and in a bucket it is never put together from parts.
    """

    def _initialize_local_fs(self) -> WholeFiles:
        return WholeFiles()

    def _initialize_s3_fs(self, netloc: str | None) -> fs.FileSystem:
        given = [self.properties.get(name) for name in (S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY)]
        # A catalog elsewhere may ask for more than our client knows: keys for some time, a proxy, a role, a region.
        if (
            not all(given)
            or any(self.properties.get(name) for name in _ONLY_ARROW)
            or self.properties.get(S3_REGION, REGION) != REGION
        ):
            if CA_FILE in self.properties:
                raise PermanentError(
                    "this catalog hands out its own way to S3, and PyIceberg can be told no authority for that; bring "
                    "the authority into this machine's store, and leave the setting of its file empty"
                )
            return super()._initialize_s3_fs(netloc)
        endpoint, access_key, secret_key = map(str, given)
        return WholeObjects(endpoint, access_key, secret_key, self.properties.get(CA_FILE))

    def new_input(self, location: str) -> PyArrowFile:
        """Return the file, to be judged when it is opened."""
        plain = super().new_input(location)
        if not is_sealed(location):
            return plain
        return _SealedFile(location, plain._path, plain._filesystem, plain._buffer_size)


class _SealedFile(PyArrowFile):
    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002, FBT001, FBT002 - PyIceberg's own signature
        stream: Any = super().open()
        with stream:
            body = stream.read_buffer()
        require_sealed(self.location, body)
        return pa.BufferReader(body)


class MemoryFile(OutputFile):
    """Takes what PyIceberg writes, so that the file can be named once its bytes are known."""

    def __init__(self) -> None:
        super().__init__("memory")
        self.body = b""

    def __len__(self) -> int:
        return len(self.body)

    def exists(self) -> bool:
        """Say no: nothing is stored yet."""
        return False

    def to_input_file(self) -> InputFile:
        """Refuse: nobody reads it."""
        raise NotImplementedError("a file in memory is only written")

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002, FBT001, FBT002 - PyIceberg's signature
        """Return a stream that leaves its bytes here when it is closed."""
        return _Kept(self)

    def named(self, folder: str, stem: str, ending: str) -> None:
        """Give the file the name of its content."""
        self._location = f"{folder}/{stem}-{sha256_of(self.body)}{ending}"


class _Kept(BytesIO):
    def __init__(self, file: MemoryFile) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        if not self.closed:
            self._file.body = self.getvalue()
        super().close()


def store_surely(io: FileIO, location: str, body: bytes) -> None:
    """Write a sealed file and read it back before anything is pointed at it; raise ChecksumError when it is not there.

    A catalog that points at metadata which the storage only said to have taken has lost the table.
    """
    store(io, location, body)
    try:
        judge(io, location)
    except FileNotFoundError as error:
        raise ChecksumError(f"{location} is not there, though the storage took it; nothing was changed") from error


def judge(io: FileIO, location: str) -> None:
    """Read a sealed file whole; raise ChecksumError when it is damaged, FileNotFoundError when it is not there."""
    with io.new_input(location).open():  # judged as it is opened
        pass


def store(io: FileIO, location: str, body: bytes | pa.Buffer) -> None:
    """Write a file whole. Its name is its content, so writing it again is no error."""
    with io.new_output(location).create(overwrite=True) as stream:
        stream.write(body)  # type: ignore[arg-type]  # Arrow's streams take Arrow's buffers


def metadata_bytes(metadata: TableMetadata) -> bytes:
    """Return a table's metadata as they are stored."""
    return metadata.model_dump_json(exclude_none=True).encode()
