"""How often one fault was met, and in which rows of which file: exact counts, a bounded list of rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lakehouse.archive.findings import ROWS_NAMED

Rows = npt.NDArray[np.int64]
# Row numbers kept for one submission in all: a table of a thousand broken columns cannot fill the memory with them.
ROWS_KEPT = 2_000_000


@dataclass(slots=True)
class RowBudget:
    """How many more row numbers may be kept."""

    left: int = ROWS_KEPT


@dataclass(slots=True)
class FileTally:
    """One fault in one file: how many rows, which, and the first one's text."""

    place: str
    count: int = 0
    rows: list[int] = field(default_factory=list)
    example: str | None = None
    values: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Tally:
    """One fault of a column or table in all its files."""

    budget: RowBudget
    files: dict[str, FileTally] = field(default_factory=dict)

    def add(self, place: str, rows: Rows, example: str | None = None) -> FileTally:
        """Count rows of a file; `example` is the text of the first one."""
        known = self.files.setdefault(place, FileTally(place))
        if known.count == 0:
            known.example = example
        known.count += len(rows)
        # The first three are always named: the message speaks of them.
        room = max(3 - len(known.rows), min(ROWS_NAMED - len(known.rows), self.budget.left), 0)
        kept = rows[:room].tolist()
        self.budget.left -= len(kept)
        known.rows += kept
        return known

    def __iter__(self) -> Iterator[FileTally]:
        return iter(self.files.values())

    @property
    def count(self) -> int:
        """Rows in all files."""
        return sum(file.count for file in self.files.values())
