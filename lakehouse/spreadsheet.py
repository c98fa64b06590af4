"""Rows as CSV that a spreadsheet may open: text that it would run as a formula is written so that it stays text."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What spreadsheets take for the start of a formula, also in full width, and what they skip before one.
STARTS_A_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# Where the language of a spreadsheet separates cells by something else than a comma, or takes quotes for letters.
ENDS_A_CELL = re.compile(r"([;|\t\r\n])")
PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def as_csv(names: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a header and rows as CSV; the rows themselves are left as they are."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([neutral(name) for name in names])
    writer.writerows([neutral(value) for value in row] for row in rows)
    return file.getvalue()


def neutral(value: object) -> object:
    """Return text with an apostrophe before what starts like a formula, which spreadsheets show as plain text.

    So does what follows a semicolon, a bar, a tab or a line end, at which some spreadsheets begin a new cell.
    """
    if not isinstance(value, str):
        return value
    first, *more = ENDS_A_CELL.split(value)
    others = zip(more[::2], more[1::2], strict=True)
    return _guard(value) + first + "".join(f"{end}{_guard(cell)}{cell}" for end, cell in others)


def _guard(text: str) -> str:
    return "'" if STARTS_A_FORMULA.match(text) and not PLAIN_NUMBER.fullmatch(text) else ""
