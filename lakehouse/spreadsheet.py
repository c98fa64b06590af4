"""Rows as CSV that a spreadsheet may open: text that it would run as a formula is written so that it stays text."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What spreadsheets take for the start of a formula, also in full width, and what they skip before one.
STARTS_A_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def as_csv(names: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a header and rows as CSV; the rows themselves are left as they are."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([neutral(name) for name in names])
    writer.writerows([neutral(value) for value in row] for row in rows)
    return file.getvalue()


def neutral(value: object) -> object:
    """Return text that starts like a formula with an apostrophe before it, which spreadsheets show as plain text."""
    if not isinstance(value, str) or not STARTS_A_FORMULA.match(value) or PLAIN_NUMBER.fullmatch(value):
        return value
    return f"'{value}"
