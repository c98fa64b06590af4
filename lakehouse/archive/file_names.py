"""Whom the names of files and folders tell of: they are published as they are, whatever the files hold."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.engine import candidates
from lakehouse.archive.privacy.finder import NAME, find
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.names import has_name_word, is_name_cell
from lakehouse.archive.privacy.scan import anywhere, behind_sieve

# One value of these is one person's; numbers of other kinds may be those of rooms and runs, too.
CERTAIN = frozenset({"email", "social_security", "iban"})
# From so many names of persons in one folder on, its files or folders are one person's each.
LEAST_NAMES = 3
WORD = re.compile(r"[^\W\d_]{2,}")
BETWEEN = re.compile(r"[ _.,-]{1,3}")


@dataclass(frozen=True, slots=True)
class TellingNames:
    """The files and folders of one folder, by their places, whose names tell of persons, and what of them."""

    places: tuple[str, ...]
    kinds: tuple[str, ...]
    certain: bool


def telling(places: Iterable[str], titled: frozenset[str] = frozenset()) -> Iterator[TellingNames]:
    """Yield, by folder, which names tell of persons; `titled` are folders whose files are called what they are about.

    There a person's name is whom a text is by or about, as its title.
    """
    entries = sorted({place[:end] for place in places for end in _ends(place)})
    for folder, found in _by_folder(entries, _kinds([entry.rpartition("/")[2] for entry in entries])).items():
        named = sum(NAME in kinds for kinds in found.values())
        for certain in (True, False):
            sure = {
                entry: kinds
                for entry, kinds in found.items()
                if certain == (not CERTAIN.isdisjoint(kinds) or (named >= LEAST_NAMES and folder not in titled))
            }
            if sure:
                kinds = {kind for kinds in sure.values() for kind in kinds}
                yield TellingNames(tuple(sure), tuple(k for k in identifiers() if k in kinds), certain)


def _ends(place: str) -> Iterator[int]:
    yield from (at for at, letter in enumerate(place) if letter == "/")
    yield len(place)


def _by_folder(entries: list[str], kinds: list[frozenset[str]]) -> dict[str, dict[str, frozenset[str]]]:
    folders: dict[str, dict[str, frozenset[str]]] = {}
    for entry, mine in zip(entries, kinds, strict=True):
        if mine:
            folders.setdefault(entry.rpartition("/")[0], {})[entry] = mine
    return folders


def _kinds(names: list[str]) -> list[frozenset[str]]:
    """Return of each name which kinds of identifiers stand in it, as it is or with blanks for what joins its words."""
    names = [unicodedata.normalize("NFC", name) for name in names]  # some systems write accents apart
    spaced = [name.replace("_", " ") for name in names]
    direct = tuple(kind for kind, one in identifiers().items() if one.certainty == "direct" and one.loose)
    found: list[set[str]] = [{NAME} if _names_somebody(name) else set() for name in names]
    for texts in (names, spaced):
        for at in sorted(_worth_a_look(pa.array(texts, pa.string()))):
            found[at] |= {one.kind for one in find(texts[at], direct)}
    return [frozenset(kinds) for kinds in found]


def _worth_a_look(texts: "pa.Array[pa.StringScalar]") -> set[int]:
    hits: Mapping[str, object] = candidates(anywhere("columns"), texts, behind_sieve("columns"))
    return {int(at) for rows in hits.values() for at in rows}  # type: ignore[attr-defined]


def _names_somebody(name: str) -> bool:
    """Say whether two words beside each other are a person's name; in small letters both must be nothing else."""
    words = list(WORD.finditer(name))
    for one, two in pairwise(words):
        if BETWEEN.fullmatch(name, one.end(), two.start()) is None:
            continue
        capitals = one[0][0].isupper() and two[0][0].isupper()
        if not capitals and not (has_name_word(one[0]) and has_name_word(two[0])):
            continue
        if is_name_cell(f"{one[0].title()} {two[0].title()}", Where.ELSEWHERE):
            return True
    return False
