"""The rows of GetXdbcTypeInfo: the SQL types there are, in the numbers of ODBC and JDBC.

Specification: apache/arrow, format/FlightSql.proto, CommandGetXdbcTypeInfo and XdbcDataType.
"""

from typing import Any, NamedTuple

import pyarrow as pa

NULLABLE, SEARCHABLE, NOT_BY_LIKE = 1, 3, 2
FIELDS: list[Any] = [
    pa.field("type_name", pa.string(), nullable=False),
    pa.field("data_type", pa.int32(), nullable=False),
    pa.field("column_size", pa.int32()),
    pa.field("literal_prefix", pa.string()),
    pa.field("literal_suffix", pa.string()),
    pa.field("create_params", pa.list_(pa.field("item", pa.string(), nullable=False))),
    pa.field("nullable", pa.int32(), nullable=False),
    pa.field("case_sensitive", pa.bool_(), nullable=False),
    pa.field("searchable", pa.int32(), nullable=False),
    pa.field("unsigned_attribute", pa.bool_()),
    pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
    pa.field("auto_increment", pa.bool_()),
    pa.field("local_type_name", pa.string()),
    pa.field("minimum_scale", pa.int32()),
    pa.field("maximum_scale", pa.int32()),
    pa.field("sql_data_type", pa.int32(), nullable=False),
    pa.field("datetime_subcode", pa.int32()),
    pa.field("num_prec_radix", pa.int32()),
    pa.field("interval_precision", pa.int32()),
]
SCHEMA = pa.schema(FIELDS)


class Kind(NamedTuple):
    """One SQL type. `size` is in digits, characters or bytes; `radix` is for numbers; `subcode` for moments."""

    name: str
    code: int
    size: int | None
    quote: tuple[str, str] | None = None
    radix: int | None = None
    subcode: int | None = None
    scale: int | None = None


TEXT = ("'", "'")
KINDS = (
    Kind("BOOLEAN", -7, 1),
    Kind("BIGINT", -5, 19, radix=10, scale=0),
    Kind("BINARY VARYING", -3, 65536, quote=("X'", "'")),
    Kind("DECIMAL", 3, 38, radix=10, scale=38),
    Kind("INTEGER", 4, 10, radix=10, scale=0),
    Kind("FLOAT", 7, 24, radix=2),
    Kind("DOUBLE", 8, 53, radix=2),
    Kind("CHARACTER VARYING", 12, 65536, quote=TEXT),
    Kind("DATE", 91, 10, quote=("DATE '", "'"), subcode=1),
    Kind("TIME", 92, 12, quote=("TIME '", "'"), subcode=2, scale=3),
    Kind("TIMESTAMP", 93, 23, quote=("TIMESTAMP '", "'"), subcode=3, scale=3),
)
DATETIME = 9


def type_info(code: int | None) -> pa.Table:
    """Return the types, in the order of their numbers; only those of one number when it is given."""
    rows = [_row(kind) for kind in KINDS if code in (None, kind.code)]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def _row(kind: Kind) -> tuple[object, ...]:
    prefix, suffix = kind.quote or (None, None)
    words = ["precision", "scale"] if kind.name == "DECIMAL" else ["length"] if kind.quote == TEXT else []
    signed = False if kind.radix else None
    textual = kind.quote == TEXT
    low = 0 if kind.scale is not None else None
    return (
        kind.name, kind.code, kind.size, prefix, suffix, words, NULLABLE, textual,
        SEARCHABLE if textual else NOT_BY_LIKE, signed, False, False if kind.radix else None, kind.name, low,
        kind.scale, DATETIME if kind.subcode else kind.code, kind.subcode, kind.radix, None,
    )  # fmt: skip
