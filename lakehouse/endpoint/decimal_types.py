"""The type that Dremio gives to arithmetic of DECIMALs, from the types of what is calculated with.

Sources: Apache Arrow, DecimalTypeUtil.java of Gandiva, which dremio-oss 25.2 takes its types from
(RelDataTypeSystemImpl); for ROUND and TRUNCATE, OutputDerivation.java of dremio-oss 25.2.
"""

import re
from typing import NamedTuple

MOST_DIGITS = 38
LEAST_SCALE = 6  # as many decimals stay, where there are as many, when a type is cut to 38 digits
DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# What whole numbers are when they meet a DECIMAL. DuckDB sums whole numbers to a HUGEINT, which is a BIGINT here.
WHOLE = {"TINYINT": 10, "SMALLINT": 10, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 19, "INTEGER_LITERAL": 10}


class Digits(NamedTuple):
    """A DECIMAL's type: all its digits, 1 to 38, and those after the point."""

    precision: int
    scale: int

    @property
    def whole(self) -> int:
        """The digits before the point."""
        return self.precision - self.scale


def digits_of(kind: str) -> Digits | None:
    """Return what a DuckDB type is in exact arithmetic; None for types that are not exact numbers."""
    found = DECIMAL.fullmatch(kind)
    if found is not None:
        return Digits(int(found[1]), int(found[2]))
    return Digits(WHOLE[kind], 0) if kind in WHOLE else None


def result(operation: str, a: Digits, b: Digits) -> Digits:
    """Return the type of `a` + - * / % `b`, at least one of which is a DECIMAL."""
    match operation:
        case "+" | "-":
            scale = max(a.scale, b.scale)
            return _fitted(scale + max(a.whole, b.whole) + 1, scale)
        case "*":
            return _fitted(a.precision + b.precision + 1, a.scale + b.scale)
        case "/":
            scale = max(LEAST_SCALE, a.scale + b.precision + 1)
            return _fitted(a.whole + b.scale + scale, scale)
    scale = max(a.scale, b.scale)
    return _fitted(min(a.whole, b.whole) + scale, scale)


def rounded(number: Digits, places: int) -> Digits:
    """Return the type of ROUND to a literal number of places."""
    scale = max(min(number.scale, places), 0)
    return Digits(number.whole + scale + (scale < number.scale), scale)


def truncated(number: Digits, places: int) -> Digits:
    """Return the type of TRUNCATE to a literal number of places."""
    scale = max(min(number.scale, places), 0)
    return Digits(max(number.whole + scale, 1), scale)


def _fitted(precision: int, scale: int) -> Digits:
    """Cut a type to 38 digits: first from the decimals, of which 6 stay."""
    if precision <= MOST_DIGITS:
        return Digits(max(precision, 1), scale)
    return Digits(MOST_DIGITS, max(scale - (precision - MOST_DIGITS), min(scale, LEAST_SCALE)))
