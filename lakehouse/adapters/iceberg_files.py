"""How rows become sealed Parquet files with page checksums, and what the table's manifests say about each."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_proof import Deposit, Put
from lakehouse.adapters.iceberg_seal import data_name, store
from lakehouse.errors import SchemaError

FIELD_ID = b"PARQUET:field_id"
# DuckDB's own size: readers leave out groups that cannot hold a row, so finding one decodes a part of the file.
ROW_GROUP_ROWS = 122_880
# About 30 MB on disk. A sealed file is read whole, so it must fit into memory some times over.
FILE_BYTES = 128 * 2**20
# Rows that come some at a time are encoded whenever they are so many bytes, or as many as a group has.
PIECE_BYTES = 16 * 2**20
# Below this a second thread costs more than it saves.
SPLIT_BYTES = 16 * 2**20
# About 14 MB on disk: while one such file is on its way to the storage, the next is encoded.
LINE_BYTES = 24 * 2**20
# Below this a thread that stores the only file while its manifest is made costs more than it saves.
BESIDE_BYTES = 2**20
# Rows of this size are encoded into memory that is taken at once: what they have in Arrow, a part of that, and what a
# column takes in each group for its page's header, its statistics and its place in the footer.
ROOM_FROM_BYTES, ROOM_SHARE, ROOM_COLUMN_BYTES = 2**20, 4, 512
# What is sampled of a column: runs from all over it, for a part of it may be unlike the rest.
SAMPLE_ROWS, SAMPLE_RUNS = 4096, 8
# A dictionary pays when a value comes back often; what it costs to build one in vain is most of writing a column.
DICTIONARY_SHARE = 0.5
# Where hardly a value comes back among so few, no dictionary would pay among many: nobody looks further.
FIRST_ROWS, FIRST_SHARE = 512, 0.97
# Measures that are all different take half of the time when they are not compressed, for some hundredths of the bytes.
ZSTD: Literal["zstd"] = "zstd"
PLAIN = "none"
ZSTD_SHARE = 0.9
# Values that are looked for in the whole column: what comes back far apart is compressed well, and no sample shows it.
SOUGHT = 2


def write_rows(stored: Table, rows: pa.Table, deposit: Deposit | None = None) -> list[DataFile]:
    """Store rows as files of the table, in their order, and return what manifests say of them; no rows, no file.

    With a `deposit` each of several is read back as soon as it is stored, while others are still encoded; a single one
    of some size may still be on its way.

    Raises SchemaError when a column cannot take the type that the table has for it.
    """
    if not rows.num_rows:
        return []
    shape = _shape(stored, rows)
    fitted = _fitted(stored, shape, rows)
    parts = list(_parts(fitted))
    form = _form(fitted)
    plainly = partial(_store, stored.io)
    if len(parts) == 1:
        put = plainly if deposit is None or fitted.nbytes < BESIDE_BYTES else deposit.begin
        return [_put(stored, shape, *_encoded(parts[0], form), put)]
    put = plainly if deposit is None else deposit.take
    # One more than there are processors, for one of them waits for the storage.
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        return list(pool.map(lambda part: _put(stored, shape, *_encoded(part, form), put), parts))


def write_batches(stored: Table, batches: Iterable[pa.Table]) -> list[DataFile]:
    """Store rows that come some at a time, as `write_rows` does; a few groups of rows are in memory at once.

    One thread encodes a group, and another stores the file before, while the next rows are asked for.
    """
    with ThreadPoolExecutor(1) as storing, ThreadPoolExecutor(1) as encoding:
        files = _Files(stored, storing)
        waiting: Future[None] | None = None
        for rows in _pieces(batches):
            if waiting is not None:
                waiting.result()
            waiting = encoding.submit(files.add, rows)
        if waiting is not None:
            waiting.result()
        return files.close()


def _pieces(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows in groups of one size, or in smaller ones where they are large."""
    held: list[pa.Table] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) < ROW_GROUP_ROWS and sum(one.nbytes for one in held) < PIECE_BYTES:
            continue
        rows = pa.concat_tables(held)
        while rows.num_rows >= ROW_GROUP_ROWS:
            yield rows.slice(0, ROW_GROUP_ROWS)
            rows = rows.slice(ROW_GROUP_ROWS)
        if rows.nbytes >= PIECE_BYTES:
            yield rows
            rows = rows.slice(rows.num_rows)
        held = [rows]
    if any(one.num_rows for one in held):
        yield pa.concat_tables(held)


class _Files:
    """Files of a table in the making, one after the other; at most one is on its way to the storage."""

    def __init__(self, stored: Table, storing: ThreadPoolExecutor) -> None:
        self._stored = stored
        self._storing = storing
        self._shape: _Shape | None = None
        self._open: _Encoding | None = None
        self._files: list[Future[DataFile]] = []

    def add(self, rows: pa.Table) -> None:
        """Encode rows; a file that is large enough is stored."""
        if self._shape is None:
            self._shape = _shape(self._stored, rows)
        fitted = _fitted(self._stored, self._shape, rows)
        if self._open is None:
            self._open = _Encoding(fitted.schema, _form(fitted))
        self._open.add(fitted)
        if self._open.row_bytes >= FILE_BYTES:
            self._finish()

    def close(self) -> list[DataFile]:
        """Store what is left and return all files in order."""
        self._finish()
        return [one.result() for one in self._files]

    def _finish(self) -> None:
        if self._open is None:
            return
        assert self._shape is not None
        body, written = self._open.close()
        self._open = None
        if self._files:
            self._files[-1].result()
        put = partial(_store, self._stored.io)
        self._files.append(self._storing.submit(_put, self._stored, self._shape, body, written, put))


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    count = -(-rows.nbytes // FILE_BYTES)
    if rows.nbytes >= SPLIT_BYTES:
        cores = os.cpu_count() or 1
        count = max(count, min(cores, rows.nbytes // (SPLIT_BYTES // 2)), min(2 * cores, rows.nbytes // LINE_BYTES))
    length = -(-rows.num_rows // max(1, count))
    for start in range(0, rows.num_rows, length):
        yield rows.slice(start, length)


@dataclass(frozen=True)
class _Shape:
    """The columns of files, and what manifests say of each."""

    arrow: pa.Schema
    statistics: dict[int, StatisticsCollector]
    field_ids: dict[str, int]


_shapes: Known[_Shape] = Known(256)
"""By what they follow from: a table, the number of its schema, its properties, and the columns that rows have."""


def _shape(stored: Table, rows: pa.Table) -> _Shape:
    """Return the shape of files that hold these columns of a table."""
    metadata = stored.metadata
    key = [
        str(metadata.table_uuid),
        str(metadata.current_schema_id),
        sorted(metadata.properties.items()),
        rows.column_names,
    ]
    return _shapes.of(repr(key), lambda: _shaped(stored, _file_schema(stored, rows)))


def _shaped(stored: Table, schema: Schema) -> _Shape:
    wanted = schema_to_pyarrow(schema, include_field_ids=True)
    fields = [
        pa.field(field.name, field.type, field.nullable, {FIELD_ID: (field.metadata or {})[FIELD_ID]})
        for field in wanted
    ]
    return _Shape(
        pa.schema(fields), compute_statistics_plan(schema, stored.properties), parquet_path_to_id_mapping(schema)
    )


def _file_schema(stored: Table, rows: pa.Table) -> Schema:
    """Return the table's columns that the rows have, in the rows' order, under names that Parquet readers take."""
    schema = stored.schema()
    names = set(schema.column_names)
    if unknown := [name for name in rows.column_names if name not in names]:
        raise SchemaError(
            f"rows for {'.'.join(stored.name())} bring columns {unknown}, which the table does not have; "
            "bring the table up to its definition first"
        )
    return sanitize_column_names(Schema(*(schema.find_field(name) for name in rows.column_names)))


def _fitted(stored: Table, shape: _Shape, rows: pa.Table) -> pa.Table:
    columns = [_cast(stored, column, field) for column, field in zip(rows.columns, shape.arrow, strict=True)]
    fields = [field.with_type(column.type) for field, column in zip(shape.arrow, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _cast(stored: Table, column: "pa.ChunkedArray[Any]", field: "pa.Field[Any]") -> "pa.ChunkedArray[Any]":
    if _texts(column.type) and _texts(field.type):
        return column  # Parquet knows one kind of text, and casting would copy it
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(
            f"rows for {'.'.join(stored.name())} do not fit the stored table: column {field.name} is {column.type} "
            f"and cannot become {field.type}: {error}"
        ) from error


def _texts(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _encoded(rows: pa.Table, form: "_Form") -> tuple[pa.Buffer, pq.FileMetaData]:
    """Return rows as a file in memory that is taken at once: a stream that grows is copied each time that it does."""
    if rows.nbytes < ROOM_FROM_BYTES:
        return _Encoding(rows.schema, form).whole(rows)
    columns = rows.num_columns * -(-rows.num_rows // ROW_GROUP_ROWS)
    room = rows.nbytes + rows.nbytes // ROOM_SHARE + columns * ROOM_COLUMN_BYTES
    try:
        return _Encoding(rows.schema, form, room=room).whole(rows)
    except OSError:  # they take more room encoded than in Arrow
        return _Encoding(rows.schema, form).whole(rows)


@dataclass(frozen=True)
class _Form:
    """Which columns get a dictionary, and what compresses all or each of them."""

    dictionary: list[str]
    compression: str | dict[str, str]


class _Encoding:
    """One Parquet file in memory, which grows unless bytes of room are given; OSError where they are too few."""

    def __init__(self, schema: pa.Schema, form: _Form, room: int = 0) -> None:
        self.row_bytes = 0
        self._room = pa.allocate_buffer(room)
        self._sink = pa.FixedSizeBufferWriter(self._room) if room else pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression=form.compression,  # type: ignore[arg-type]  # the stubs know no codec of their own for a column
            write_page_checksum=True,
            store_decimal_as_integer=True,
            use_dictionary=form.dictionary,  # type: ignore[arg-type]  # the stubs know no list of columns
        )

    def add(self, rows: pa.Table) -> None:
        """Encode rows as groups of their own."""
        self._writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        self.row_bytes += rows.nbytes

    def close(self) -> tuple[pa.Buffer, pq.FileMetaData]:
        """Return the file and what its footer says."""
        self._writer.close()
        body = (
            self._sink.getvalue()
            if isinstance(self._sink, pa.BufferOutputStream)
            else self._room.slice(0, self._sink.tell())
        )
        return body, self._writer.writer.metadata

    def whole(self, rows: pa.Table) -> tuple[pa.Buffer, pq.FileMetaData]:
        """Encode the only rows; return the file and what its footer says."""
        self.add(rows)
        return self.close()


def _put(stored: Table, shape: _Shape, body: pa.Buffer, written: pq.FileMetaData, put: Put) -> DataFile:
    path = stored.location_provider().new_data_location(data_name(body))
    file = _described(stored, shape, path, body.size, written)
    put(file, body)
    return file


def _store(io: FileIO, file: DataFile, body: pa.Buffer) -> None:
    store(io, file.file_path, body)


def _form(rows: pa.Table) -> _Form:
    """Choose how columns are encoded, by a sample."""
    few, many = _sample(rows, FIRST_ROWS), _sample(rows, SAMPLE_ROWS)
    repeating = [name for name in rows.column_names if _repeats(few[name], many[name])]
    if any(pa.types.is_nested(field.type) for field in rows.schema):
        return _Form(repeating, ZSTD)  # whose parts have names of their own
    packed = {name: name in repeating or _shrinks(rows[name], few[name]) for name in rows.column_names}
    return _Form(repeating, {name: ZSTD if pays else PLAIN for name, pays in packed.items()})


def _sample(rows: pa.Table, count: int) -> pa.Table:
    """Return about so many rows, in runs that lie evenly over all of them; all where there are no more."""
    if rows.num_rows <= count:
        return rows
    run = count // SAMPLE_RUNS
    starts = ((rows.num_rows - run) * one // (SAMPLE_RUNS - 1) for one in range(SAMPLE_RUNS))
    return pa.concat_tables([rows.slice(start, run) for start in starts])


def _repeats(few: "pa.ChunkedArray[Any]", many: "pa.ChunkedArray[Any]") -> bool:
    if pa.types.is_boolean(many.type) or pa.types.is_nested(many.type):
        return False
    if len(few) < len(many) and pc.count_distinct(few).as_py() > len(few) * FIRST_SHARE:
        return False
    return bool(pc.count_distinct(many).as_py() <= len(many) * DICTIONARY_SHARE)


def _shrinks(column: "pa.ChunkedArray[Any]", sample: "pa.ChunkedArray[Any]") -> bool:
    """Say whether compression pays: of anything but measures, and of those where bytes or values come back."""
    if not pa.types.is_floating(column.type) or len(column) < SAMPLE_ROWS:
        return True
    values = sample.drop_null()
    body = values.to_numpy().tobytes()
    if not body or len(pa.compress(body, codec=ZSTD, asbytes=True)) <= len(body) * ZSTD_SHARE:
        return True
    return any(_comes_back(column, values[one * len(values) // SOUGHT]) for one in range(SOUGHT))


def _comes_back(column: "pa.ChunkedArray[Any]", value: "pa.Scalar[Any]") -> bool:
    found: Any = pc.sum(pc.equal(column, value))  # type: ignore[type-var]  # the stubs add up no truths
    return bool((found.as_py() or 0) > 1)


def _described(stored: Table, shape: _Shape, path: str, size: int, written: pq.FileMetaData) -> DataFile:
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=written,
        stats_columns=shape.statistics,
        parquet_column_mapping=shape.field_ids,
    )
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=stored.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    file.spec_id = stored.metadata.default_spec_id
    return file
