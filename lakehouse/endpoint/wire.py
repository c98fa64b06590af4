"""The types and names that go over the wire: what Dremio's clients can read, and nothing else."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from lakehouse.endpoint.faults import RefusedStatementError

PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int32(),
    "smallint": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "utinyint": pa.int32(),
    "usmallint": pa.int32(),
    "uinteger": pa.int64(),
    "ubigint": pa.int64(),
    "hugeint": pa.int64(),
    "uhugeint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "enum": pa.string(),
    "uuid": pa.string(),
    "blob": pa.binary(),
    "date": pa.date64(),
    "time": pa.time32("ms"),
    "timestamp": pa.timestamp("ms"),
    "timestamp_s": pa.timestamp("ms"),
    "timestamp_ms": pa.timestamp("ms"),
    "timestamp_ns": pa.timestamp("ms"),
    "timestamp with time zone": pa.timestamp("ms"),
    '"null"': pa.int32(),
    "null": pa.int32(),
}
WORDS: tuple[tuple[pa.DataType, str], ...] = (
    (pa.bool_(), "BOOLEAN"),
    (pa.int32(), "INTEGER"),
    (pa.int64(), "BIGINT"),
    (pa.float32(), "FLOAT"),
    (pa.float64(), "DOUBLE"),
    (pa.string(), "CHARACTER VARYING"),
    (pa.binary(), "BINARY VARYING"),
    (pa.date64(), "DATE"),
    (pa.time32("ms"), "TIME"),
    (pa.timestamp("ms"), "TIMESTAMP"),
)


def wire_type(duck: Any) -> pa.DataType:  # noqa: ANN401 (DuckDBPyType has no stable public type)
    """Return the Arrow type that a DuckDB type travels as."""
    name = str(duck.id).lower()
    if name in PLAIN:
        return PLAIN[name]
    if name == "decimal":
        precision, scale = (int(value) for _, value in duck.children)
        return pa.decimal128(precision, scale)
    if name in {"list", "array"}:
        return pa.list_(pa.field("$data$", wire_type(duck.children[0][1])))
    if name == "struct":
        return pa.struct([pa.field(field, wire_type(child)) for field, child in duck.children])
    if name == "map":
        (_, key), (_, value) = duck.children
        return pa.map_(wire_type(key), wire_type(value))
    raise RefusedStatementError(f"a column of type {duck} cannot be sent to the client; cast it to VARCHAR")


def type_word(kind: pa.DataType) -> str:
    """Return Dremio's word for a wire type, as DESCRIBE and INFORMATION_SCHEMA print it."""
    for plain, word in WORDS:
        if kind == plain:
            return word
    if pa.types.is_decimal(kind):
        return "DECIMAL"
    if pa.types.is_map(kind):
        return "MAP"
    return "ROW" if pa.types.is_struct(kind) else "ARRAY"


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names with repetitions numbered ``a``, ``a0``, ``a1``, as Calcite does; case does not count."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate.lower() in taken:
            candidate, number = f"{name}{number}", number + 1
        taken.add(candidate.lower())
        result.append(candidate)
    return result


def wire_schema(names: Sequence[str], types: Sequence[Any]) -> pa.Schema:
    """Return the schema of a result: unique names, wire types, everything nullable."""
    pairs = zip(unique_names(names), types, strict=True)
    return pa.schema([pa.field(name, wire_type(kind)) for name, kind in pairs])


def to_wire(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch in the wire schema. Instants between milliseconds are cut to the earlier one."""
    columns = [_cast(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 (any array)
    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_nested(kind):
        return column.cast(kind, safe=False)
    return column.cast(kind)
