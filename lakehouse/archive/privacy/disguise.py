"""Sees through what can hide a value: letters that only look like Latin ones, invisible signs, base64."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import pyarrow as pa

from lakehouse.archive.arrays import Cells
from lakehouse.archive.privacy.engine import Patterns, Rows
from lakehouse.archive.privacy.finder import find
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.showing import shape

# Cells looked at one by one in each chunk, so that a column of hashes costs no more than its first ones.
LOOKED_AT = 200
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u180e"))
# Letters that look alike in Cyrillic and Greek (Unicode Technical Standard 39, confusables).
ALIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝһАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοονιρ",
    "abekmhopctyxijsdqwhABEKMHOPCTYXIJSABEZHIKMNOPTYXoovip",
)
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"), "-")
PLAIN: dict[int, str | int | None] = {**INVISIBLE, **DASHES}
UNVEILED = {**ALIKE, **PLAIN}
# A letter of another script, a full-width sign, an odd dash or an invisible one beside what is written in ASCII.
VEIL = (
    "[0-9A-Za-z@][\u00ad\u200b-\u200d\u2060\ufeff\u0370-\u052f\uff00-\uff5e]|[0-9][\u2010-\u2014\u2212][0-9]"
    "|[\u0370-\u052f\uff00-\uff5e][0-9A-Za-z@]|[\uff10-\uff19]{3}"
)
# A run of base64 with its filling, or a longer one with a capital inside, where words have none. It ends where the run
# does, so that a picture of many thousand letters is one match.
CODE = r"[A-Za-z0-9+/]{10}={1,2}|[A-Za-z0-9+/][A-Z][A-Za-z0-9+/]{13,}(?:[^A-Za-z0-9+/]|$)"
VEILED, ENCODED = "veiled", "encoded"
VEILS: Patterns = ((VEILED, VEIL),)
CODES: Patterns = ((ENCODED, CODE),)
HIDDEN_IN_CODE = frozenset({"email", "social_security", "phone", "payment_card", "iban"})
_CODED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{12,4096}={0,2}(?![A-Za-z0-9+/=])")


def plain(text: str) -> str:
    """Return a text in the letters that it looks written in; a text in ASCII as it is."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(PLAIN)


def unveiled(text: str) -> str:
    """Return a text with letters of other scripts replaced by the Latin ones they look like."""
    return unicodedata.normalize("NFKC", text).translate(UNVEILED)


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
) -> Iterator[tuple[int, str, str]]:
    """Yield position, kind and shape of values that only show in the cells' plain or decoded letters.

    `found` says by the names of the disguises in which cells they may be; `look` says by kind where something may
    stand in other cells, so that most of them need no closer look.
    """
    veiled = _first(found, VEILED)
    clear_texts = [unveiled(cells[position].as_py()) for position in veiled]
    hits = look(pa.array(clear_texts, pa.string())) if veiled else {}
    for place in sorted({place for kind in _direct_kinds() if kind in hits for place in hits[kind].tolist()}):
        known = {one.kind for one in find(cells[veiled[place]].as_py())}
        yield from ((veiled[place], k, s) for k, s in _direct(clear_texts[place]) if k not in known)
    for position in _first(found, ENCODED):
        for clear in decoded(cells[position].as_py()):
            yield from ((position, k, s) for k, s in _direct(clear) if k in HIDDEN_IN_CODE)


def _first(found: Mapping[str, Rows], disguise: str) -> list[int]:
    rows: list[int] = found[disguise][:LOOKED_AT].tolist() if disguise in found else []
    return rows


def _direct(text: str) -> list[tuple[str, str]]:
    found = {one.kind: shape(text[one.start : one.end]) for one in find(text, _direct_kinds())}
    return list(found.items())


@cache
def _direct_kinds() -> tuple[str, ...]:
    return tuple(k for k, i in identifiers().items() if i.certainty == "direct" and i.loose)
