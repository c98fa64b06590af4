"""INFORMATION_SCHEMA and sys: the rows that describe what is published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.endpoint.wire import type_word

VERSION = "25.2.0"  # the Dremio release whose protocol and metadata tables are spoken here
CATALOG = "DREMIO"
TEXT, WHOLE = pa.string(), pa.int32()

COLUMNS: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    "CATALOGS": (("CATALOG_NAME", TEXT), ("CATALOG_DESCRIPTION", TEXT), ("CATALOG_CONNECT", TEXT)),
    "SCHEMATA": (
        ("CATALOG_NAME", TEXT),
        ("SCHEMA_NAME", TEXT),
        ("SCHEMA_OWNER", TEXT),
        ("TYPE", TEXT),
        ("IS_MUTABLE", TEXT),
    ),
    "TABLES": (("TABLE_CATALOG", TEXT), ("TABLE_SCHEMA", TEXT), ("TABLE_NAME", TEXT), ("TABLE_TYPE", TEXT)),
    "VIEWS": (("TABLE_CATALOG", TEXT), ("TABLE_SCHEMA", TEXT), ("TABLE_NAME", TEXT), ("VIEW_DEFINITION", TEXT)),
    "COLUMNS": (
        ("TABLE_CATALOG", TEXT),
        ("TABLE_SCHEMA", TEXT),
        ("TABLE_NAME", TEXT),
        ("COLUMN_NAME", TEXT),
        ("ORDINAL_POSITION", WHOLE),
        ("COLUMN_DEFAULT", TEXT),
        ("IS_NULLABLE", TEXT),
        ("DATA_TYPE", TEXT),
        ("COLUMN_SIZE", WHOLE),
        ("CHARACTER_MAXIMUM_LENGTH", WHOLE),
        ("CHARACTER_OCTET_LENGTH", WHOLE),
        ("NUMERIC_PRECISION", WHOLE),
        ("NUMERIC_PRECISION_RADIX", WHOLE),
        ("NUMERIC_SCALE", WHOLE),
        ("DATETIME_PRECISION", WHOLE),
        ("INTERVAL_TYPE", TEXT),
        ("INTERVAL_PRECISION", WHOLE),
    ),
}
SYSTEM_SCHEMAS = ("INFORMATION_SCHEMA", "sys")
DIGITS = {"INTEGER": 32, "BIGINT": 64, "FLOAT": 24, "DOUBLE": 53}
MAX_CHARACTERS = 65536


@dataclass(frozen=True, slots=True)
class Published:
    """A table or view as metadata sees it."""

    schema: str
    name: str
    kind: str
    definition: str
    columns: pa.Schema


def tables(published: Sequence[Published], source: str) -> dict[tuple[str, str], pa.Table]:
    """Return every metadata table by schema and name; they describe themselves too."""
    rows: dict[str, list[tuple[object, ...]]] = {
        "CATALOGS": [(CATALOG, "The internal metadata used by Dremio", "")],
        "SCHEMATA": [
            (CATALOG, name, "<owner>", "SIMPLE", "NO")
            for name in schema_names((item.schema for item in published), source)
        ],
        "TABLES": [(CATALOG, item.schema, item.name, item.kind) for item in published],
        "VIEWS": [(CATALOG, item.schema, item.name, item.definition) for item in published if item.kind == "VIEW"],
        "COLUMNS": [row for item in published for row in _column_rows(item)],
    }
    rows["TABLES"] += [(CATALOG, "INFORMATION_SCHEMA", name, "SYSTEM_TABLE") for name in COLUMNS]
    rows["TABLES"].append((CATALOG, "sys", "version", "SYSTEM_TABLE"))
    version = pa.table({"version": [VERSION]})
    system = [Published("sys", "version", "SYSTEM_TABLE", "", version.schema)]
    for name, columns in COLUMNS.items():
        system.append(Published("INFORMATION_SCHEMA", name, "SYSTEM_TABLE", "", pa.schema(list(columns))))
    rows["COLUMNS"] += [row for item in system for row in _column_rows(item)]
    made = {("INFORMATION_SCHEMA", name): _table(COLUMNS[name], rows[name]) for name in COLUMNS}
    return made | {("sys", "version"): version}


def schema_names(used: Iterable[str], source: str) -> list[str]:
    """Return every schema path: the source, its namespaces, the spaces, and the system schemas."""
    found = {*used} | {source, *SYSTEM_SCHEMAS}
    return sorted(found, key=str.lower)


def precision(kind: pa.DataType) -> tuple[int | None, int | None]:
    """Return NUMERIC_PRECISION and NUMERIC_SCALE of a wire type."""
    if pa.types.is_decimal(kind):
        return kind.precision, kind.scale
    word = type_word(kind)
    return DIGITS.get(word), 0 if word in {"INTEGER", "BIGINT"} else None


def _column_rows(item: Published) -> Iterable[tuple[object, ...]]:
    for position, column in enumerate(item.columns, start=1):
        word = type_word(column.type)
        size = MAX_CHARACTERS if word in {"CHARACTER VARYING", "BINARY VARYING"} else None
        digits, scale = precision(column.type)
        radix = None if digits is None else 10 if word == "DECIMAL" else 2
        instant = 3 if word in {"TIME", "TIMESTAMP"} else 0 if word == "DATE" else None
        yield (
            CATALOG, item.schema, item.name, column.name, position, None, "YES", word, size, size, size,
            digits, radix, scale, instant, None, None,
        )  # fmt: skip


def _table(columns: Sequence[tuple[str, pa.DataType]], rows: Sequence[tuple[object, ...]]) -> pa.Table:
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(list(value), kind) for value, (_, kind) in zip(values, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(columns)))
