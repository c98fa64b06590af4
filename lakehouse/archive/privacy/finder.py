"""Finds identifiers in one piece of text: every place, its kind and its bounds, the most certain kind first."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

from lakehouse.archive.privacy.confirm import Where, confirmed
from lakehouse.archive.privacy.digits import ascii_digits
from lakehouse.archive.privacy.kinds import Identifier, compiled, identifiers
from lakehouse.archive.privacy.names import find_names

NAME = "person_name"
START = attrgetter("start")


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier in a text: `start` and `end` count letters."""

    kind: str
    start: int
    end: int


def matches(identifier: Identifier, text: str) -> Iterator[tuple[int, int]]:
    """Yield where values of one kind stand in a text; may overlap when two of its patterns fit."""
    for pattern, where in ((identifier.pattern, Where.ELSEWHERE), (identifier.cue_pattern, Where.IN_CONTEXT)):
        if pattern is None:
            continue
        reading, position = compiled(pattern), 0
        while (match := reading.search(text, position)) is not None:
            start, end = match.span(match.lastindex or 0)
            if _counts(identifier, text[start:end], where):
                yield start, end
            # What bounds this value may bound the next one too.
            position = max(end, match.start() + 1)


def _counts(identifier: Identifier, value: str, where: Where) -> bool:
    if identifier.exclude is not None and compiled(identifier.exclude).search(value):
        return False
    return identifier.confirm == "none" or confirmed(identifier.confirm, value, where)


def fits_context(identifier: Identifier, cell: str) -> bool:
    """Say whether a cell of a column that speaks of this kind is a value of it."""
    if identifier.context_pattern is None:
        return False
    # Where the first one does not count, a later one may.
    found = compiled(identifier.context_pattern).finditer(ascii_digits(cell))
    return any(_counts(identifier, match[0], Where.IN_CONTEXT) for match in found)


@cache
def text_kinds() -> tuple[str, ...]:
    """The kinds that patterns can find in running text."""
    return tuple(kind for kind, identifier in identifiers().items() if identifier.loose)


def find(text: str, kinds: Iterable[str] | None = None) -> list[Found]:
    """Return the identifiers that patterns find in a text, in order, none overlapping a more certain one."""
    taken: list[Found] = []
    text = ascii_digits(text)
    for kind in text_kinds() if kinds is None else kinds:
        for start, end in matches(identifiers()[kind], text):
            if _is_free(taken, start, end):
                insort(taken, Found(kind, start, end), key=START)
    return taken


def _is_free(taken: Sequence[Found], start: int, end: int) -> bool:
    """Say whether a span overlaps none of those taken, which stand in order and apart from each other.

    Only the last that begins before its end can; asking all of them would cost the square of their number.
    """
    before = bisect_left(taken, end, key=START)
    return not before or taken[before - 1].end <= start


def find_everything(text: str) -> list[Found]:
    """Return the identifiers in a text, names of persons among them, where no pattern fits better."""
    taken = find(text)
    named = [Found(NAME, start, end) for start, end in find_names(text)]
    free = [name for name in named if _is_free(taken, name.start, name.end)]
    return sorted([*taken, *free], key=START)
