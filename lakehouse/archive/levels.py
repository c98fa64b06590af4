"""The words a verdict is made of: levels of findings, FAIR principles, priorities and what an indicator can be."""

import json
import re
from collections.abc import Mapping
from typing import Literal

HEADED = re.compile(r"\.(csv|tsv)(\.gz|\.zst)?(: |$)")
BEYOND_ASCII = re.compile(r"[^\n -~]")

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

PERSONAL = "PERSONAL_"
"""What the codes of findings of personal data begin with."""

Principle = Literal["F", "A", "I", "R"]
PRINCIPLES: Mapping[Principle, str] = {
    "F": "Findable",
    "A": "Accessible",
    "I": "Interoperable",
    "R": "Reusable",
}

Priority = Literal["essential", "important", "useful"]
PRIORITIES: tuple[Priority, ...] = ("essential", "important", "useful")

FairVerdict = Literal["met", "partly met", "not met", "does not apply", "after publication"]
"""The last two are not counted: no folder of this kind can meet or miss them, or no folder at all can show them."""


def down_to(level: Level) -> tuple[Level, ...]:
    """Return this level and the graver ones."""
    return LEVELS[: LEVELS.index(level) + 1]


class Number(int):
    """A number in a rule's message: ``{count:row}`` is *1 row* or *2 rows*, ``{count:is|are}`` the word that fits."""

    def __format__(self, form: str) -> str:
        """Return the number with its noun, the fitting word, or what the number's own format says."""
        one, choice, many = form.partition("|")
        if choice:
            return one if self == 1 else many
        return counted(self, form) if form.isalpha() else super().__format__(form)


def spoken(message: str) -> str:
    """Return a rule's message as documents show it: with its nouns and verbs in the plural."""
    return re.sub(r"\{(\w+):(?:([^{}|]+)|[^{}|]+\|([^{}|]+))\}", _plural, message)


def _plural(match: re.Match[str]) -> str:
    name, noun, many = match.groups()
    return many or f"{{{name}}} {noun}s"


def numbered_row(place: str, row: int) -> str:
    """Return a data row's number for people; where the file has a header, as programs of tables count lines too."""
    return f"{row} (line {row + 1})" if row and HEADED.search(place) else str(row)


def printable(text: str) -> str:
    """Return text from outside with control and direction characters written out, which a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def printable_json(text: str) -> str:
    """Return JSON with the same values, in which such characters are escaped; line ends between values stay."""
    return BEYOND_ASCII.sub(lambda found: _json_letter(found[0]), text)


def _json_letter(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one: ``1 error``, ``2 errors``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
