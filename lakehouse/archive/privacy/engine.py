"""Where identifiers may stand in many cells at once: Hyperscan over whole buffers, or RE2 cell by cell."""

from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, sure

# Not built for every processor; RE2 inside Arrow then finds the same, more slowly.
HAS_HYPERSCAN = find_spec("hyperscan") is not None
# Arrow joins texts into one buffer of at most 2 GB.
JOINED_BYTES = 1 << 30

Patterns = tuple[tuple[str, str], ...]
"""Pairs of a kind and one of its patterns."""
Rows = npt.NDArray[np.int64]
Engine = Callable[[Patterns, Cells], Mapping[str, Rows]]


def candidates(patterns: Patterns, cells: Cells) -> Mapping[str, Rows]:
    """Return the positions of cells in which a pattern of the kind matches, by kind, without those that have none.

    May name a cell too many, never one too few: what stands there is judged by the finder.
    """
    if not patterns or not len(cells):
        return {}
    return (with_hyperscan if HAS_HYPERSCAN else with_re2)(patterns, cells)


def with_re2(patterns: Patterns, cells: Cells) -> Mapping[str, Rows]:
    """Ask each pattern of each cell."""
    found: dict[str, Rows] = {}
    for kind, pattern in patterns:
        hit = np.flatnonzero(sure(pc.match_substring_regex(cells, pattern)).to_numpy(zero_copy_only=False))
        if len(hit):
            found[kind] = np.union1d(found.get(kind, hit), hit)
    return found


def with_hyperscan(patterns: Patterns, cells: Cells) -> Mapping[str, Rows]:
    """Scan the cells' bytes, one a line, for all patterns in one pass."""
    found: dict[str, list[Rows]] = {}
    for first, part in _parts(cells):
        for kind, rows in _scanned(patterns, part).items():
            found.setdefault(kind, []).append(rows + first)
    return {kind: np.concatenate(rows) for kind, rows in found.items()}


def _parts(cells: Cells) -> Iterable[tuple[int, Cells]]:
    if cells.nbytes <= JOINED_BYTES or len(cells) == 1:
        return ((0, cells),)
    middle = len(cells) // 2
    left, right = _parts(cells.slice(0, middle)), _parts(cells.slice(middle))
    return (*left, *((first + middle, part) for first, part in right))


def _scanned(patterns: Patterns, cells: Cells) -> Mapping[str, Rows]:
    filled = cells.fill_null("") if cells.null_count else cells
    buffer, starts = lines(filled.cast(pa.string()))
    ids, ends = array("q"), array("q")
    add_id, add_end = ids.append, ends.append

    def note(pattern: int, _start: int, end: int, _flags: int, _context: object) -> None:
        add_id(pattern)
        add_end(end)

    _database(patterns).scan(buffer, match_event_handler=note)
    if not ids:
        return {}
    return _by_kind(patterns, np.frombuffer(ids, np.int64), np.frombuffer(ends, np.int64), starts)


def lines(cells: Cells) -> tuple[pa.Buffer, Rows]:
    """Return the cells one a line, and where each line starts."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(cells)], pa.int32()), cells)
    buffer = pc.binary_join(whole, "\n").buffers()[2]
    offsets = np.frombuffer(cells.buffers()[1] or b"", np.int32)[cells.offset : cells.offset + len(cells)]
    return buffer, offsets.astype(np.int64) - offsets[0] + np.arange(len(cells))


def _by_kind(patterns: Patterns, ids: Rows, ends: Rows, starts: Rows) -> Mapping[str, Rows]:
    # A match that ends with the line's end belongs to the line.
    rows = np.searchsorted(starts, ends - 1, side="right") - 1
    found: dict[str, Rows] = {}
    for kind in dict.fromkeys(kind for kind, _ in patterns):
        mine = [number for number, (owner, _) in enumerate(patterns) if owner == kind]
        hit = rows[np.isin(ids, mine)]
        if len(hit):
            found[kind] = np.unique(hit)
    return found


@cache
def _database(patterns: Patterns) -> "_Database":
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = [
        hyperscan.HS_FLAG_MULTILINE | (0 if pattern.isascii() else hyperscan.HS_FLAG_UTF8) for _, pattern in patterns
    ]
    database.compile(
        expressions=[pattern.encode() for _, pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=flags,
    )
    scan: _Database = database
    return scan


class _Database:
    """What is asked of a compiled Hyperscan database."""

    def scan(self, data: object, *, match_event_handler: Callable[[int, int, int, int, object], None]) -> None: ...
