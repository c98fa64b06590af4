"""Which cells are plain numbers, days or moments, told by their bytes: no identifier looks like one by itself."""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, bounds_of, bytes_of

Mask = npt.NDArray[np.bool_]
Bounds = npt.NDArray[np.int32]

# Longer numbers may be those of cards.
LONGEST_NUMBER = 12
MINUS, POINT, SLASH, ZERO, NINE = b"-./09"
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[T ])")
DAY = "dddd-dd-dd"
# Cells looked at first; where fewer than seven in eight of them are plain, the others are not asked.
SAMPLE, MOST = 512, 7 / 8


def plain(cells: Cells) -> Mask:
    """Return which cells of type `string` without nulls are empty, a number, or a day or moment as ISO 8601 writes it.

    A number has at most a sign before it, one point, and twelve letters. May leave out plain cells where most of the
    first ones are not.
    """
    if not len(cells):
        return np.zeros(0, np.bool_)
    if _numbers(cells[:SAMPLE]).mean() >= MOST:
        return _numbers(cells)
    if MOMENT.match(cells[0].as_py()) is not None and _are_moments(cells):
        return np.ones(len(cells), np.bool_)
    if _days(cells[:SAMPLE]).mean() >= MOST:
        return _days(cells)
    return np.zeros(len(cells), np.bool_)


def _numbers(cells: Cells) -> Mask:
    bounds, data = bounds_of(cells), bytes_of(cells)
    bounds = bounds - bounds[0]
    lengths = np.diff(bounds)
    fits: Mask = lengths <= LONGEST_NUMBER
    low, high = int(data.min(initial=NINE)), int(data.max(initial=ZERO))
    if low >= ZERO and high <= NINE:
        return fits
    points = data == POINT
    if low == POINT and high <= NINE and _one_each(points, bounds, lengths) and not (data == SLASH).any():
        return fits
    odd = (data < MINUS) | (data > NINE) | (data == SLASH)
    signs = data == MINUS
    if odd.any() or signs.any() or points.any():
        # A cell may have one of these at most: a sign at its start counts for nothing, a point once, all else twice.
        signs[bounds[:-1][fits & (lengths > 0)]] = False
        # One more, so that empty cells at the end have a byte too; of cells that are too long the sum may overflow.
        weights = np.zeros(len(data) + 1, np.uint8)
        np.add(2 * (odd | signs).view(np.uint8), points.view(np.uint8), out=weights[:-1])
        fits &= (np.add.reduceat(weights, bounds[:-1]) <= 1) | (lengths == 0)
    return fits


def _one_each(points: Mask, bounds: Bounds, lengths: Bounds) -> bool:
    """Say whether each cell that is not empty has exactly one point."""
    starts, ends = bounds[:-1], bounds[1:]
    if not lengths.all():
        starts, ends = starts[lengths > 0], ends[lengths > 0]
    if np.count_nonzero(points) != len(starts):
        return False
    at = np.flatnonzero(points)
    return bool((at >= starts).all() and (at < ends).all())


def _days(cells: Cells) -> Mask:
    """Return which cells are empty or a day of a month that may be."""
    bounds, data = bounds_of(cells), bytes_of(cells)
    lengths = np.diff(bounds)
    long_enough = np.flatnonzero(lengths == len(DAY))
    if len(long_enough) == len(cells):
        letters = data.reshape(-1, len(DAY))
    else:
        letters = data[(bounds[long_enough] - bounds[0])[:, None] + np.arange(len(DAY))]
    digits = [place for place, sign in enumerate(DAY) if sign == "d"]
    dashes = [place for place, sign in enumerate(DAY) if sign == "-"]
    sound = ((letters[:, digits] - np.uint8(ZERO)) <= NINE - ZERO).all(axis=1) & (letters[:, dashes] == MINUS).all(
        axis=1
    )
    fits: Mask = lengths == 0
    fits[long_enough[sound & (letters[:, 5] <= ZERO + 1) & (letters[:, 8] <= ZERO + 3)]] = True
    return fits


def _are_moments(cells: Cells) -> bool:
    """Say whether every cell is a day or a moment."""
    zone = None if cells[0].as_py()[-1:].isdigit() else "UTC"
    try:
        pc.cast(cells, pa.timestamp("us", tz=zone))
    except pa.ArrowInvalid:
        return False
    return True
