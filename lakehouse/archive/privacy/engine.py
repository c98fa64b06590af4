"""Where identifiers may stand in many cells at once: Hyperscan over whole buffers, or RE2 cell by cell."""

import hashlib
import re
import tempfile
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, bounds_of, bytes_of, sure
from lakehouse.archive.kept_patterns import COMPILED

if TYPE_CHECKING:
    import hyperscan

# Not built for every processor; RE2 inside Arrow then finds the same, more slowly.
HAS_HYPERSCAN = find_spec("hyperscan") is not None
# Cells are joined for the scan in buffers that the allocator keeps for the next one; smaller ones cost more calls.
JOINED_BYTES = 32 << 20
# A column whose first cells hold so few values is looked at value by value.
SAMPLE, LESS = 1_024, 8

# Numbers in groups, long ones, and ones beside a capital: one small automaton that runs through all bytes for a third
# of what the patterns of numbers cost, which then need to look only at the cells that pass. It has a database of its
# own, because in one with the words it loses its speed.
SIEVED = "sieved"
SIEVE = "[0-9][ ./:-][(0-9]|[0-9]{8}|[A-Z] ?[0-9]|[0-9][A-Z]"
# Behind a word any number may be one of a kind, so the sieve for these lets long and loosely grouped ones pass too.
WIDE_SIEVE = rf"{SIEVE}|[0-9]{{5}}|[0-9][0-9 ().+-]{{4,}}[0-9]"
# Numbers that the sieve does not know by their digits alone; literals, so that they ride along with the words.
BESIDE = r"\+[0-9]|[0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:"
# Cells looked at first, evenly spread where there are many bytes; where more than one in so many of them passes, the
# sieve would only cost.
SIEVE_SAMPLE, SIEVE_LESS = 512, 6
# A column of whose first cells one in so many fits is asked cell by cell.
FULL_SAMPLE, FULL_LESS = 512, 8
# So few bytes are looked through once for everything in less time than a second pass takes to begin.
FEW_BYTES = 1 << 14
# In fewer the wide sieve gains less than its sample costs.
MANY_BYTES = 1 << 20

# The most bytes of a letter in UTF-8.
LETTER_BYTES = 4
OTHERS_AT_MOST = re.compile(r"(\[\^[^\]]*\])\{([0-9]+),([0-9]+)\}")

Patterns = tuple[tuple[str, str], ...]
"""Pairs of a kind and one of its patterns."""
Rows = npt.NDArray[np.int64]
NOWHERE: Rows = np.empty(0, np.int64)
Engine = Callable[[Patterns, Cells], Mapping[str, Rows]]


def candidates(patterns: Patterns, cells: Cells, sieved: Patterns = (), widely: Patterns = ()) -> Mapping[str, Rows]:
    """Return the positions of cells in which a pattern of the kind matches, by kind, without those that have none.

    `sieved` are more patterns, all of which fit only where the sieve does, and `widely` those that fit only where the
    wide sieve does. May name a cell too many, never one too few: what stands there is judged by the finder. Where few
    values come again and again, each is looked at once.
    """
    if not (patterns or sieved or widely) or not len(cells):
        return {}
    engine = with_hyperscan if HAS_HYPERSCAN else with_re2
    if len(cells) < SAMPLE * LESS or len(cells[:SAMPLE].unique()) > SAMPLE // LESS:
        return engine(patterns, cells, sieved, widely)
    coded = cells.dictionary_encode()
    assert isinstance(coded, pa.DictionaryArray), "as asked for"
    found = engine(patterns, coded.dictionary, sieved, widely)
    if not found:
        return {}
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return {kind: np.flatnonzero(np.isin(codes, hit)) for kind, hit in found.items()}


def fitting(patterns: Iterable[str], cells: Cells) -> Rows:
    """Return the positions of cells that an exact pattern of a kind fits, at a fifth of the cost of Python's engine."""
    return with_re2(tuple(("", pattern) for pattern in patterns), cells).get("", NOWHERE)


def in_columns(pattern: str, cells: Cells) -> Rows:
    """Return the positions of cells of which a pattern for whole cells may hold, in a column that speaks of its kind.

    May name a cell too many, one of several lines, never one too few.
    """
    # Python lets a break of lines follow the end, and RE2 only where lines are read one by one.
    by_lines = f"(?m:{pattern})"
    in_sample = with_re2((("", by_lines),), cells[:FULL_SAMPLE]).get("", NOWHERE)
    # Each hit costs a call, so a column full of them is asked cell by cell; there a letter beyond ASCII counts as one.
    if not HAS_HYPERSCAN or len(in_sample) * FULL_LESS > FULL_SAMPLE or not is_ascii(cells):
        return with_re2((("", by_lines),), cells).get("", NOWHERE)
    return with_hyperscan((("", pattern),), cells).get("", NOWHERE)


def with_re2(patterns: Patterns, cells: Cells, sieved: Patterns = (), widely: Patterns = ()) -> Mapping[str, Rows]:
    """Ask each pattern of each cell."""
    found: dict[str, Rows] = {}
    for kind, pattern in (*patterns, *sieved, *widely):
        hit = np.flatnonzero(sure(pc.match_substring_regex(cells, pattern)).to_numpy(zero_copy_only=False))
        if len(hit):
            found[kind] = either(found.get(kind, NOWHERE), hit)
    return found


def with_hyperscan(
    patterns: Patterns, cells: Cells, sieved: Patterns = (), widely: Patterns = ()
) -> Mapping[str, Rows]:
    """Scan the bytes of cells of type `string` without nulls, one a line, for all patterns in one pass or two."""
    sieve = _sieve(cells, sieved, widely)
    if sieve is None:
        patterns, sieved = (*patterns, *sieved, *widely), ()
    elif sieve == SIEVE:
        patterns = (*patterns, *widely)
    else:
        sieved = (*sieved, *widely)
    found: dict[str, list[Rows]] = {}
    for first, part in _parts(cells):
        for kind, rows in _in_two_passes(patterns, part, sieved, sieve or SIEVE).items():
            found.setdefault(kind, []).append(rows + first)
    return {kind: np.concatenate(rows) for kind, rows in found.items()}


def _sieve(cells: Cells, sieved: Patterns, widely: Patterns) -> str | None:
    """Return the sieve that keeps most patterns from most of the cells; None where each would only cost."""
    if cells.nbytes <= FEW_BYTES or not (sieved or widely):
        return None
    if cells.nbytes < MANY_BYTES:
        return SIEVE if sieved and not _passes_often(cells[:SIEVE_SAMPLE], SIEVE) else None
    # The first ones alone may differ: numbers that count on are short there.
    spread = np.linspace(0, len(cells) - 1, min(len(cells), SIEVE_SAMPLE)).astype(np.int64)
    sample = cells.take(pa.array(spread, pa.int64()))
    if widely and not _passes_often(sample, WIDE_SIEVE):
        return WIDE_SIEVE
    return SIEVE if sieved and not _passes_often(sample, SIEVE) else None


def _in_two_passes(patterns: Patterns, cells: Cells, sieved: Patterns, sieve: str) -> Mapping[str, Rows]:
    if not sieved:
        return _scanned((patterns,), cells)
    found = dict(_scanned(((*patterns, (SIEVED, BESIDE)), ((SIEVED, sieve),)), cells))
    passed = found.pop(SIEVED, None)
    if passed is None:
        return found
    for kind, rows in _scanned((sieved,), cells.take(pa.array(passed, pa.int64()))).items():
        found[kind] = either(found.get(kind, NOWHERE), passed[rows])
    return found


def _passes_often(sample: Cells, sieve: str) -> bool:
    passed = _scanned((((SIEVED, sieve),),), sample).get(SIEVED, ())
    return len(passed) * SIEVE_LESS > len(sample)


def _parts(cells: Cells) -> Iterable[tuple[int, Cells]]:
    if cells.nbytes <= JOINED_BYTES or len(cells) == 1:
        return ((0, cells),)
    middle = len(cells) // 2
    left, right = _parts(cells.slice(0, middle)), _parts(cells.slice(middle))
    return (*left, *((first + middle, part) for first, part in right))


def _scanned(passes: Sequence[Patterns], cells: Cells) -> Mapping[str, Rows]:
    """Scan the same bytes for each group of patterns."""
    buffer, starts = lines(cells)
    found: dict[str, Rows] = {}
    for patterns in passes:
        for kind, rows in _by_kind(patterns, *_matches(patterns, buffer), starts).items():
            found[kind] = either(found.get(kind, NOWHERE), rows)
    return found


def _matches(patterns: Patterns, buffer: pa.Buffer) -> tuple[Rows, Rows]:
    """Return which pattern matched and where the match ends, for each match."""
    ids, ends = array("q"), array("q")
    add_id, add_end = ids.append, ends.append

    def note(pattern: int, _start: int, end: int, _flags: int, _context: object) -> None:
        add_id(pattern)
        add_end(end)

    _database(patterns).scan(buffer, match_event_handler=note)  # type: ignore[type-var]  # it takes any buffer
    return np.frombuffer(ids, np.int64), np.frombuffer(ends, np.int64)


def lines(cells: Cells) -> tuple[pa.Buffer, Rows]:
    """Return the cells one a line, and where each line starts."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(cells)], pa.int32()), cells)
    joined = pc.binary_join(whole, "\n")
    assert isinstance(joined, pa.Array), "as the list is"
    buffer = joined.buffers()[2]
    assert buffer is not None, "it holds a text"
    offsets = bounds_of(cells)[:-1].astype(np.int64)
    return buffer, offsets - offsets[0] + np.arange(len(cells))


def _by_kind(patterns: Patterns, ids: Rows, ends: Rows, starts: Rows) -> Mapping[str, Rows]:
    if not len(ids):
        return {}
    kinds = list(dict.fromkeys(kind for kind, _ in patterns))
    owners = np.array([kinds.index(kind) for kind, _ in patterns])[ids]
    # A match that ends with the line's end belongs to the line.
    rows = np.searchsorted(starts, ends - 1, side="right") - 1
    by_owner = ((kind, rows[owners == owner]) for owner, kind in enumerate(kinds))
    return {kind: once(mine) for kind, mine in by_owner if len(mine)}


def either(some: Rows, others: Rows) -> Rows:
    """Return the positions that are in one of two, in order."""
    return once(np.concatenate([some, others]))


def once(rows: Rows) -> Rows:
    """Return each position once, in order; they come nearly in order, so sorting costs less than NumPy's hashing."""
    ordered = np.sort(rows, kind="stable")
    return ordered[np.diff(ordered, prepend=-1) > 0]


@cache
def _database(patterns: Patterns) -> "hyperscan.Database":
    """Return the compiled patterns: kept beside the installed code, since compiling takes longer than most files."""
    import hyperscan

    # Reading letters instead of bytes costs half of the speed, so only classes beyond ASCII ask for it.
    wide = [re.search(r"\[[^\]]*[^\x00-\x7f]", pattern) is not None for _, pattern in patterns]
    flags = [hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_UTF8 if letters else 0) for letters in wide]
    expressions = [
        pattern if letters else _in_bytes(pattern) for (_, pattern), letters in zip(patterns, wide, strict=True)
    ]
    named = repr((version("hyperscan"), hyperscan.HS_MODE_BLOCK, expressions, flags)).encode()
    kept = COMPILED / f"{hashlib.sha256(named).hexdigest()[:32]}.hs"
    with suppress(OSError, hyperscan.error):  # not there, cut short, or of another processor: compiled anew
        loaded = hyperscan.loadb(kept.read_bytes(), mode=hyperscan.HS_MODE_BLOCK)
        loaded.scratch = hyperscan.Scratch(loaded)
        return loaded
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode() for expression in expressions],
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=flags,
    )
    with suppress(OSError):  # an installation that is not one's own stays as it is
        _keep(hyperscan.dumpb(database), kept)
    return database


def _in_bytes(pattern: str) -> str:
    """Return a pattern that is asked of bytes: as many letters other than some as before may follow each other."""
    return OTHERS_AT_MOST.sub(lambda said: f"{said[1]}{{{said[2]},{int(said[3]) * LETTER_BYTES}}}", pattern)


def _keep(body: bytes, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(body)
    Path(file.name).replace(path)


def is_ascii(cells: Cells) -> bool:
    """Say whether every byte of the cells is ASCII."""
    data = bytes_of(cells)
    return not len(data) or int(data.max()) < 128
