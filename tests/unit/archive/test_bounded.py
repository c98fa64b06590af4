"""Patterns are left out only where no cell of the column can fit them."""

import random
import re
from itertools import product
from re import _constants, _parser

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.archive.arrays import bounds_of
from lakehouse.archive.privacy import ColumnScan
from lakehouse.archive.privacy.asked import anywhere, behind_sieve, behind_wide_sieve
from lakehouse.archive.privacy.bounded import LEAST_BYTES, LONGEST, Bounds, bounds_of_bytes, could_fit, which_could_fit
from lakehouse.archive.privacy.kinds import compiled, identifiers

ALL = tuple(
    dict.fromkeys(
        [pattern for _, pattern in (*anywhere("texts"), *behind_sieve("texts"), *behind_wide_sieve("texts"))]
        + [p for one in identifiers().values() for p in (*one.exact, one.context_pattern) if p is not None]
    )
)


def bounds(*values):
    """Return the bounds of a column in which these values come again and again."""
    cells = pa.array(values * (LEAST_BYTES // max(1, sum(map(len, values))) + 1), pa.string())
    return bounds_of_bytes(cells, np.diff(bounds_of(cells)))


def only(value):
    """Return the bounds of a column that holds nothing else."""
    return Bounds(tuple((ord(letter), ord(letter)) for letter in value), even=True)


PRINTABLE = [chr(code) for code in range(32, 127)]


def written(parts, draw):
    """Return a text that parts of a pattern may fit."""
    text = ""
    for name, said in parts:
        if name is _constants.BRANCH:
            text += written(draw.choice(said[1]), draw)
        elif name is _constants.SUBPATTERN:
            text += written(said[3], draw)
        elif name is _constants.MAX_REPEAT:
            times = draw.randint(said[0], min(said[1], said[0] + 2))
            text += "".join(written(said[2], draw) for _ in range(times))
        elif name is not _constants.AT:
            text += draw.choice([letter for letter in PRINTABLE if is_one(letter, name, said)] or ["?"])
    return text


def is_one(letter, name, said):
    if name is _constants.NEGATE:
        return False
    if name is _constants.IN:
        return any(is_one(letter, *part) for part in said) != (said[0][0] is _constants.NEGATE)
    if name is _constants.RANGE:
        return said[0] <= ord(letter) <= said[1]
    if name is _constants.CATEGORY:
        return letter.isspace() == (said is _constants.CATEGORY_SPACE)
    return said == ord(letter)


@pytest.mark.parametrize("pattern", ALL, ids=range(len(ALL)))
def test_what_a_pattern_fits_is_never_left_out(pattern):
    draw, parsed, fitting = random.Random(pattern), _parser.parse(pattern), 0
    for _ in range(40):
        wrapped = draw.choice(("", "", " ", "x", "-")) + written(parsed, draw) + draw.choice(("", "", " ", "7", "."))
        value = wrapped[:LONGEST]
        if not value.isprintable() or not value.isascii() or not compiled(pattern).search(value):
            continue
        fitting += 1
        assert could_fit(pattern, only(value))
        pairs = zip(value.encode(), draw.choices(range(32, 127), k=len(value)), strict=True)
        assert could_fit(pattern, Bounds(tuple((min(pair), max(pair)) for pair in pairs), even=True))
        assert could_fit(pattern, Bounds(((ord(min(value)), ord(max(value))),) * (len(value) + 2), even=False))
    assert fitting or parsed.getwidth()[0] > LONGEST, pattern


PARTS = (
    "a",
    "b?",
    "[^a]",
    r"\b",
    "^",
    "$",
    "(?:ab|c)",
    r"[a-c]{1,2}",
    "(?i:B)",
    r"\w",
    r"\W",
    ".",
    "(?:a|b)*",
    "[^B-]+?",
)


@pytest.mark.parametrize("seed", range(4))
def test_small_patterns_fit_where_python_says_so_and_hardly_elsewhere(seed):
    draw = random.Random(seed)
    right = asked = 0
    for _ in range(150):
        pattern = draw.choice(("", "(?i)")) + "".join(draw.choices(PARTS, k=draw.randrange(1, 5)))
        sides = [sorted(draw.choices("-BCabc", k=2)) for _ in range(draw.randrange(1, 4))]
        held = [[chr(one) for one in range(ord(low), ord(high) + 1)] for low, high in sides]
        # Every cell that these bounds allow; some of them have too many.
        if np.prod([len(one) for one in held]) > 400:
            continue
        fits = any(re.search(pattern, "".join(cell), re.ASCII) for cell in product(*held))
        places = tuple((ord(low), ord(high)) for low, high in sides)
        told = could_fit(pattern, Bounds(places, even=True))
        assert told or not fits, (pattern, sides)
        assert could_fit(pattern, Bounds(places, even=False)) or not fits
        right += told == fits
        asked += 1
    # The two sides of a word's end are told apart, each by itself.
    assert right > 0.95 * asked > 50


def test_what_python_reads_otherwise_may_fit_anything():
    assert could_fit(r"(?=b)", only("b"))
    assert could_fit(r"a(?<=a)c", only("abc"))
    assert not could_fit(r"(?=b)c", only("b"))


@pytest.mark.parametrize(
    "codes", [[f"s{n}" for n in range(1_000_000, 1_000_900)], [f"room-{n}" for n in range(1_000, 1_900)]]
)
def test_codes_of_one_length_need_no_pattern(codes):
    told = bounds(*codes, "", codes[0])
    assert told == bounds(*codes)
    assert told.even
    assert not told.has_capital
    longest = len(codes[0])
    groups = (anywhere, behind_sieve, behind_wide_sieve)
    assert [which_could_fit(patterns("columns", longest), told) for patterns in groups] == [(), (), ()]


def test_numbers_that_count_on_have_the_same_bounds_from_block_to_block():
    first, later = (bounds(*(f"s{n}" for n in range(start, start + 900))) for start in (1_000_000, 2_345_000))
    assert first == later == Bounds(((ord("s"),) * 2, *[(ord("0"), ord("9"))] * 7), even=True)


def test_numbers_of_any_length_are_no_days():
    told = bounds(*map(str, range(20_000)), "")
    assert not told.even
    assert not could_fit(identifiers()["life_date"].context_pattern, told)
    assert could_fit(identifiers()["postcode"].context_pattern, told)


@pytest.mark.parametrize("odd", ["é", "a\nb", "a\tb", "x" * (LONGEST + 1), ""])
def test_nothing_is_told_of_letters_beyond_ascii_of_lines_and_of_long_cells(odd):
    assert bounds(odd) is None


@pytest.mark.parametrize("place", [0, 1_700, 2_999])
@pytest.mark.parametrize("even", [True, False])
def test_a_value_as_long_as_the_codes_around_it_is_found(place, even):
    codes = [f"room-{n}" if even else f"r-{n}" for n in range(1_000, 4_000)]
    for kind, value in (("phone", "030-12345"), ("email", "an@wes.it")):
        values = [*codes]
        values[place] = value
        scan = ColumnScan("place", "")
        for first in range(0, 3_000, 1_000):
            scan.add(pa.array(values[first : first + 1_000]), first)
        assert {(s.kind, s.rows) for s in scan.suspicions()} == {(kind, (place,))}
