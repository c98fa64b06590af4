"""Personal identifiers in values: where they are, how many, and how to speak of a value without showing it."""

from lakehouse.archive.privacy.groups import NAMES_A_ROW, GroupScan, quasi_columns
from lakehouse.archive.privacy.kinds import has_context
from lakehouse.archive.privacy.scan import ColumnScan, Suspicion, TextScan, TextSuspicion
from lakehouse.archive.privacy.showing import looks, shape, shown, shown_name

__all__ = [
    "NAMES_A_ROW",
    "ColumnScan",
    "GroupScan",
    "Suspicion",
    "TextScan",
    "TextSuspicion",
    "has_context",
    "looks",
    "quasi_columns",
    "shape",
    "shown",
    "shown_name",
]
