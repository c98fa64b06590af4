"""Whom the names of files and folders tell of: they are published as they are, whatever the files hold."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote_plus

import pyarrow as pa

from lakehouse.archive.letters import folded
from lakehouse.archive.privacy.asked import anywhere, behind_sieve, behind_wide_sieve
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.digits import ascii_digits
from lakehouse.archive.privacy.disguise import HIDDEN_IN_CODE, decoded, unveiled
from lakehouse.archive.privacy.engine import candidates
from lakehouse.archive.privacy.finder import NAME, find
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.names import has_name_word, is_name_cell

# One value of these is one person's; numbers of other kinds may be those of rooms and runs, too.
CERTAIN = frozenset({"email", "social_security", "iban"})
# From so many names of persons in one folder on, its files or folders are one person's each. So many different ones in
# folders of their own, beside each other or numbered, are so, too.
LEAST_NAMES = 3
# An address may have been written into another one.
MOST_QUOTED = 3
WORD = re.compile(r"[^\W\d_]{2,}")
# A letter may stand between, as an initial does.
BETWEEN = re.compile(r"(?:[^\w@]|_){1,3}(?:[^\W\d_](?:[^\w@]|_){1,3})?")


@dataclass(frozen=True, slots=True)
class _Told:
    """What one name tells: the kinds of identifiers in it, and a person's name, the same in each order and script."""

    kinds: frozenset[str]
    person: str | None


@dataclass(frozen=True, slots=True)
class TellingNames:
    """Files and folders, by their places, whose names tell of persons, and what of them: those of one folder.

    Names of persons that stand by few in many folders are together.
    """

    places: tuple[str, ...]
    kinds: tuple[str, ...]
    certain: bool


def telling(places: Iterable[str], titled: frozenset[str] = frozenset()) -> Iterator[TellingNames]:
    """Yield, by folder, which names tell of persons; `titled` are folders whose files are called what they are about.

    There a person's name is whom a text is by or about, as its title.
    """
    entries = sorted({place[:end] for place in places for end in _ends(place)})
    folders = _by_folder(entries, _told([entry.rpartition("/")[2] for entry in entries]))
    strewn: dict[str, _Told] = {}
    for folder, found in folders.items():
        sure = {entry: one for entry, one in found.items() if not CERTAIN.isdisjoint(one.kinds)}
        rest = {entry: one for entry, one in found.items() if entry not in sure}
        if folder in titled:
            yield from _together(rest, certain=False)
        elif sum(NAME in one.kinds for one in found.values()) >= LEAST_NAMES:
            sure = found
        else:
            strewn.update(rest)
        yield from _together(sure, certain=True)
    yield from _strewn(strewn)


def _strewn(found: dict[str, _Told]) -> Iterator[TellingNames]:
    """Yield names that are few in each of their folders: with persons enough in folders alike they are sure as well."""
    alike: dict[str, dict[str, _Told]] = {}
    for entry, one in found.items():
        if one.person is not None:
            alike.setdefault(_like(entry.rpartition("/")[0]), {})[entry] = one
    for named in alike.values():
        if len({one.person for one in named.values()}) >= LEAST_NAMES:
            yield from _together(named, certain=True)
            found = {entry: one for entry, one in found.items() if entry not in named}
    for group in _by_folder(list(found), list(found.values())).values():
        yield from _together(group, certain=False)


def _like(folder: str) -> str:
    """Return what a folder has in common with others of its kind: all but its numbers, or else but its own name."""
    parts = ["#" if any(map(str.isdigit, part)) else part for part in folder.split("/")]
    return "/".join(parts if "#" in parts or not folder else [*parts[:-1], "#"])


def _together(found: dict[str, _Told], *, certain: bool) -> Iterator[TellingNames]:
    if found:
        kinds = {kind for one in found.values() for kind in one.kinds}
        yield TellingNames(tuple(found), tuple(kind for kind in identifiers() if kind in kinds), certain)


def _ends(place: str) -> Iterator[int]:
    yield from (at for at, letter in enumerate(place) if letter == "/")
    yield len(place)


def _by_folder(entries: list[str], told: list[_Told]) -> dict[str, dict[str, _Told]]:
    folders: dict[str, dict[str, _Told]] = {}
    for entry, mine in zip(entries, told, strict=True):
        if mine.kinds:
            folders.setdefault(entry.rpartition("/")[0], {})[entry] = mine
    return folders


def _told(names: list[str]) -> list[_Told]:
    """Return what each name tells, in whichever way it is read."""
    direct = tuple(kind for kind, one in identifiers().items() if one.certainty == "direct" and one.loose)
    readings = [_readings(name) for name in names]
    # Blanks may stand for what joins the words.
    texts = [(at, text) for at, mine in enumerate(readings) for one in mine for text in {one, one.replace("_", " ")}]
    kinds: list[set[str]] = [set() for _ in names]
    for place in sorted(_worth_a_look(pa.array([text for _, text in texts], pa.string()))):
        at, text = texts[place]
        kinds[at] |= {one.kind for one in find(text, direct)}
    hidden = [tuple(decoded(name)) for name in names]
    for at, clear in enumerate(hidden):
        kinds[at] |= {one.kind for text in clear for one in find(text, direct) if one.kind in HIDDEN_IN_CODE}
    persons = [
        min((person for one in (*mine, *clear) for person in _persons(one)), default=None)
        for mine, clear in zip(readings, hidden, strict=True)
    ]
    return [
        _Told(frozenset(mine if person is None else {*mine, NAME}), person)
        for mine, person in zip(kinds, persons, strict=True)
    ]


def _readings(name: str) -> set[str]:
    """Return a name as it is written and as what it looks like or stands for, such as that of an address with %20.

    Some systems write accents apart.
    """
    written = unicodedata.normalize("NFC", name)
    addressed = [written]
    while len(addressed) <= MOST_QUOTED and (clear := unquote_plus(addressed[-1])) != addressed[-1]:
        addressed.append(clear)
    return {*addressed, *(ascii_digits(unveiled(text)) for text in addressed)}


def _worth_a_look(texts: "pa.Array[pa.StringScalar]") -> set[int]:
    hits: Mapping[str, object] = candidates(
        anywhere("columns"), texts, behind_sieve("columns"), behind_wide_sieve("columns")
    )
    return {int(at) for rows in hits.values() for at in rows}  # type: ignore[attr-defined]


def _persons(name: str) -> Iterator[str]:
    """Yield two words beside each other that are a person's name; in small letters both must be nothing else."""
    for text in {name, _apart(name)}:  # McDonald is one word, AnnaSmith are two
        for one, two in pairwise(WORD.finditer(text)):
            if BETWEEN.fullmatch(text, one.end(), two.start()) is None:
                continue
            capitals = one[0][0].isupper() and two[0][0].isupper()
            if not capitals and not (has_name_word(one[0]) and has_name_word(two[0])):
                continue
            if is_name_cell(f"{one[0].title()} {two[0].title()}", Where.ELSEWHERE):
                yield " ".join(sorted((folded(one[0]), folded(two[0]))))


def _apart(name: str) -> str:
    """Return a name with a blank where a capital begins a word: after a small letter, or between a capital and one."""
    parts = [name[:1]]
    for before, letter, after in zip(name, name[1:], f"{name[2:]} ", strict=False):
        begins = letter.isupper() and (before.islower() or (before.isupper() and after.islower()))
        parts.append(f" {letter}" if begins else letter)
    return "".join(parts)
