"""How a table definition becomes an Iceberg schema, how a schema grows, and how rows are made to fit it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import DoubleType, FloatType, IcebergType, IntegerType, LongType, NestedField

from lakehouse.definition import Misfit, TableDefinition
from lakehouse.errors import SchemaError, TableOwnerError

FIELD_ID = "PARQUET:field_id"
DATASET = "lakehouse.dataset"
FORMERLY = "lakehouse.formerly."
# Iceberg widens these in place: https://iceberg.apache.org/spec/#schema-evolution
WIDENINGS: tuple[tuple[type[IcebergType], type[IcebergType]], ...] = ((IntegerType, LongType), (FloatType, DoubleType))
# Eight writers of one table still all succeed with these, measured on SQLite, PostgreSQL and REST catalogs.
RETRIES: Mapping[str, str] = {
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "1000",
}
# Each commit writes this list anew; maintenance tells by itself which old metadata files are needed.
PREVIOUS_METADATA = "4"


@lru_cache(256)
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
        "write.metadata.previous-versions-max": PREVIOUS_METADATA,
        "write.parquet.compression-codec": "zstd",
        "comment": table.grain,
        "lakehouse.owner": table.owner,
        "lakehouse.key-columns": ",".join(table.key),
        **{f"{FORMERLY}{one.name}": ",".join(one.formerly) for one in table.columns if one.formerly},
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
    pairs = _paired(stored, table)
    outdated = (
        _changed(stored, table, pairs)
        or _left_required(stored, table)
        or _turned(stored, pairs)
        or _new_properties(stored, table)
    )
    return stored.current_snapshot() is not None and not outdated


def evolve(stored: Table, table: TableDefinition) -> None:
    """Bring a stored table up to its definition: columns, names, wider numbers, looser nullability, order, properties.

    Columns the definition no longer names stay, and may be null from then on. Raises SchemaError for a difference that
    would break old rows.
    """
    pairs = _paired(stored, table)
    changed, left, turned = _changed(stored, table, pairs), _left_required(stored, table), _turned(stored, pairs)
    if changed or left or turned:
        with stored.update_schema() as update:
            for name in left:
                update.make_column_optional(name)
            for old, field in changed:
                if old is None:
                    update.add_column(field.name, field.field_type, doc=field.doc)
                    continue
                if _differs(old, field):
                    update.update_column(old.name, field_type=field.field_type, required=field.required)
                if old.name != field.name:
                    update.rename_column(old.name, field.name)
            _put_in_order(update, turned)
    if properties := _new_properties(stored, table):
        with stored.transaction() as transaction:
            transaction.set_properties(properties)


Change = tuple[NestedField | None, NestedField]
"""A stored column, if there is one, and what the definition wants of it."""


def _changed(stored: Table, table: TableDefinition, pairs: list[Change]) -> list[Change]:
    if problems := _misfits(stored, pairs):
        raise SchemaError(
            f"table {table.name} cannot take its new definition: {'; '.join(one.said for one in problems)}. "
            "Rename the changed column, or keep its type"
        )
    return [(old, new) for old, new in pairs if old is None or old.name != new.name or _differs(old, new)]


def _paired(stored: Table, table: TableDefinition) -> list[Change]:
    """Return the wanted columns, each with the stored one that has its name, or a name that it had."""
    known = {field.name: field for field in stored.schema().fields}
    found = [
        next((known[name] for name in (column.name, *column.formerly) if name in known), None)
        for column in table.columns
    ]
    wanted = iceberg_schema(table).fields
    return [(old, _loosened(old, new) if table.dataset else new) for old, new in zip(found, wanted, strict=True)]


def _loosened(old: NestedField | None, new: NestedField) -> NestedField:
    """Return a column of a dataset as its table can hold it: rows of older versions may have no value there.

    New rows are held to the definition by the audit, whatever the table allows.
    """
    return new if old is not None and old.required else new.model_copy(update={"required": False})


def _left_required(stored: Table, table: TableDefinition) -> list[str]:
    """Return the required columns that the definition does not name any more, so that new rows have no value there."""
    named = {name for column in table.columns for name in (column.name, *column.formerly)}
    return [field.name for field in stored.schema().fields if field.required and field.name not in named]


def _turned(stored: Table, pairs: list[Change]) -> list[str]:
    """Return the definition's columns in its order, by the names they have now, if the table has them in another.

    A definition that lags behind leaves columns out and moves none.
    """
    known = [field.name for field in stored.schema().fields]
    wanted = [new.name if old is None else old.name for old, new in pairs]
    places = [known.index(name) if name in known else None for name in wanted]
    found = [place for place in places if place is not None]
    in_order = found == sorted(found) and None not in places[: len(found)]
    return [] if in_order else wanted


def _put_in_order(update: UpdateSchema, names: Sequence[str]) -> None:
    for before, name in zip([None, *names], names, strict=False):
        if before is None:
            update.move_first(name)
        else:
            update.move_after(name, before)


def _new_properties(stored: Table, table: TableDefinition) -> dict[str, str]:
    return {name: value for name, value in table_properties(table).items() if stored.properties.get(name) != value}


def misfits(stored: Table, table: TableDefinition) -> list[Misfit]:
    """Return each column that the stored table cannot take as the definition has it."""
    return _misfits(stored, _paired(stored, table))


def _misfits(stored: Table, pairs: list[Change]) -> list[Misfit]:
    rows = stored.current_snapshot() is not None
    renamed = {
        old: name.removeprefix(FORMERLY)
        for name, olds in stored.properties.items()
        if name.startswith(FORMERLY)
        for old in olds.split(",")
    }
    return [
        Misfit(
            new.name,
            str(old.field_type if old else "absent"),
            str(new.field_type),
            said,
            renamed.get(new.name) if old is None else None,
        )
        for old, new in pairs
        if (said := _problem(old, new, renamed, rows=rows))
    ]


def _problem(old: NestedField | None, new: NestedField, renamed: Mapping[str, str], *, rows: bool) -> str | None:
    if old is None and new.name in renamed:
        return f"column {new.name} is called {renamed[new.name]} by now"
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
