"""Arrow arrays under typed names, and the few operations on them that the stubs do not describe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    Cells = pa.Array[Any]
    Chunks = pa.ChunkedArray[Any]
else:
    # Arrow's classes take no type arguments at run time.
    Cells, Chunks = pa.Array, pa.ChunkedArray


def flat(cells: Cells | Chunks) -> Cells:
    """Return the values as one array."""
    if isinstance(cells, pa.ChunkedArray):
        if cells.num_chunks == 1:
            return cells.chunks[0]
        return pa.concat_arrays([pa.array([], cells.type), *cells.chunks])
    return cells


def joined(pieces: Sequence[Cells], type_: pa.DataType) -> Cells:
    """Return the pieces one after another; an empty array when there are none."""
    return pa.concat_arrays([pa.array([], type_), *pieces])


def constant(value: str | None, type_: pa.DataType, count: int) -> Cells:
    """Return `count` times the same value."""
    return pa.array([value], type_).take(pa.array([0] * count, pa.int64()))


def sure(mask: Cells | Chunks) -> Cells:
    """Return the mask with false where it was null."""
    whole = flat(mask)
    filled: Cells = pc.if_else(pc.is_valid(whole), whole, pa.scalar(value=False))
    return filled


def byte_lengths(cells: Cells) -> Cells:
    """Return how many bytes each text has; null stays null."""
    lengths: Cells = pc.binary_length(cells)  # type: ignore[call-overload]  # the stubs know no array of either kind
    return lengths


def nowhere(cells: Cells) -> Cells:
    """Return a mask that is false for every cell."""
    return pa.array(np.zeros(len(cells), np.bool_))


def has_letter(cells: Cells, letters: bytes) -> bool:
    """Say whether one of the ASCII letters stands in any cell."""
    if not len(cells):
        return False
    _, offsets, letters_of_all = cells.buffers()
    assert offsets is not None
    if letters_of_all is None:
        return False
    bounds = np.frombuffer(memoryview(offsets), np.int32)[cells.offset :]
    text = np.frombuffer(memoryview(letters_of_all), np.uint8)[bounds[0] : bounds[len(cells)]]
    return any(bool((text == letter).any()) for letter in letters)


def positions(mask: Cells) -> list[int]:
    """Return the positions where the mask is true."""
    found: list[int] = pc.indices_nonzero(mask).to_pylist()  # type: ignore[assignment]  # never null
    return found


def at_positions(found: Sequence[int], count: int) -> Cells:
    """Return a mask of `count` values, true at the given positions."""
    return pc.is_in(pa.array(range(count), pa.int64()), value_set=pa.array(found, pa.int64()))


def count_true(mask: Cells) -> int:
    """Return how many values are true."""
    return mask.true_count if isinstance(mask, pa.BooleanArray) else 0


def outside(values: Cells, low: float | None, high: float | None) -> Cells:
    """Return a mask, true where a number lies below `low` or above `high`; None is no limit."""
    mask: Cells = pa.nulls(len(values), pa.bool_())
    if low is not None:
        mask = pc.or_kleene(mask, pc.less(values, pa.scalar(float(low))))
    if high is not None:
        mask = pc.or_kleene(mask, pc.greater(values, pa.scalar(float(high))))
    return sure(mask)


def distinct(cells: Cells) -> tuple[Cells, Cells]:
    """Return the distinct values and how often each occurs."""
    counted = pc.value_counts(cells)
    return counted.field(0), counted.field(1)
