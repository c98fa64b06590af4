"""The actions by which a client reads and changes its session: SetSessionOptions, GetSessionOptions, CloseSession.

Specification: apache/arrow, format/Flight.proto. A protobuf map travels as repeated pairs, and is declared so here.
"""

from google.protobuf import descriptor_pb2  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.flight_sql import FLAG, NUMBER, TEXT, Messages, declare
from lakehouse.endpoint.names import split_path

SET, GET, CLOSE = "SetSessionOptions", "GetSessionOptions", "CloseSession"
INT64, DOUBLE = descriptor_pb2.FieldDescriptorProto.TYPE_SFIXED64, descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE
MESSAGES: Messages = {
    "StringListValue": (("values*", TEXT),),
    "SessionOptionValue": (
        ("string_value?", TEXT),
        ("bool_value?", FLAG),
        ("int64_value?", INT64),
        ("double_value?", DOUBLE),
        ("string_list_value?", "StringListValue"),
    ),
    "SessionOption": (("key", TEXT), ("value", "SessionOptionValue")),
    "SetSessionOptionsRequest": (("session_options*", "SessionOption"),),
    "Error": (("value", NUMBER),),
    "FailedOption": (("key", TEXT), ("value", "Error")),
    "SetSessionOptionsResult": (("errors*", "FailedOption"),),
    "GetSessionOptionsResult": (("session_options*", "SessionOption"),),
    "CloseSessionResult": (("status", NUMBER),),
}
CLASSES = declare("lakehouse.session", MESSAGES)
INVALID_NAME, INVALID_VALUE = 1, 2
CLOSED = 1
SCHEMA, CATALOG = "schema", "catalog"


def set_options(session: Session, body: bytes) -> bytes:
    """Set the default schema; `catalog` may be set to nothing only, other names are answered as unknown.

    Raises RefusedStatementError for bytes that are not such a request.
    """
    request = CLASSES["SetSessionOptionsRequest"]()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise RefusedStatementError("the session options cannot be read; send a SetSessionOptionsRequest") from error
    errors = []
    for option in request.session_options:
        kind = option.value.WhichOneof("_string_value")
        fault = _set(session, option.key, option.value.string_value if kind else None)
        if fault:
            errors.append({"key": option.key[:64], "value": {"value": fault}})
    return bytes(CLASSES["SetSessionOptionsResult"](errors=errors).SerializeToString())


def _set(session: Session, name: str, value: str | None) -> int:
    """Set one option; return why not, or 0."""
    if name not in (SCHEMA, CATALOG):
        return INVALID_NAME
    if value is None or (name == CATALOG and value):
        return INVALID_VALUE
    if name == SCHEMA:
        session.schema = split_path(value)
    return 0


def get_options(session: Session) -> bytes:
    """Return what is set."""
    values = {CATALOG: "", SCHEMA: ".".join(session.schema)}
    options = [{"key": name, "value": {"string_value": value}} for name, value in values.items()]
    return bytes(CLASSES["GetSessionOptionsResult"](session_options=options).SerializeToString())


def closed() -> bytes:
    """Return the answer to CloseSession."""
    return bytes(CLASSES["CloseSessionResult"](status=CLOSED).SerializeToString())
