"""Sees through what can hide a value: letters that only look like Latin ones, invisible signs, base64."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import numpy as np
import pyarrow as pa

from lakehouse.archive.arrays import Cells
from lakehouse.archive.privacy.digits import OTHER_DIGIT
from lakehouse.archive.privacy.engine import NOWHERE, Patterns, Rows
from lakehouse.archive.privacy.finder import find
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.showing import shape

# Cells looked at one by one in each chunk, evenly spread, so that a column of hashes costs no more than these.
LOOKED_AT = 200
# Letters that nobody sees, from the first to the last of a range (Unicode's Default_Ignorable_Code_Point). Those of
# every day, such as joiners and what makes a sign a picture, count only beside what is written in ASCII. The others
# count anywhere: looked for beside something they make the search of prose half as dear again, by themselves no dearer.
_EVERYDAY = (
    (0xAD, 0xAD), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
)  # fmt: skip
_UNUSUAL = (
    (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x3164, 0x3164), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
INVISIBLE = dict.fromkeys(letter for first, last in (*_EVERYDAY, *_UNUSUAL) for letter in range(first, last + 1))
_UNSEEN, _HARDLY_MET = ("".join(f"{chr(first)}-{chr(last)}" for first, last in some) for some in (_EVERYDAY, _UNUSUAL))
# Letters that look alike in Cyrillic and Greek (Unicode Technical Standard 39, confusables).
ALIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝһАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοονιρ",
    "abekmhopctyxijsdqwhABEKMHOPCTYXIJSABEZHIKMNOPTYXoovip",
)
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"), "-")
PLAIN: dict[int, str | int | None] = {**INVISIBLE, **DASHES}
UNVEILED = {**ALIKE, **PLAIN}
# To look for these letters takes a tenth of what a look at each letter of a text does.
_PLAINER, _UNVEILABLE = (
    re.compile(f"[{_UNSEEN}{_HARDLY_MET}{''.join(map(chr, table))}]+") for table in (DASHES, {**ALIKE, **DASHES})
)
# Beside what is written in ASCII: a letter of another script, a full-width sign, or one that nobody sees.
_STRANGE = f"[{_UNSEEN}\u0370-\u052f\uff00-\uff5e]"
# A letter of another script, a full-width sign, an odd dash or an invisible one beside what is written in ASCII, an odd
# gap between digits, or a digit of another script.
VEIL = (
    f"[0-9A-Za-z@]{_STRANGE}|[0-9][\u2010-\u2014\u2212][0-9]"
    f"|{_STRANGE}[0-9A-Za-z@]|[0-9)][\u00a0\u2007\u2009\u202f][0-9(]"
    f"|[{OTHER_DIGIT}]"
)
# A run of base64 with its filling, or a longer one with a capital inside, where words have none. It ends where the run
# does, so that a picture of many thousand letters is one match.
CODE = r"[A-Za-z0-9+/]{10}={1,2}|[A-Za-z0-9+/][A-Z][A-Za-z0-9+/]{13,}(?:[^A-Za-z0-9+/]|$)"
VEILED, OTHER_DIGITS, ENCODED = "veiled", "other_digits", "encoded"
VEILS: Patterns = ((VEILED, VEIL), (VEILED, f"[{_HARDLY_MET}]"), (OTHER_DIGITS, f"[{OTHER_DIGIT}]"))
CODES: Patterns = ((ENCODED, CODE),)
HIDDEN_IN_CODE = frozenset({"email", "social_security", "phone", "payment_card", "iban"})
_CODED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{12,4096}={0,2}(?![A-Za-z0-9+/=])")


def plain(text: str) -> str:
    """Return a text in the letters that it looks written in; a text in ASCII as it is."""
    if text.isascii():
        return text
    return _PLAINER.sub(_in_plain, unicodedata.normalize("NFKC", text))


def unveiled(text: str) -> str:
    """Return a text with letters of other scripts replaced by the Latin ones they look like."""
    return _UNVEILABLE.sub(_in_latin, unicodedata.normalize("NFKC", text))


def _in_plain(letters: re.Match[str]) -> str:
    return letters[0].translate(PLAIN)


def _in_latin(letters: re.Match[str]) -> str:
    return letters[0].translate(UNVEILED)


def decoded(text: str) -> Iterator[str]:
    """Yield what stands in a text as base64 of printable ASCII."""
    for match in _CODED.finditer(text):
        try:
            raw = base64.b64decode(match[0] + "=" * (-len(match[0]) % 4), validate=True)
        except binascii.Error:
            continue
        if raw.isascii() and raw.decode("ascii").isprintable():
            yield raw.decode("ascii")


def uncovered(
    cells: Cells, found: Mapping[str, Rows], look: Callable[[Cells], Mapping[str, Rows]]
) -> Iterator[tuple[int, str, str, float]]:
    """Yield position, kind and shape of values that only show in the cells' plain or decoded letters.

    With each comes how many more cells like it there likely are, that were not looked at.
    `found` says by the names of the disguises in which cells they may be; `look` says by kind where something may
    stand in other cells, so that most of them need no closer look.
    """
    veiled, more_veiled = _some(found, VEILED)
    clear_texts = [unveiled(cells[position].as_py()) for position in veiled]
    hits = look(pa.array(clear_texts, pa.string())) if veiled else {}
    for place in sorted({place for kind in _direct_kinds() if kind in hits for place in hits[kind].tolist()}):
        known = {one.kind for one in find(cells[veiled[place]].as_py())}
        yield from ((veiled[place], k, s, more_veiled) for k, s in _direct(clear_texts[place]) if k not in known)
    coded, more_coded = _some(found, ENCODED)
    for position in coded:
        for clear in decoded(cells[position].as_py()):
            yield from ((position, k, s, more_coded) for k, s in _direct(clear) if k in HIDDEN_IN_CODE)


def _some(found: Mapping[str, Rows], disguise: str) -> tuple[list[int], float]:
    """Return the positions to look at, and how many more each of them stands for."""
    rows = found.get(disguise, NOWHERE)
    if len(rows) <= LOOKED_AT:
        return rows.tolist(), 0.0
    chosen = rows[np.linspace(0, len(rows) - 1, LOOKED_AT).astype(np.int64)]
    return chosen.tolist(), len(rows) / LOOKED_AT - 1


def _direct(text: str) -> list[tuple[str, str]]:
    found = {one.kind: shape(text[one.start : one.end]) for one in find(text, _direct_kinds())}
    return list(found.items())


@cache
def _direct_kinds() -> tuple[str, ...]:
    return tuple(k for k, i in identifiers().items() if i.certainty == "direct" and i.loose)
