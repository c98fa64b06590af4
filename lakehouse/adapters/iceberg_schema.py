"""How a table definition becomes an Iceberg schema, how a schema grows, and how rows are made to fit it."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DoubleType, FloatType, IcebergType, IntegerType, LongType, NestedField

from lakehouse.definition import TableDefinition
from lakehouse.errors import SchemaError, TableOwnerError

FIELD_ID = "PARQUET:field_id"
DATASET = "lakehouse.dataset"
# Iceberg widens these in place: https://iceberg.apache.org/spec/#schema-evolution
WIDENINGS: tuple[tuple[type[IcebergType], type[IcebergType]], ...] = ((IntegerType, LongType), (FloatType, DoubleType))
# Eight writers of one table still all succeed with these, measured on SQLite, PostgreSQL and REST catalogs.
RETRIES: Mapping[str, str] = {
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "1000",
}


def iceberg_schema(table: TableDefinition) -> Schema:
    """Return the columns with field ids counted from 1; the catalog keeps them for the table's whole life."""
    fields = [
        pa.field(column.name, column.type, column.nullable, {FIELD_ID: str(number), "doc": column.doc})
        for number, column in enumerate(table.columns, start=1)
    ]
    return pyarrow_to_schema(pa.schema(fields))


def table_properties(table: TableDefinition) -> dict[str, str]:
    """Return the Iceberg table properties: retries, compression, and what the definition says in words."""
    return {
        **RETRIES,
        "write.parquet.compression-codec": "zstd",
        "comment": table.grain,
        "lakehouse.owner": table.owner,
        "lakehouse.key-columns": ",".join(table.key),
        **({DATASET: table.dataset} if table.dataset else {}),
    }


def require_owner(stored: Table, table: TableDefinition) -> None:
    """Raise TableOwnerError when the stored table belongs to another dataset.

    Names are joined from dataset and table, so ``a_b`` with ``c`` and ``a`` with ``b_c`` want the same one.
    """
    owner = stored.properties.get(DATASET)
    if table.dataset and owner and owner != table.dataset:
        raise TableOwnerError(
            f"table {table.name} belongs to dataset {owner!r}, and {table.dataset!r} wants to write to it; "
            "rename the dataset or its table"
        )


def is_current(stored: Table, table: TableDefinition) -> bool:
    """Say whether a stored table needs nothing before rows of this definition can be staged."""
    outdated = _changed(stored, table) or _new_properties(stored, table)
    return stored.current_snapshot() is not None and not outdated


def evolve(stored: Table, table: TableDefinition) -> None:
    """Bring a stored table up to its definition: new columns, wider numbers, looser nullability, properties.

    Columns the definition no longer names stay. Raises SchemaError for a difference that would break old rows.
    """
    old = set(stored.schema().column_names)
    if changed := _changed(stored, table):
        with stored.update_schema() as update:
            for field in changed:
                if field.name not in old:
                    update.add_column(field.name, field.field_type, doc=field.doc)
                else:
                    update.update_column(field.name, field_type=field.field_type, required=field.required)
    if properties := _new_properties(stored, table):
        with stored.transaction() as transaction:
            transaction.set_properties(properties)
    if stored.current_snapshot() is None:
        # A branch needs a snapshot to point at, and PyIceberg cannot append to a branch of an empty table.
        stored.append(table.arrow_schema().empty_table())


def _changed(stored: Table, table: TableDefinition) -> list[NestedField]:
    wanted = iceberg_schema(table)
    if problems := _incompatible(stored, wanted):
        raise SchemaError(
            f"table {table.name} cannot take its new definition: {'; '.join(problems)}. "
            "Rename the changed column, or keep its type"
        )
    old = {field.name: field for field in stored.schema().fields}
    return [field for field in wanted.fields if field.name not in old or _differs(old[field.name], field)]


def _new_properties(stored: Table, table: TableDefinition) -> dict[str, str]:
    return {name: value for name, value in table_properties(table).items() if stored.properties.get(name) != value}


def _incompatible(stored: Table, wanted: Schema) -> list[str]:
    old = {field.name: field for field in stored.schema().fields}
    return [
        problem
        for field in wanted.fields
        if (problem := _problem(old.get(field.name), field, rows=stored.current_snapshot() is not None))
    ]


def _problem(old: NestedField | None, new: NestedField, *, rows: bool) -> str | None:
    if old is None:
        return f"new column {new.name} must be nullable, for rows are there already" if new.required and rows else None
    if old.field_type != new.field_type and not _widens(old.field_type, new.field_type):
        return f"column {new.name} is {old.field_type} and cannot become {new.field_type}"
    if new.required and not old.required:
        return f"column {new.name} may hold nulls and cannot become required"
    return None


def _widens(old: IcebergType, new: IcebergType) -> bool:
    return any(isinstance(old, narrow) and isinstance(new, wide) for narrow, wide in WIDENINGS)


def _differs(old: NestedField, new: NestedField) -> bool:
    return bool(old.field_type != new.field_type or old.required != new.required)


def conform(rows: pa.Table, table: TableDefinition) -> pa.Table:
    """Return rows in the definition's column order, with its nullability.

    Names and types must already be right (string and large_string are the same to Iceberg); nothing is converted.
    """
    wanted = table.arrow_schema()
    missing = sorted(set(wanted.names) - set(rows.column_names))
    surplus = sorted(set(rows.column_names) - set(wanted.names))
    if missing or surplus or len(rows.column_names) != len(wanted.names):
        raise SchemaError(
            f"rows for {table.name} lack columns {missing} and bring unknown columns {surplus}; "
            "give exactly the columns of its definition, each once"
        )
    problems = [problem for field in wanted if (problem := _misfit(rows[field.name], field))]
    if problems:
        raise SchemaError(f"rows for {table.name} do not fit: {'; '.join(problems)}")
    return rows.select(wanted.names).cast(wanted)


def _misfit(column: "pa.ChunkedArray[Any]", field: "pa.Field[Any]") -> str | None:
    if column.null_count and not field.nullable:
        return f"required column {field.name} has {column.null_count} nulls"
    if _plain(column.type) != _plain(field.type) and not pa.types.is_null(column.type):
        return f"column {field.name} is {column.type}, not {field.type}"
    return None


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(kind) else kind
