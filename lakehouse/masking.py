"""Finds the values that name a person in running text, masks them, and renames the hashes of what was rewritten."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote, quote_plus

WITHDRAWN = "[withdrawn]"
SHORTEST = 4  # shorter values occur in any text by chance
SHORTEST_NUMBER = 5  # a plain number of four digits is a year
TELLING = 8  # longer values with a digit or an @ name somebody also where a name or a number is joined with them
ENDINGS = (
    "txt|csv|tsv|jsonl?|parquet|ya?ml|md|rtf|tex|log|html?|xml|pdf|docx?|xlsx?|pptx?|od[tsp]|png|jpe?g|gif|svg|webp|"
    "mp[34]|wav|webm|mov|py|ipynb|r|sav|dta|sas|sqlite|db|zip|tar|gz|zst"
)
"""Endings of files, which may follow an identifier that ends there."""
Bounds = Literal["text", "strict", "names", "loose"]
HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{12,64}(?![0-9a-f])")
PREFIX_DIGITS = 12


@dataclass(frozen=True)
class Mask:
    """`values` name the person; `renamed` holds new commits and content hashes by the old ones.

    The `bounds` say what may be joined with a value of eight letters or more: in a text a name or number, but to a mail
    address or a word; `strict`: nothing, for an identifier that goes on is somebody else's; `names` of files: anything
    by a sign; `loose`: letters too, as in bytes in which cells stand side by side.
    """

    values: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = "text"

    @cached_property
    def strictly(self) -> "Mask":
        """The mask for texts that may be other people's identifiers."""
        return replace(self, bounds="strict")

    @cached_property
    def in_names(self) -> "Mask":
        """The mask for names of files."""
        return replace(self, bounds="names")

    @cached_property
    def loosely(self) -> "Mask":
        """The mask for bytes of databases and the like, and for what may be meant."""
        return replace(self, bounds="loose")

    def text(self, text: str) -> str:
        """Return the text with the values masked and the hashes renamed."""
        masked = self._pattern.sub(WITHDRAWN, text) if self._pattern else text
        return HASH.sub(lambda found: self._names.get(found[0], found[0]), masked) if self._names else masked

    def holds(self, text: str) -> bool:
        """Say whether a text names the person."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def says(self, text: str) -> bool:
        """Say whether a text names the person, also where it is JSON that spells signs by escapes of its own choice."""
        if self.holds(text):
            return True
        if "\\" not in text or text.lstrip()[:1] not in ("{", "["):
            return False
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return bool(self.structure(value) != value)

    def count(self, text: str) -> int:
        """Return how often a text names the person."""
        return sum(1 for _ in self._pattern.finditer(text)) if self._pattern else 0

    def line_before(self, text: str, at: int) -> int:
        """Return where the last line begins, at or before a place, that no value of the person reaches into."""
        for found in self._pattern.finditer(text) if self._pattern else ():
            if found.start() >= at:
                break
            if found.end() > at:
                at = found.start()
                break
        return text.rfind("\n", 0, at) + 1

    def telling(self) -> "Mask":
        """Return the mask with those values only that name somebody wherever they stand."""
        return Mask(tuple(value for value in self.values if len(value) >= TELLING and not value.isdigit()))

    def blank(self, body: bytes) -> bytes:
        """Return bytes of the same length with the values blanked, so that a file can be changed while it grows."""
        text = body.decode("utf-8", errors="surrogateescape")
        if not self.holds(text):
            return body
        assert self._pattern is not None, "it holds something"
        blanked = self._pattern.sub(lambda found: "#" * len(_bytes(found[0])), text)
        return _bytes(blanked)

    def structure(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a JSON value with every text in it masked; keys of objects are texts too, numbers stay."""
        match value:
            case str():
                return self.document(value)
            case list():
                return [self.structure(one) for one in value]
            case dict():
                return {self.text(key): self.structure(one) for key, one in value.items()}
            case _:
                return value

    def data(self, text: str) -> str:
        """Return a text of a dataset masked; in JSON, numbers that are the person's become null as well.

        Scores stay: what somebody reached equals somebody's number by chance only.
        """
        if text[:1] not in ("{", "["):
            return self.text(text)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        masked = self.without_numbers(self.structure(value))
        return text if masked == value else json.dumps(masked, ensure_ascii=False)

    def without_numbers(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a JSON value in which numbers that are the person's became null, but for scores."""
        match value:
            case bool():
                return value
            case int() | float():
                return None if _plain_number(value) in self._numbers else value
            case list():
                return [self.without_numbers(one) for one in value]
            case dict():
                return {key: one if key == "score" else self.without_numbers(one) for key, one in value.items()}
            case _:
                return value

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset(value for value in self.values if value.isdigit() and _is_sought(value))

    def document(self, text: str) -> str:
        """Return a text masked; JSON stays JSON, so that a number in it is never replaced by words."""
        if text[:1] in ("{", "["):
            try:
                value = json.loads(text)
            except ValueError:
                return self.text(text)
            masked = self.structure(value)
            return text if masked == value else json.dumps(masked)
        return self.text(text)

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Every spelling that is searched for, longest first."""
        spelled = {form for value in self.values if _is_sought(value) for form in _forms(value)}
        return tuple(sorted(spelled, key=lambda form: (-len(form), form)))

    @cached_property
    def marks(self) -> frozenset[str]:
        """Texts of which one stands, in whatever case, wherever a value does: a quick look before the exact one."""
        return frozenset(max(form.split(), key=len) for form in self.forms)

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        bodies = [_bounded(form, self.bounds) for form in self.forms]
        return re.compile("|".join(bodies)) if bodies else None

    @cached_property
    def _names(self) -> Mapping[str, str]:
        short = {old[:PREFIX_DIGITS]: new[:PREFIX_DIGITS] for old, new in self.renamed.items()}
        return {**short, **self.renamed}


def _forms(value: str) -> set[str]:
    """Return a value as plain text, as in JSON, and as in a URL, with its accents in its letters and apart."""
    spelled = {value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD"))}
    # A form that is sent writes a blank as a plus.
    written = (lambda one: one, lambda one: json.dumps(one)[1:-1], quote, lambda one: quote(one, safe=""), quote_plus)
    return {write(one) for write in written for one in spelled}


def _is_sought(value: str) -> bool:
    return len(value.strip()) >= (SHORTEST_NUMBER if value.strip().isdigit() else SHORTEST)


def _bounded(form: str, bounds: Bounds) -> str:
    # Between the words of a name a line may end, also as JSON writes it, or a wider gap stand.
    letters = r"(?:\s|\\[nrt])+".join(re.escape(word) for word in form.split())
    # Capitals tell a name from a word, and nothing about an address or a number.
    if _is_address(form) or len(form) >= TELLING or any(letter.isdigit() for letter in form):
        letters = f"(?i:{letters})"
    is_word = form.isalpha() or form.isdigit()
    if bounds == "loose" and not form.isdigit() and (len(form) >= TELLING or not is_word):
        return letters
    if bounds == "names" and not form.isdigit() and (len(form) >= TELLING or not is_word):
        return _between(r"(?:[^\W_]|\.)" if _is_address(form) else r"[^\W_]", letters, r"[^\W_]")
    if len(form) < TELLING or form.isdigit():
        return _between(r"[\w.-]", letters, r"[\w-]|\.\d")
    if bounds == "strict":
        return _between(r"[\w.+-]", letters, r"[\w-]|\.\w")
    return _in_text(form, letters)


def _in_text(form: str, letters: str) -> str:
    if _is_address(form):
        return _between(r"[\w.-]", letters, rf"[\w-]|\.(?!(?i:{ENDINGS})\b)[a-z0-9]")
    if form.isalpha():
        return _between(r"[\w.-]", letters, r"[\w-]|\.\d")
    return _between(r"[^\W_]", letters, r"[^\W_]")  # a name or number may be joined to it


def _is_address(form: str) -> bool:
    return "@" in form or "%40" in form


def _between(before: str, letters: str, after: str) -> str:
    """Bound a value by what may not stand on its sides; a letter before it may be one of an escape.

    Those are of a line's end or another sign in JSON, of a sign in an address, and of a colour in a terminal's log.
    """
    escapes = (r"\\[nrtbf]", r"\\u[0-9A-Fa-f]{4}", r"%[0-9A-Fa-f]{2}", r"\x1b\[\dm", r"\x1b\[\d\dm", r"\x1b\[\d;\d\dm")
    open_sides = "|".join((f"(?<!{before})", *(f"(?<={one})" for one in escapes)))
    # Looking ahead first: what stands before is asked where a value begins, and not at every letter of a text.
    return f"(?={letters})(?:{open_sides}){letters}(?!{after})"


def _plain_number(number: float) -> str:
    return str(int(number)) if isinstance(number, int) or number.is_integer() else str(number)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")
