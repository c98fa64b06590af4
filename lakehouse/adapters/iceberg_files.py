"""How rows become sealed Parquet files with page checksums, and what the table's manifests say about each."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from lakehouse.adapters.iceberg_seal import data_name, store
from lakehouse.errors import SchemaError

FIELD_ID = b"PARQUET:field_id"
# DuckDB's own size: readers leave out groups that cannot hold a row, so finding one decodes a part of the file.
ROW_GROUP_ROWS = 122_880
# About 30 MB on disk. A sealed file is read whole, so it must fit into memory some times over.
FILE_BYTES = 128 * 2**20
# Below this a second thread costs more than it saves.
SPLIT_BYTES = 16 * 2**20
SAMPLE_ROWS = 4096
# A dictionary pays when a value comes back often; what it costs to build one in vain is most of writing a column.
DICTIONARY_SHARE = 0.5


def write_rows(stored: Table, rows: pa.Table) -> list[DataFile]:
    """Store rows as files of the table, in their order, and return what manifests say of them; no rows, no file.

    Raises SchemaError when a column cannot take the type that the table has for it.
    """
    if not rows.num_rows:
        return []
    schema = _file_schema(stored, rows)
    fitted = _fitted(stored, schema, rows)
    parts = list(_parts(fitted))
    if len(parts) == 1:
        return [_write(stored, schema, parts[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda part: _write(stored, schema, part), parts))


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    count = -(-rows.nbytes // FILE_BYTES)
    if rows.nbytes >= SPLIT_BYTES:
        count = max(count, min(os.cpu_count() or 1, rows.nbytes // (SPLIT_BYTES // 2)))
    length = -(-rows.num_rows // max(1, count))
    for start in range(0, rows.num_rows, length):
        yield rows.slice(start, length)


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


def _fitted(stored: Table, schema: Schema, rows: pa.Table) -> pa.Table:
    wanted = schema_to_pyarrow(schema, include_field_ids=True)
    columns = [_cast(stored, rows.column(place), wanted.field(place)) for place in range(len(wanted))]
    fields = [
        pa.field(field.name, column.type, field.nullable, {FIELD_ID: (field.metadata or {})[FIELD_ID]})
        for field, column in zip(wanted, columns, strict=True)
    ]
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


def _write(stored: Table, schema: Schema, rows: pa.Table) -> DataFile:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        rows.schema,
        compression="zstd",
        write_page_checksum=True,
        store_decimal_as_integer=True,
        use_dictionary=_repeating(rows),  # type: ignore[arg-type]  # the stubs know no list of columns
    ) as writer:
        writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
    body = sink.getvalue()
    path = stored.location_provider().new_data_location(data_name(body))
    store(stored.io, path, body)
    return _described(stored, schema, path, body.size, writer.writer.metadata)


def _repeating(rows: pa.Table) -> list[str]:
    """Return the columns whose values repeat, by a sample from the middle."""
    sample = rows.slice(max(0, (rows.num_rows - SAMPLE_ROWS) // 2), SAMPLE_ROWS)
    return [name for name in rows.column_names if _repeats(sample[name])]


def _repeats(column: "pa.ChunkedArray[Any]") -> bool:
    if pa.types.is_boolean(column.type) or pa.types.is_nested(column.type):
        return False
    return bool(pc.count_distinct(column).as_py() <= len(column) * DICTIONARY_SHARE)


def _described(stored: Table, schema: Schema, path: str, size: int, written: pq.FileMetaData) -> DataFile:
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=written,
        stats_columns=compute_statistics_plan(schema, stored.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
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
