"""Which patterns are asked of which cells: of all of them, or of those only that pass a sieve of numbers."""

from collections.abc import Iterator
from functools import cache

from lakehouse.archive.privacy.disguise import CODES
from lakehouse.archive.privacy.engine import SIEVE, WIDE_SIEVE, Patterns
from lakehouse.archive.privacy.kinds import identifiers

# No cue with its value fits into fewer bytes.
SHORTEST_CUE = 6
LONGEST_OF_SHORTEST = 20


@cache
def anywhere(where: str, longest: int = LONGEST_OF_SHORTEST) -> Patterns:
    """Return the patterns looked for in every cell of columns, or of texts, that may stand in so many bytes."""
    codes = CODES if longest >= SHORTEST_CUE else ()
    return (*codes, *_patterns(where, longest, behind=None))


@cache
def behind_sieve(where: str, longest: int = LONGEST_OF_SHORTEST) -> Patterns:
    """Return the further patterns, looked for only in cells that pass the sieve."""
    return tuple(_patterns(where, longest, behind=SIEVE))


@cache
def behind_wide_sieve(where: str, longest: int = LONGEST_OF_SHORTEST) -> Patterns:
    """Return the further patterns of numbers behind a word, looked for only in cells that pass the wide sieve."""
    return tuple(_patterns(where, longest, behind=WIDE_SIEVE))


def _patterns(where: str, longest: int, *, behind: str | None) -> Iterator[tuple[str, str]]:
    for kind, one in identifiers().items():
        if one.where not in ("everywhere", where):
            continue
        for pattern in one.loose:
            whole = pattern in (one.probe, one.pattern)
            least = one.shortest if whole else SHORTEST_CUE
            mine = (SIEVE if one.sieved else None) if whole else (WIDE_SIEVE if one.cue_sieved else None)
            if least <= longest and mine == behind:
                yield kind, pattern
