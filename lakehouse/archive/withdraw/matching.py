"""Says which cells and texts name a person."""

import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat
from lakehouse.archive.eds import ColumnDescription, Description, TableDescription
from lakehouse.masking import Mask

NUMBERS = ("integer", "number")
Change = Callable[[str], str]
# A number as people write it: with a sign, and with gaps between groups of digits.
GROUPED = re.compile(r"\+?[0-9](?:\s?[0-9])*")
WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")


def canonical(value: object, kind: str) -> str:
    """Return a cell as it is compared: numbers by value, everything else by its text without outer white space."""
    text = str(value).strip()
    if kind in NUMBERS:
        try:
            # A float holds no id of more than 15 digits, so whole numbers never become one.
            if (whole := WHOLE.fullmatch(text)) is not None:
                return str(int(whole[1]))
            number = Decimal(text)
        except (ValueError, ArithmeticError):
            return text
        # Floats from 1e16 on are written so; beyond the largest of them digits would be for no cell.
        return str(int(number)) if number.adjusted() <= sys.float_info.max_10_exp and _is_whole(number) else text
    return text


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number == number.to_integral_value()


def folded(value: object, kind: str = "string") -> str:
    """Return a value as it is looked for: numbers by value, text in Unicode's compatible form and without case.

    A text of digits loses its plus sign and gaps, and keeps leading zeros: +49 30 123 is 4930123, and 007 is not 7.
    """
    text = str(value).strip()
    if kind in NUMBERS:
        return canonical(_ungrouped(text), kind)
    if not text.isascii():
        # Folding may leave the compatible form, so it is made twice (Unicode 3.13, D146).
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
        return _ungrouped(text)
    return _ungrouped(text.lower())


def spellings(cells: Cells, kind: str, wanted: Collection[str], skip: Iterable[str] = ()) -> dict[str, str]:
    """Return the distinct cells that are among the `wanted` folded values: folded by their canonical spelling."""
    left_out = {code.strip() for code in skip} | {""}
    found: dict[str, str] = {}
    for cell in cells.unique().to_pylist():
        if cell is not None and str(cell).strip() not in left_out and (form := folded(cell, kind)) in wanted:
            found[canonical(cell, kind)] = form
    return found


def _ungrouped(text: str) -> str:
    return "".join(text.removeprefix("+").split()) if GROUPED.fullmatch(text) else text


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


def mask_of(mask: Mask, about: Description, table: str, column: str) -> Mask:
    """Return the mask for a column of text: a strict one where it holds identifiers of people, or refers to some."""
    declared = any(f"{table}.{column}" in kind.identifiers for kind in about.subjects.values())
    told = about.tables.get(table)
    refers = told is not None and column in told.columns and told.columns[column].references is not None
    return mask.strictly if declared or refers else mask


def masked(column: Cells, mask: Mask, change: Change | None = None) -> tuple[Cells, int]:
    """Return a text column masked, and how many of its cells named the person; `change` masks one text."""
    if not mask.renamed and not any(pc.any(_contains(column, form)).as_py() for form in mask.marks):
        return column, 0
    new = {text: (change or mask.document)(text) for text in column.unique().to_pylist() if text is not None}
    if all(old == text for old, text in new.items()):
        return column, 0
    cells = column.to_pylist()
    changed = sum(1 for text in cells if text is not None and mask.holds(text))
    return pa.array([None if one is None else new[one] for one in cells], column.type), changed


def _contains(column: Cells, value: str) -> Cells:
    return pc.match_substring(column, value, ignore_case=True)
