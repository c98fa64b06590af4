"""Promises that staged rows are held to before anyone can see them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.definition import Column, TableDefinition
from lakehouse.ports import RowCounts, StoredRows

Audit = Callable[[TableDefinition, pa.Table], list[str]]
"""A promise: given the definition and all rows on the branch, return one line per way it is broken."""

SHOWN = 5


def broken_promises(
    table: TableDefinition, rows: pa.Table, *, expected_count: int, audits: Sequence[Audit] = ()
) -> list[str]:
    """Return every broken promise of the rows on a branch: their count, columns, key, and the given `audits`."""
    problems = _count(rows, expected_count) + _columns(table, rows)
    if problems:
        return problems
    return [*_key(table, rows), *(line for audit in audits for line in audit(table, rows))]


def broken_promises_of_new(
    table: TableDefinition, new: pa.Table, similar: pa.Table, counts: RowCounts, *, mode: Literal["append", "replace"]
) -> list[str]:
    """Return every broken promise of rows that join others, without reading all of those.

    `similar` are the keys of the older rows that could equal one of `new`; none for rows that replace all others.
    """
    expected = new.num_rows + (counts.before if mode == "append" else 0)
    problems = [
        *_off("rows were stored", counts.added, new.num_rows),
        *_off("rows on the branch", counts.after, expected),
        *_columns(table, new),
    ]
    return problems or _key(
        table, pa.concat_tables([new.select(list(table.key)), similar], promote_options="permissive")
    )


def broken_promises_of_stored(rows: StoredRows, counts: RowCounts) -> list[str]:
    """Return every broken promise of rows that were stored before; their columns were looked at then."""
    return [
        *_off("rows were stored", counts.added, rows.num_rows),
        *_off("rows on the branch", counts.after, counts.before + rows.num_rows),
        *(rows.broken or ()),
    ]


def _off(what: str, found: int, expected: int) -> list[str]:
    return [] if found == expected else [f"row count: {found} {what}, {expected} expected"]


def _count(rows: pa.Table, expected_count: int) -> list[str]:
    if rows.num_rows == expected_count:
        return []
    return [f"row count: {rows.num_rows} rows on the branch, {expected_count} expected"]


def _columns(table: TableDefinition, rows: pa.Table) -> list[str]:
    return [line for column in table.columns for line in _column(column, rows)]


def _column(column: Column, rows: pa.Table) -> list[str]:
    if column.name not in rows.column_names:
        return [f"schema: column {column.name} is missing"]
    found = rows[column.name]
    if _plain(found.type) != _plain(column.type) and not pa.types.is_null(found.type):
        return [f"schema: column {column.name} is {found.type}, not {column.type}"]
    if found.null_count and not column.nullable:
        return [f"nullability: required column {column.name} has {found.null_count} nulls"]
    return []


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type as Iceberg knows it: it has one string type and one binary type."""
    if pa.types.is_large_string(kind):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(kind) else kind


def _key(table: TableDefinition, rows: pa.Table) -> list[str]:
    if not table.key or rows.num_rows < 2:
        return []
    if _plainly_unique(rows.select(list(table.key))):
        return []
    counts = rows.group_by(list(table.key)).aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], pa.scalar(1)))
    if not repeated.num_rows:
        return []
    shown = [(row.pop("count_all"), row) for row in repeated.slice(0, SHOWN).to_pylist()]
    return [not_unique(table.key, shown, repeated.num_rows - len(shown))]


def not_unique(key: Sequence[str], shown: Sequence[tuple[int, Mapping[str, object]]], others: int) -> str:
    """Return in words which keys are there more than once, with their number of rows, and that so many others are."""
    lines = [f"{count} rows with {_shown(row)}" for count, row in shown]
    more = f" and {others} more" if others else ""
    return f"key ({', '.join(key)}) is not unique: {'; '.join(lines)}{more}"


def _plainly_unique(keys: pa.Table) -> bool:
    """Say whether one look shows that no key repeats: they ascend, or there are as many values as rows.

    Columns that hold one value throughout, such as the version of a dataset, tell no two rows apart.
    """
    telling = [column for column in keys.columns if not _constant(column)]
    if len(telling) != 1:
        return False
    column = telling[0]
    if (
        column.null_count == 0
        and pc.all(pc.less(column.slice(0, len(column) - 1), column.slice(1))).as_py() is not False
    ):
        return True
    return bool(pc.count_distinct(column, mode="all").as_py() == len(column))


def _constant(column: "pa.ChunkedArray[Any]") -> bool:
    return column.null_count == 0 and bool(pc.all(pc.equal(column, column[0])).as_py())


def _shown(row: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in row.items())
