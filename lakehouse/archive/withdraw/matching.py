"""Says which cells, statements and texts name a person."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat
from lakehouse.archive.eds import ColumnDescription, TableDescription
from lakehouse.masking import Mask

AGENT_FIELDS = ("mbox", "mbox_sha1sum", "openid", "account")


def canonical(value: object, kind: str) -> str:
    """Return a cell as it is compared: numbers by value, everything else by its text without outer white space."""
    text = str(value).strip()
    if kind in ("integer", "number"):
        try:
            number = float(text)
        except ValueError:
            return text
        # A float holds no id of more than 15 digits; those are compared as they are written.
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else text
    return text


def matches(column: Cells, kind: str, values: Collection[str]) -> Cells:
    """Return for each cell whether it is one of the canonical `values`; null is none of them."""
    wanted = [one for one in column.unique().to_pylist() if one is not None and canonical(one, kind) in values]
    return pc.is_in(column, value_set=pa.array(wanted, column.type))


def rows_to_remove(rows: pa.Table, table: TableDescription, columns: Mapping[str, Collection[str]]) -> Cells:
    """Return for each row whether one of its cells is among its column's values; absent columns match nothing."""
    found = pa.array(np.zeros(rows.num_rows, dtype=bool))
    for name, values in columns.items():
        if name in rows.column_names:
            found = pc.or_(found, matches(flat(rows.column(name)), table.columns[name].type, values))
    return found


def is_free_text(column: ColumnDescription) -> bool:
    """Say whether a column holds running text, in which a person may be mentioned."""
    return column.type == "string" and column.levels is None


def masked(column: Cells, mask: Mask) -> tuple[Cells, int]:
    """Return a text column masked, and how many of its cells named the person."""
    if not mask.renamed and not any(pc.any(_contains(column, form)).as_py() for form in mask.forms):
        return column, 0
    new = {text: mask.document(text) for text in column.unique().to_pylist() if text is not None}
    if all(old == text for old, text in new.items()):
        return column, 0
    cells = column.to_pylist()
    changed = sum(1 for text in cells if text is not None and mask.holds(text))
    return pa.array([None if one is None else new[one] for one in cells], column.type), changed


def _contains(column: Cells, value: str) -> Cells:
    return pc.match_substring(column, value, ignore_case="@" in value)


def actor_values(values: Collection[str]) -> frozenset[str]:
    """Return every form in which an xAPI agent may carry one of the values."""
    forms: set[str] = set()
    for value in values:
        forms |= {value, f"mailto:{value}", hashlib.sha1(f"mailto:{value}".encode(), usedforsecurity=False).hexdigest()}
    return frozenset(forms)


def names_actor(statement: object, actors: Collection[str]) -> bool:
    """Say whether an agent anywhere in an xAPI statement, its groups and sub-statements included, is the person."""
    return any(value in actors for value in _agent_values(statement))


def _agent_values(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        for one in value:
            yield from _agent_values(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "account" and isinstance(one, dict):
                yield str(one.get("name"))
            elif name in AGENT_FIELDS:
                yield str(one)
            else:
                yield from _agent_values(one)


def cell_names_actor(cell: object, actors: Collection[str]) -> bool:
    """Say whether a cell of an event table is the person, or JSON that has the person as an agent."""
    if not isinstance(cell, str):
        return False
    if cell in actors:
        return True
    if cell[:1] in ("{", "["):
        try:
            return names_actor(json.loads(cell), actors)
        except ValueError:
            return False
    return False
