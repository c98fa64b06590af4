"""Rows of a table's file on their way through the checks: batches of text cells, whatever the file's format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.archive.arrays import Cells

Rows = npt.NDArray[np.int64]
MOST_COLUMNS = 20_000


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read as one, and why; `row` counts from 1 at the batch's first row."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A row with another number of cells than the header; `row` counts from 1 at the batch's first row."""

    row: int
    cells: int
    expected: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of one file, every cell as text.

    `header` names the columns as the file does, repeated ones repeatedly; `columns` has each name once. `numbers` are
    the rows' numbers, counted from 1 at the batch's first row; `span` counts the rows that could not be read as well.
    """

    header: tuple[str, ...]
    columns: Mapping[str, Cells]
    numbers: Rows
    span: int
    ragged: tuple[RaggedRow, ...] = ()
    bad: tuple[BadRow, ...] = ()
    quotes: int = 0


Piece = Callable[[], Batch]
"""Bytes of a file that become a batch when asked; each piece may be asked in another thread."""


# The numbers that most batches have, made once.
COUNTED = np.arange(1, (1 << 17) + 1)
COUNTED.setflags(write=False)


def numbered(span: int, skipped: set[int]) -> Rows:
    """Return the numbers 1 to `span` without the skipped ones; they may be shared and are not to be written to."""
    numbers = COUNTED[:span] if span <= len(COUNTED) else np.arange(1, span + 1, dtype=np.int64)
    return np.delete(numbers, np.fromiter(skipped, np.int64) - 1) if skipped else numbers
