"""Personal identifiers in values: where they are, how many, and how to speak of a value without showing it."""

from lakehouse.archive.privacy.kinds import has_context
from lakehouse.archive.privacy.scan import ColumnScan, Suspicion, TextScan, TextSuspicion
from lakehouse.archive.privacy.showing import shape, shown, shown_name

__all__ = [
    "ColumnScan",
    "Suspicion",
    "TextScan",
    "TextSuspicion",
    "has_context",
    "shape",
    "shown",
    "shown_name",
]
