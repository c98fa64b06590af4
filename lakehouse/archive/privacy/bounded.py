"""Which patterns could fit any of many short cells, told by the least and the greatest byte at each place of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, reduce
from operator import or_

# Python's own reading of a pattern; it has no public name. A part of a pattern that is not known here may fit anything.
from re import IGNORECASE, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.archive.arrays import Cells, bytes_of

Part = tuple[Any, Any]
"""What a part of a pattern is, and what it says, as Python reads it."""

Lengths = npt.NDArray[np.int32]

LONGEST = 24
BLANK, ZERO, NINE, LAST = b" 09~"
# Fewer bytes are looked through sooner than they are told.
LEAST_BYTES = 1 << 16
# Where bytes differ more than letters do, nearly every pattern could fit.
WIDEST = 26
# Cells looked at side by side: NumPy compares long rows many times as fast as short ones.
ABREAST = 256
SHAPES_REMEMBERED = 200


def _set(members: Iterable[int]) -> int:
    """Return a set of small numbers as bits."""
    return reduce(or_, (1 << member for member in members), 0)


ASCII = _set(range(128))
WORD = _set(byte for byte in range(128) if chr(byte).isalnum() or byte == ord("_"))
DIGITS, SPACES = _set(b"0123456789"), _set(b" \t\n\r\f\v")
CATEGORIES = {
    _constants.CATEGORY_DIGIT: DIGITS,
    _constants.CATEGORY_NOT_DIGIT: ASCII & ~DIGITS,
    _constants.CATEGORY_SPACE: SPACES,
    _constants.CATEGORY_NOT_SPACE: ASCII & ~SPACES,
    _constants.CATEGORY_WORD: WORD,
    _constants.CATEGORY_NOT_WORD: ASCII & ~WORD,
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and greatest byte at each place of cells in ASCII; unless they are `even`, some cells end earlier."""

    places: tuple[tuple[int, int], ...]
    even: bool

    @property
    def has_capital(self) -> bool:
        """Whether a capital may stand anywhere."""
        return any(low <= ord("Z") and high >= ord("A") for low, high in self.places)


def bounds_of_bytes(cells: Cells, lengths: Lengths) -> Bounds | None:
    """Return the bounds of cells of type `string`, those that are empty aside; None where they would tell little.

    They tell of many short cells in ASCII that are all of one length, or of numbers and signs only.
    """
    data, longest = bytes_of(cells), int(lengths.max(initial=0))
    if len(data) < LEAST_BYTES or longest > LONGEST or data.min() < BLANK or data.max() > LAST:
        return None
    if int(np.count_nonzero(lengths)) * longest == len(data):
        low, high = (_by_place(data, longest, extreme) for extreme in (np.minimum, np.maximum))
        if int((high - low).sum()) > WIDEST * longest:
            return None
        return Bounds(tuple(map(_widened, low.tolist(), high.tolist())), even=True)
    if data.max() > NINE:
        return None
    return Bounds((_widened(int(data.min()), int(data.max())),) * longest, even=False)


def _widened(low: int, high: int) -> tuple[int, int]:
    """Return any digit for some of them: numbers that count on would have other bounds in each block of a file."""
    return (ZERO, NINE) if low >= ZERO and high <= NINE else (low, high)


def _by_place(data: npt.NDArray[np.uint8], length: int, extreme: np.ufunc) -> npt.NDArray[np.uint8]:
    whole = len(data) // (ABREAST * length) * ABREAST * length
    abreast = extreme.reduce(data[:whole].reshape(-1, ABREAST * length), axis=0).reshape(-1, length)
    found: npt.NDArray[np.uint8] = extreme.reduce(np.concatenate([abreast, data[whole:].reshape(-1, length)]), axis=0)
    return found


@lru_cache(SHAPES_REMEMBERED)
def which_could_fit(patterns: tuple[tuple[str, str], ...], bounds: Bounds) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a kind and a pattern that could fit somewhere in a cell of these bounds."""
    cells = _Cells(bounds)
    return tuple((kind, pattern) for kind, pattern in patterns if cells.could_hold(_read(pattern)))


@lru_cache(SHAPES_REMEMBERED)
def could_fit(pattern: str, bounds: Bounds) -> bool:
    """Say whether a pattern could fit somewhere in a cell of these bounds; says so of one in doubt."""
    return _Cells(bounds).could_hold(_read(pattern))


@cache
def _read(pattern: str) -> Sequence[Part]:
    parsed = _parser.parse(pattern)
    # Flags before a whole pattern are no part of it.
    return [(_constants.SUBPATTERN, (None, parsed.state.flags & IGNORECASE, 0, parsed))]


@dataclass(slots=True)
class _Cells:
    """All cells of some bounds at once. A set of places, each before a byte or at the end, is a number's bits."""

    bounds: Bounds
    _held: list[int] = field(default_factory=list)
    _holding: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._held = [(2 << high) - (1 << low) for low, high in self.bounds.places]

    def could_hold(self, parts: Iterable[Part]) -> bool:
        """Say whether parts of a pattern could fit in turn, from any place on."""
        return bool(self._ends(parts, (2 << len(self.bounds.places)) - 1, ignore_case=False))

    def _ends(self, parts: Iterable[Part], starts: int, *, ignore_case: bool) -> int:
        """Return where parts of a pattern may end in turn, the first of which begins at one of some places."""
        for part in parts:
            name, said = part
            if not starts:
                break
            if name is _constants.BRANCH:
                starts = reduce(or_, (self._ends(one, starts, ignore_case=ignore_case) for one in said[1]))
            elif name is _constants.SUBPATTERN:
                _, more, less, inner = said
                folded = bool((ignore_case or more & IGNORECASE) and not less & IGNORECASE)
                starts = self._ends(inner, starts, ignore_case=folded)
            elif name in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                starts = self._repeated(said, starts, ignore_case=ignore_case)
            elif name is _constants.AT:
                starts = self._at(part, starts)
            elif (members := _members(part, ignore_case=ignore_case)) is not None:
                starts = (starts & self._where(members)) << 1
            else:
                # From the first of them on.
                starts = (2 << len(self.bounds.places)) - (starts & -starts)
        return starts

    def _repeated(self, said: tuple[int, int, Any], starts: int, *, ignore_case: bool) -> int:
        least, most, inner = said
        ends = 0
        for times in range(most + 1):
            if times >= least:
                if not starts & ~ends:
                    break
                ends |= starts
            starts = self._ends(inner, starts, ignore_case=ignore_case)
        return ends

    def _where(self, members: int) -> int:
        """Return the places at which a byte may be one of some."""
        if members not in self._holding:
            self._holding[members] = _set(place for place, held in enumerate(self._held) if held & members)
        return self._holding[members]

    def _at(self, part: Part, starts: int) -> int:
        _, said = part
        if said in (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING):
            return starts & 1
        if not self.bounds.even:
            return starts
        if said in (_constants.AT_END, _constants.AT_END_STRING):
            return starts & 1 << len(self.bounds.places)
        if said is not _constants.AT_BOUNDARY:
            return starts
        # Outside of the cell nothing belongs to a word.
        word, other = self._where(WORD), self._where(ASCII & ~WORD) | 1 << len(self.bounds.places)
        return starts & (word & (other << 1 | 1) | other & word << 1)


def _members(part: Part, *, ignore_case: bool) -> int | None:
    """Return the bytes below 128 that one letter of a pattern stands for; None where it is no single letter."""
    name, said = part
    if name is _constants.ANY:
        return ASCII
    if name is _constants.LITERAL:
        return _class((part,), ignore_case=ignore_case)
    if name is _constants.NOT_LITERAL:
        return _class(((_constants.NEGATE, None), (_constants.LITERAL, said)), ignore_case=ignore_case)
    return _class(tuple(said), ignore_case=ignore_case) if name is _constants.IN else None


@cache
def _class(parts: tuple[Part, ...], *, ignore_case: bool) -> int | None:
    members = 0
    for name, said in parts:
        if name is _constants.LITERAL:
            members |= 1 << said
        elif name is _constants.RANGE:
            members |= _set(range(said[0], min(said[1], 127) + 1))
        elif name is _constants.CATEGORY and said in CATEGORIES:
            members |= CATEGORIES[said]
        elif name is not _constants.NEGATE:
            return None
    if ignore_case:
        members = _set(ord(case) for byte in range(128) if members >> byte & 1 for case in _cases(chr(byte)))
    return ASCII & (~members if parts[0][0] is _constants.NEGATE else members)


def _cases(letter: str) -> tuple[str, str]:
    return letter.lower(), letter.upper()
