"""How an accepted dataset becomes rows: tables of text, typed tables, and the definitions of both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa

from lakehouse.archive.arrays import Cells, constant, count_true, flat
from lakehouse.archive.batches import Batch
from lakehouse.archive.eds import (
    TABLES_FOLDER,
    TEXTS_FOLDER,
    CollectionDescription,
    ColumnDescription,
    Description,
    TableDescription,
)
from lakehouse.archive.table_files import pieces, table_files
from lakehouse.archive.text_files import DocumentBatch, document_batches, document_files
from lakehouse.archive.values import ARROW_TYPES, parse
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import SchemaError

Layer = Literal["bronze", "silver"]

TEXT_COLUMNS = (
    Column("document_id", pa.string(), "Id of the document, unique in its collection.", nullable=False),
    Column("title", pa.string(), "Title of the document."),
    Column("text", pa.large_string(), "The whole text, UTF-8.", nullable=False),
)
SOURCE_COLUMNS = (
    Column("_source_file", pa.string(), "File of the submission the row stands in.", nullable=False),
    Column("_row_number", pa.int64(), "Data row in that file, counted from 1.", nullable=False),
)

DOCUMENTS = pa.schema([pa.field(column.name, column.type) for column in (*TEXT_COLUMNS, *SOURCE_COLUMNS)])
BATCH_FILES, BATCH_BYTES = 1_000, 8 << 20


def raw_tables(folder: Path, description: Description) -> Iterator[tuple[str, pa.Table]]:
    """Yield each table's name and rows as submitted: text columns in the dictionary's order, file and row number.

    Raises:
        SchemaError: a file lacks a column or holds a row that does not fit its header.
        EncodingError: a file is not UTF-8.
    """
    for name, table in description.tables.items():
        batches = list(raw_batches(folder, table))
        yield name, pa.concat_tables(batches) if batches else _no_rows(table)


def raw_batches(folder: Path, table: TableDescription) -> Iterator[pa.Table]:
    """Yield a table's rows as `raw_tables` does, some at a time, whatever the size of its files."""
    for path in table_files(folder / TABLES_FOLDER / table.name):
        yield from _raw_file(path, folder, table)


def _raw_file(path: Path, folder: Path, table: TableDescription) -> Iterator[pa.Table]:
    place, before, header = path.relative_to(folder).as_posix(), 0, dict.fromkeys(table.columns, False)
    for piece in pieces(path, table):
        batch = piece()
        if batch.ragged or batch.bad:
            what = "is ragged at" if batch.ragged else "cannot be read at"
            raise SchemaError(f"{place} {what} row {before + _first_bad(batch)}; validate the submission first")
        header.update({name: True for name in batch.header if name in header})
        yield _raw_batch(batch, place, before, table)
        before += batch.span
    absent = [name for name, there in header.items() if not there]
    if absent:
        raise SchemaError(f"{place} lacks the columns {', '.join(absent)}; validate the submission first")


def _first_bad(batch: Batch) -> int:
    return batch.ragged[0].row if batch.ragged else batch.bad[0].row


def _raw_batch(batch: Batch, place: str, before: int, table: TableDescription) -> pa.Table:
    count = len(batch.numbers)
    # A line of JSON may leave out what it has no value for.
    columns = [
        batch.columns[name] if name in batch.columns else constant("", pa.string(), count) for name in table.columns
    ]
    source = constant(place, pa.string(), count)
    numbers = pa.array(batch.numbers + before)
    return pa.table([*columns, source, numbers], names=[*table.columns, "_source_file", "_row_number"])


def _no_rows(table: TableDescription) -> pa.Table:
    types: dict[str, pa.DataType] = dict.fromkeys((*table.columns, "_source_file"), pa.string())
    return pa.schema({**types, "_row_number": pa.int64()}).empty_table()


def typed(raw: pa.Table, table: TableDescription) -> pa.Table:
    """Return the rows in the dictionary's types, without file and row number; missing codes and empty cells are null.

    Integers become int64, numbers float64, dates date32, datetimes microseconds in UTC.

    Raises:
        SchemaError: a cell does not fit its column's type.
    """
    arrays: list[Cells] = []
    for name, column in table.columns.items():
        parsed = parse(raw.column(name), column)
        wrong = count_true(parsed.wrong)
        if wrong:
            raise SchemaError(
                f"{wrong} cells of {table.name}.{name} are no {column.type}; validate the submission first"
            )
        arrays.append(parsed.values)
    return pa.table(arrays, names=list(table.columns))


def raw_texts(folder: Path, description: Description) -> Iterator[tuple[str, pa.Table]]:
    """Yield each text collection's name and documents, with file and row number; raises as `raw_documents` does."""
    for name in description.texts:
        yield name, pa.concat_tables([DOCUMENTS.empty_table(), *raw_documents(folder, name)])


def raw_documents(folder: Path, collection: str) -> Iterator[pa.Table]:
    """Yield the documents of a text collection, some at a time, with file and row number.

    Raises:
        SchemaError: a line is no document.
        EncodingError: a file is not UTF-8.
    """
    held: list[pa.Table] = []
    for path in document_files(folder / TEXTS_FOLDER / collection):
        for batch in document_batches(path):
            held.append(_documents(batch, path, folder).cast(DOCUMENTS))
            # A file may be a single document.
            if len(held) >= BATCH_FILES or sum(rows.nbytes for rows in held) >= BATCH_BYTES:
                yield pa.concat_tables(held).combine_chunks()
                held = []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _documents(batch: DocumentBatch, path: Path, folder: Path) -> pa.Table:
    documents, place = batch.documents, path.relative_to(folder).as_posix()
    if batch.bad:
        raise SchemaError(f"{place} row {batch.bad[0].row}: {batch.bad[0].reason}; validate the submission first")
    return pa.table(
        {
            "document_id": pa.array([d.document_id for d in documents], pa.string()),
            "title": pa.array([d.title for d in documents], pa.string()),
            "text": pa.array([d.text for d in documents], pa.large_string()),
            "_source_file": constant(place, pa.string(), len(documents)),
            "_row_number": pa.array([d.row for d in documents], pa.int64()),
        }
    )


def table_definition(dataset: str, table: TableDescription, layer: Layer) -> TableDefinition:
    """Return the definition of ``<layer>.<dataset>_<table>``, documented from the data dictionary.

    Bronze keeps every cell as text and is keyed by file and row. Silver is typed and keyed by the dictionary's primary
    key within a dataset version; without a primary key its key is empty. Of the dictionary's columns only those of the
    key must have values there.
    """
    if layer == "bronze":
        columns = [
            Column(name, pa.string(), c.description, c.unit, formerly=c.formerly) for name, c in table.columns.items()
        ]
        return _bronze(dataset, table.name, f"one row per row submitted of: {table.grain}", columns)
    typed_columns = [_silver_column(name, column, table) for name, column in table.columns.items()]
    return TableDefinition(
        name=f"silver.{dataset}_{table.name}",
        grain=table.grain,
        columns=(*typed_columns, *_provenance("")),
        key=(*table.primary_key, "dataset_version") if table.primary_key else (),
        dataset=dataset,
    )


def text_definition(dataset: str, collection: CollectionDescription, layer: Layer) -> TableDefinition:
    """Return the definition of ``<layer>.<dataset>_<collection>``, a table of documents."""
    name = f"{dataset}_{collection.name}"
    licence = Column("licence", pa.string(), "SPDX licence expression.")
    if layer == "bronze":
        return _bronze(dataset, collection.name, "one row per document submitted", [*TEXT_COLUMNS, licence])
    return TableDefinition(
        name=f"silver.{name}",
        grain="one row per document",
        columns=(*TEXT_COLUMNS, licence, *_provenance("")),
        key=("document_id", "dataset_version"),
        dataset=dataset,
    )


def _bronze(dataset: str, name: str, grain: str, columns: list[Column]) -> TableDefinition:
    return TableDefinition(
        name=f"bronze.{dataset}_{name}",
        grain=grain,
        columns=(*columns, *_provenance("_"), *SOURCE_COLUMNS),
        key=("_dataset_version", "_source_file", "_row_number"),
        dataset=dataset,
    )


def _provenance(prefix: str) -> tuple[Column, Column]:
    return (
        Column(f"{prefix}dataset_version", pa.string(), "Version label of the dataset.", nullable=False),
        Column(f"{prefix}dataset_commit", pa.string(), "DataLad commit of the dataset.", nullable=False),
    )


def _silver_column(name: str, column: ColumnDescription, table: TableDescription) -> Column:
    # Whether a value must be there is the gate's to judge: the next version may require another column.
    key = name in table.primary_key
    kind = ARROW_TYPES[column.type]
    return Column(name, kind, column.description, column.unit, nullable=not key, formerly=column.formerly)


def stamped(rows: pa.Table, definition: TableDefinition, values: dict[str, str | None]) -> pa.Table:
    """Return the rows in the definition's exact schema, with each of `values` as a constant column.

    Raises:
        SchemaError: a column of the definition is neither in the rows nor among the values.
    """
    arrays: list[Cells] = []
    for column in definition.columns:
        if column.name in values:
            arrays.append(constant(values[column.name], column.type, rows.num_rows))
        elif column.name in rows.column_names:
            arrays.append(flat(rows.column(column.name)).cast(column.type))
        else:
            raise SchemaError(f"rows for {definition.name} lack the column {column.name}")
    return pa.table(arrays, schema=definition.arrow_schema())
