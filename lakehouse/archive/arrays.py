"""Arrow arrays under typed names, and the few operations on them that the stubs do not describe."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    Cells = pa.Array[Any]
    Chunks = pa.ChunkedArray[Any]
else:
    # Arrow's classes take no type arguments at run time.
    Cells, Chunks = pa.Array, pa.ChunkedArray


# A column whose first cells hold so few values is judged value by value.
SAMPLE, LESS = 1_024, 8
# Of an array of `string`; one of `large_string` has twice as many.
OFFSET_BYTES = 4


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


def shortest_of(cells: Cells) -> int | None:
    """Return how many bytes the shortest text has; None without any. Nulls are no texts."""
    if not cells.null_count and cells.type == pa.string() and len(cells):
        return int(np.diff(bounds_of(cells)).min())
    lengths: Cells = pc.binary_length(cells)  # type: ignore[call-overload]  # the stubs know no array of either kind
    shortest: int | None = pc.min(lengths).as_py()
    return shortest


def bounds_of(cells: Cells) -> npt.NDArray[np.int32]:
    """Return where each text of an array of `string` starts in its bytes, and where the last one ends."""
    offsets = cells.buffers()[1]
    assert offsets is not None
    return np.frombuffer(memoryview(offsets), np.int32)[cells.offset : cells.offset + len(cells) + 1]


def nowhere(cells: Cells) -> Cells:
    """Return a mask that is false for every cell."""
    return pa.Array.from_buffers(pa.bool_(), len(cells), [None, pa.py_buffer(bytes(len(cells) // 8 + 1))])


def blanked(cells: Cells, mask: Cells) -> Cells:
    """Return the texts with null where the mask, which knows every cell, is true; the bytes are shared."""
    _, offsets, letters = cells.buffers()
    if cells.type != pa.string() or offsets is None:
        nulled: Cells = pc.if_else(mask, pa.scalar(None, cells.type), cells)
        return nulled
    there = pc.and_(pc.is_valid(cells), pc.invert(mask))
    assert not there.offset + there.null_count, "just made of masks that know every cell"
    bounds = offsets.slice(cells.offset * OFFSET_BYTES, (len(cells) + 1) * OFFSET_BYTES)
    return pa.Array.from_buffers(pa.string(), len(cells), [there.buffers()[1], bounds, letters])


def bytes_of(cells: Cells) -> npt.NDArray[np.uint8]:
    """Return the bytes of all texts of an array of `string`, one after another, also of those that were made null."""
    if not len(cells):
        return np.empty(0, np.uint8)
    bounds = bounds_of(cells)
    return np.frombuffer(memoryview(cells.buffers()[2] or b""), np.uint8)[bounds[0] : bounds[-1]]


def where(mask: Cells) -> npt.NDArray[np.int64]:
    """Return the positions where the mask is true, in order."""
    found: npt.NDArray[np.int64] = pc.indices_nonzero(mask).to_numpy().astype(np.int64)
    return found


def count_true(mask: Cells) -> int:
    """Return how many values are true."""
    return mask.true_count if isinstance(mask, pa.BooleanArray) else 0


def by_distinct(cells: Cells, judge: Callable[[Cells], Cells]) -> Cells:
    """Return what is judged of each cell on its own; each value is judged once where few come again and again."""
    if len(cells) < SAMPLE * LESS or len(cells[:SAMPLE].unique()) > SAMPLE // LESS:
        return judge(cells)
    coded = cells.dictionary_encode()
    assert isinstance(coded, pa.DictionaryArray), "as asked for"
    return judge(coded.dictionary).take(coded.indices)


def outside(values: Cells, low: float | None, high: float | None) -> Cells:
    """Return a mask, true where a number lies below `low` or above `high`; None is no limit.

    Whole numbers are compared with whole ones: as floats those of more than 53 bits are others, and Arrow refuses.
    """
    mask: Cells = pa.nulls(len(values), pa.bool_())
    whole = pa.types.is_integer(values.type)
    if low is not None:
        mask = pc.or_kleene(mask, _below(values, math.ceil(low)) if whole else pc.less(values, pa.scalar(float(low))))
    if high is not None:
        above = _above(values, math.floor(high)) if whole else pc.greater(values, pa.scalar(float(high)))
        mask = pc.or_kleene(mask, above)
    return sure(mask)


def _below(values: Cells, low: int) -> Cells:
    least, most = _range(values)
    if low > most:
        return pc.is_valid(values)
    compared: Cells = pc.less(values, pa.scalar(max(low, least), values.type))
    return compared


def _above(values: Cells, high: int) -> Cells:
    least, most = _range(values)
    if high < least:
        return pc.is_valid(values)
    compared: Cells = pc.greater(values, pa.scalar(min(high, most), values.type))
    return compared


def _range(values: Cells) -> tuple[int, int]:
    """Return the least and the greatest number that integers of this type can be."""
    kind = np.iinfo(values.type.to_pandas_dtype())
    return int(kind.min), int(kind.max)


def extremes(values: Cells) -> tuple[float | None, float | None]:
    """Return the least and the greatest of numbers; None without any. Nulls are no numbers."""
    if len(values) and not values.null_count:
        # NumPy takes a twentieth of Arrow's time, but does not know of nulls.
        numbers = values.to_numpy()
        return numbers.min().item(), numbers.max().item()
    low, high = (bound.as_py() for bound in pc.min_max(values).values())
    return low, high


def distinct(cells: Cells) -> tuple[Cells, Cells]:
    """Return the distinct values and how often each occurs."""
    counted = pc.value_counts(cells)
    return counted.field(0), counted.field(1)
