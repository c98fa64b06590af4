"""Number formats of TO_CHAR (``#,##0.00``): Java's DecimalFormat, as far as digits, a point and groups go.

Java: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/text/DecimalFormat.html
"""

import re
from typing import NamedTuple

from lakehouse.endpoint.faults import RefusedStatementError

PATTERN = re.compile(r"(?P<whole>#[#,]*[0,]*|0[0,]*)?(?:\.(?P<zeros>0*)(?P<hashes>#*))?")
MOST_DECIMALS = 6


class NumberFormat(NamedTuple):
    """How many digits stand before the point at least, after it at least and at most, and in a group (0: no groups)."""

    least_whole: int
    least_decimals: int
    most_decimals: int
    group: int


def is_number_format(text: str) -> bool:
    """Say whether a format is one for numbers: only such have # or 0."""
    return bool(text) and not set(text) - set("#0,.")


def number_format(text: str) -> NumberFormat:
    """Return what a format says; refuse what is not certain."""
    match = PATTERN.fullmatch(text)
    whole = "" if match is None else match["whole"] or ""
    groups = whole.split(",")[1:]
    wrong = any(not part for part in groups) or not whole.strip(",") or text.endswith((".", ","))
    if match is None or wrong or len(match["zeros"] or "") + len(match["hashes"] or "") > MOST_DECIMALS:
        raise RefusedStatementError(
            f"number format {text!r} is not supported; write it like '#,##0.00', "
            f"with at most {MOST_DECIMALS} digits after the point"
        )
    zeros, hashes = len(match["zeros"] or ""), len(match["hashes"] or "")
    least = whole.count("0")
    if not least and not zeros and "." in text:
        least = 1  # Java takes the last # before the point for a 0 when there is no 0 anywhere
    return NumberFormat(least, zeros, zeros + hashes, len(groups[-1]) if groups else 0)
