"""What stands at the ends of nested values: texts by their path, from JSON, YAML and columns of Parquet."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat
from lakehouse.archive.batches import Rows
from lakehouse.archive.privacy.showing import shown_name
from lakehouse.errors import SchemaError

# A document is read as one; a larger one is looked through as the text that it is.
LARGEST_JSON_BYTES = 32 << 20
LONGEST_PATH = 200
NOBODY: frozenset[str] = frozenset()


def leaves(value: object, without: Collection[str] = NOBODY) -> Iterator[tuple[str, str]]:
    """Yield the path and text of every single value in order, and every name of a field with an empty path.

    Fields named in `without` are left out with all that is in them.
    """
    pending: list[tuple[str, object]] = [("", value)]
    while pending:
        path, one = pending.pop()
        if isinstance(one, dict):
            inner = [(str(name), part) for name, part in one.items() if str(name) not in without]
            yield from (("", name) for name, _ in inner)
            pending.extend((_joined(path, name), part) for name, part in reversed(inner))
        elif isinstance(one, list | tuple):
            pending.extend((path, part) for part in reversed(one))
        elif one is not None and not isinstance(one, bool):
            yield path, str(one).encode("utf-8", "replace").decode()


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}"[-LONGEST_PATH:] if path else name[-LONGEST_PATH:]


def json_document(path: Path) -> object | None:
    """Return what a file of JSON holds; None where it is none, or too large or too deep to be read at once."""
    if path.stat().st_size > LARGEST_JSON_BYTES:
        return None
    return json_value(path.read_bytes())


def json_value(body: bytes | str) -> object | None:
    """Return what JSON says; None where it is none or too deep. A field that comes twice has a list of its values."""
    try:
        return json.loads(body, parse_int=str, parse_float=str, object_pairs_hook=_fields)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return None


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    every: dict[str, list[object]] = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value)
    return dict(every)


def fields_of(schema: pa.Schema) -> "Iterator[pa.Field[Any]]":
    """Yield every field of a table, and the fields within it."""
    pending = list(schema)
    while pending:
        field = pending.pop()
        yield field
        pending += [field.type.field(at) for at in range(field.type.num_fields)]


def told_beside_rows(schema: pa.Schema) -> Iterator[str]:
    """Yield names and values of the metadata of a table and of all its fields, however nested."""
    for facts in (schema.metadata, *(field.metadata for field in fields_of(schema))):
        yield from (text.decode(errors="replace") for pair in (facts or {}).items() for text in pair)


def column_leaves(name: str, cells: Cells, rows: Rows) -> Iterator[tuple[str, Cells, Rows]]:
    """Yield path, texts and their rows of everything in a column, however nested.

    Raises:
        SchemaError: it holds bytes that are no text.
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        yield from column_leaves(name, cells.cast(kind.value_type), rows)
    elif isinstance(cells, pa.StructArray):
        for at, part in enumerate(cells.flatten()):
            yield from column_leaves(_joined(name, kind.field(at).name), part, rows)
    elif pa.types.is_map(kind):
        entries = cells.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        yield from column_leaves(name, entries, rows)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        parents = pc.list_parent_indices(cells).to_numpy(zero_copy_only=False).astype(np.int64)
        yield from column_leaves(name, pc.list_flatten(cells), rows[parents])
    else:
        yield name, _text(name, cells), rows


def _text(name: str, cells: Cells) -> Cells:
    try:
        text = flat(cells).cast(pa.string())
        text.validate(full=True)
    except pa.ArrowException as error:
        raise SchemaError(f"the column '{shown_name(name)}' holds bytes that are no text") from error
    return text.fill_null("")
