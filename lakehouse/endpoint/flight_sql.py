"""The messages of Flight SQL, declared from their field numbers, and the rows of its metadata calls.

Specification: apache/arrow, format/FlightSql.proto. protobuf builds the classes at run time, so no generated code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from google.protobuf import (  # type: ignore[import-untyped]  # protobuf ships no types
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # protobuf ships no types

from lakehouse.endpoint.catalogue import Catalogue
from lakehouse.endpoint.commands import schemas_of
from lakehouse.endpoint.information import VERSION
from lakehouse.endpoint.names import folded, like
from lakehouse.endpoint.xdbc import type_info

PACKAGE = "arrow.flight.protocol.sql"
PREFIX = f"type.googleapis.com/{PACKAGE}."
TEXT, BYTES, FLAG, NUMBER, WHOLE = (
    descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
)
KEY_CALLS = ("CommandGetPrimaryKeys", "CommandGetExportedKeys", "CommandGetImportedKeys", "CommandGetCrossReference")
Messages = Mapping[str, tuple[tuple[str, int | str], ...]]
"""Message -> its fields in order of number from 1; a trailing * repeats, a trailing ? may be absent.

A field's kind is a number of protobuf's, or the name of another message.
"""
MESSAGES: Messages = {
    "CommandGetCatalogs": (),
    "CommandGetDbSchemas": (("catalog?", TEXT), ("db_schema_filter_pattern?", TEXT)),
    "CommandGetTables": (
        ("catalog?", TEXT),
        ("db_schema_filter_pattern?", TEXT),
        ("table_name_filter_pattern?", TEXT),
        ("table_types*", TEXT),
        ("include_schema", FLAG),
    ),
    "CommandGetTableTypes": (),
    "CommandGetSqlInfo": (("info*", NUMBER),),
    "CommandGetXdbcTypeInfo": (("data_type?", WHOLE),),
    "CommandStatementQuery": (("query", TEXT), ("transaction_id?", BYTES)),
    "CommandStatementUpdate": (("query", TEXT), ("transaction_id?", BYTES)),
    "CommandPreparedStatementQuery": (("prepared_statement_handle", BYTES),),
    "CommandPreparedStatementUpdate": (("prepared_statement_handle", BYTES),),
    "TicketStatementQuery": (("statement_handle", BYTES),),
    "ActionCreatePreparedStatementRequest": (("query", TEXT), ("transaction_id?", BYTES)),
    "ActionCreatePreparedStatementResult": (
        ("prepared_statement_handle", BYTES),
        ("dataset_schema", BYTES),
        ("parameter_schema", BYTES),
    ),
    "ActionClosePreparedStatementRequest": (("prepared_statement_handle", BYTES),),
    **dict.fromkeys(KEY_CALLS, ()),
}
TABLE_TYPES = ("TABLE", "SYSTEM_TABLE", "VIEW")
SCHEMAS = {
    "CommandGetCatalogs": pa.schema([pa.field("catalog_name", pa.string(), nullable=False)]),
    "CommandGetDbSchemas": pa.schema(
        [pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string(), nullable=False)]
    ),
    "CommandGetTables": pa.schema(
        [
            pa.field("catalog_name", pa.string()),
            pa.field("db_schema_name", pa.string()),
            pa.field("table_name", pa.string(), nullable=False),
            pa.field("table_type", pa.string(), nullable=False),
        ]
    ),
    "CommandGetTableTypes": pa.schema([pa.field("table_type", pa.string(), nullable=False)]),
}
# SqlInfo number -> value; 3 read-only, 8 and 531 say: no transactions, no catalogs. 507: nulls sort high (0).
SQL_INFO: dict[int, str | bool | int] = {
    0: "Education lakehouse endpoint",
    1: VERSION,
    2: pa.__version__,
    3: True,
    4: True,
    5: False,
    8: 0,
    9: False,
    503: 3,
    504: '"',
    505: 3,
    507: 0,
    529: "schema",
    531: "",
}


def declare(package: str, messages: Messages) -> dict[str, type[Message]]:
    """Return a class for each message of a package."""
    file = descriptor_pb2.FileDescriptorProto(name=f"lakehouse/{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            label = 3 if field.endswith("*") else 1
            other = {"type": 11, "type_name": f".{package}.{kind}"} if isinstance(kind, str) else {"type": kind}
            added = message.field.add(name=field.rstrip("*?"), number=number, label=label, **other)
            if field.endswith("?"):
                added.proto3_optional = True
                added.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{added.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


CLASSES = declare(PACKAGE, MESSAGES)


def unpack(body: bytes) -> tuple[str, Any] | None:
    """Return the name and message inside an Any; None for bytes that are not a Flight SQL message, such as SQL."""
    wrapped = any_pb2.Any()
    try:
        wrapped.ParseFromString(body)
        name = wrapped.type_url.removeprefix(PREFIX)
        if not wrapped.type_url.startswith(PREFIX) or name not in CLASSES:
            return None
        message = CLASSES[name]()
        message.ParseFromString(wrapped.value)
    except DecodeError:
        return None
    return name, message


def pack(name: str, **values: Any) -> bytes:  # noqa: ANN401 (the fields of any message)
    """Return a message wrapped in an Any."""
    message = CLASSES[name](**values)
    return bytes(any_pb2.Any(type_url=PREFIX + name, value=message.SerializeToString()).SerializeToString())


def metadata(name: str, message: Any, catalogue: Catalogue) -> pa.Table | None:  # noqa: ANN401 (a protobuf message)
    """Return the rows of a metadata call; None when it is not one."""
    answers: dict[str, Callable[[], pa.Table]] = {
        "CommandGetCatalogs": lambda: _rows("CommandGetCatalogs", []),
        "CommandGetDbSchemas": lambda: _db_schemas(message, catalogue),
        "CommandGetTables": lambda: _tables(message, catalogue),
        "CommandGetTableTypes": lambda: _rows("CommandGetTableTypes", [(kind,) for kind in TABLE_TYPES]),
        "CommandGetSqlInfo": lambda: _sql_info(message.info),
        "CommandGetXdbcTypeInfo": lambda: type_info(message.data_type if message.HasField("data_type") else None),
    }
    return answers[name]() if name in answers else None


def _rows(name: str, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    schema = SCHEMAS[name]
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _db_schemas(message: Any, catalogue: Catalogue) -> pa.Table:  # noqa: ANN401 (a protobuf message)
    fits = _pattern(message, "db_schema_filter_pattern")
    names = [] if message.catalog else [name for name in schemas_of(catalogue) if fits(name)]
    return _rows("CommandGetDbSchemas", [(None, name) for name in names])


def _tables(message: Any, catalogue: Catalogue) -> pa.Table:  # noqa: ANN401 (a protobuf message)
    in_schema, in_name = _pattern(message, "db_schema_filter_pattern"), _pattern(message, "table_name_filter_pattern")
    kinds = set(message.table_types) or set(TABLE_TYPES)
    entries = [
        entry
        for _, entry in sorted(catalogue.entries.items())
        if entry.relation
        and entry.kind in kinds
        and in_schema(entry.schema)
        and in_name(entry.name)
        and not message.catalog
    ]
    if message.catalog:  # there are no catalogs, so nothing is in a named one
        entries = []
    table = _rows("CommandGetTables", [(None, entry.schema, entry.name, entry.kind) for entry in entries])
    if message.include_schema:
        schemas = [entry.relation.schema.serialize() for entry in entries if entry.relation]
        field = pa.field("table_schema", pa.binary(), nullable=False)
        table = table.append_column(field, pa.array([schema.to_pybytes() for schema in schemas], pa.binary()))
    return table


def _pattern(message: Any, name: str) -> Callable[[str], bool]:  # noqa: ANN401 (a protobuf message)
    if not message.HasField(name):
        return lambda _name: True
    pattern = getattr(message, name)
    return lambda text: like(text, pattern) or folded((text,)) == folded((pattern,))


def _sql_info(wanted: Sequence[int]) -> pa.Table:
    chosen = {number: value for number, value in SQL_INFO.items() if not wanted or number in wanted}
    kinds = [pa.string(), pa.bool_(), pa.int64(), pa.int32(), pa.list_(pa.field("string_data", pa.string()))]
    kinds.append(pa.map_(pa.int32(), pa.list_(pa.field("$data$", pa.int32()))))
    names = ["string_value", "bool_value", "bigint_value", "int32_bitmask", "string_list", "int32_to_int32_list_map"]
    values: list[list[object]] = [[] for _ in kinds]
    codes, offsets = [], []
    for value in chosen.values():
        code = 1 if isinstance(value, bool) else 3 if isinstance(value, int) else 0
        codes.append(code)
        offsets.append(len(values[code]))
        values[code].append(value)
    children = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
    union = pa.UnionArray.from_dense(pa.array(codes, pa.int8()), pa.array(offsets, pa.int32()), children, names)
    schema = pa.schema(
        [pa.field("info_name", pa.uint32(), nullable=False), pa.field("value", union.type, nullable=False)]
    )
    return pa.Table.from_arrays([pa.array(list(chosen), pa.uint32()), union], schema=schema)
