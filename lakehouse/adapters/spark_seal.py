"""Work on single files that Spark hands out to its workers: judging sealed files, and sealing what Spark wrote."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DATA_FILE_TYPE, DEFAULT_READ_VERSION, DataFile, DataFileContent, FileFormat
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.metadata import TableMetadataUtil
from pyiceberg.typedef import Record

from lakehouse.adapters.iceberg_seal import SealedFileIO, data_name, metadata_bytes, store
from lakehouse.errors import ChecksumError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASK = 2**64 - 1
FORMAT = DEFAULT_READ_VERSION
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows there are, and a hash of them that no order changes: the sum and the xor of each row's hash."""

    rows: int = 0
    total: int = 0
    xor: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both."""
        return Tally(self.rows + other.rows, self.total + other.total & MASK, self.xor ^ other.xor)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that was stored again under the hash of its bytes."""

    path: str
    size_bytes: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class _Damage:
    """What a worker found; told as a value, for Spark would try again, and give the words of a traceback."""

    said: str


class Workers:
    """Spark's workers at one table's files. Each file is read whole, a few tens of megabytes (`FILE_BYTES`)."""

    def __init__(self, spark: "SparkSession", stored: Table) -> None:
        self._spark = spark
        self._properties = dict(stored.io.properties)
        self._metadata = metadata_bytes(stored.metadata)
        self._folder = stored.location_provider().new_data_location("rows").rsplit("/", 1)[0]

    def require_sound(self, paths: Sequence[str]) -> None:
        """Judge sealed files by their names; raise ChecksumError for the first that is damaged."""
        properties = self._properties
        self._each(paths, lambda path: _judged(properties, path))

    def tally(self, files: Sequence[DataFile]) -> Tally:
        """Return the tally of the rows of sealed data files, each judged before it is read; raises ChecksumError."""
        properties, metadata = self._properties, self._metadata
        sizes = {one.file_path: (one.file_size_in_bytes, one.record_count) for one in files}
        found = self._each(list(sizes), lambda path: _tallied(properties, metadata, path, *sizes[path]))
        return sum(found, Tally())

    def seal(self, paths: Sequence[str]) -> list[Sealed]:
        """Store data files that Spark wrote again where the table's lie, each under the hash of its bytes.

        Every page is held to its checksum first. Raises ChecksumError.
        """
        properties, metadata, folder = self._properties, self._metadata, self._folder
        return self._each(paths, lambda path: _sealed(properties, metadata, path, folder))

    def _each(self, paths: Sequence[str], work: Callable[[str], Found | _Damage]) -> list[Found]:
        context = self._spark.sparkContext
        if not paths:
            return []
        found = context.parallelize(paths, min(len(paths), max(2, context.defaultParallelism * 4))).map(work).collect()
        for one in found:
            if isinstance(one, _Damage):
                raise ChecksumError(one.said)
        return [one for one in found if not isinstance(one, _Damage)]


def _judged(properties: Mapping[str, str], path: str) -> _Damage | None:
    try:
        with SealedFileIO(dict(properties)).new_input(path).open():
            return None
    except ChecksumError as error:
        return _Damage(str(error))


def _tallied(properties: Mapping[str, str], metadata: bytes, path: str, size: int, count: int) -> Tally | _Damage:
    stored = TableMetadataUtil.parse_raw(metadata.decode())
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=count,
        file_size_in_bytes=size,
    )
    file.spec_id = stored.default_spec_id
    scan = ArrowScan(stored, SealedFileIO(dict(properties)), stored.schema(), AlwaysTrue())
    try:
        rows = scan.to_table([FileScanTask(file)])
    except ChecksumError as error:
        return _Damage(str(error))
    return tally_of(rows.cast(stored.schema().as_arrow()))


def _sealed(properties: Mapping[str, str], metadata: bytes, path: str, folder: str) -> Sealed | _Damage:
    io = SealedFileIO(dict(properties))
    with io.new_input(path).open() as stream:
        body = pa.py_buffer(stream.read())
    try:
        rows = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True).read()
    except OSError as error:
        return _Damage(f"{path} was damaged after Spark wrote it ({error}); nothing of it was used, run the step again")
    schema = TableMetadataUtil.parse_raw(metadata.decode()).schema().as_arrow()
    sealed = f"{folder}/{data_name(body)}"
    store(io, sealed, body)
    return Sealed(sealed, body.size, tally_of(rows.select(schema.names).cast(schema)))


def tally_of(rows: pa.Table) -> Tally:
    """Return the tally of rows; equal rows count as often as they are there, and NaN equals NaN."""
    hashes = pl.DataFrame(pl.from_arrow(rows)).hash_rows().to_numpy() if rows.num_rows else np.empty(0, np.uint64)
    return Tally(len(hashes), int(np.add.reduce(hashes)), int(np.bitwise_xor.reduce(hashes)))


def described(stored: Table, file: DataFile, sealed: Sealed) -> DataFile:
    """Return what manifests say of a file, under the name it has now."""
    known = {field.name: file[place] for place, field in enumerate(DATA_FILE_TYPE[FORMAT].fields)}
    known |= {"file_path": sealed.path, "file_size_in_bytes": sealed.size_bytes}
    described = DataFile.from_args(FORMAT, **known)
    described.spec_id = stored.metadata.default_spec_id
    return described
