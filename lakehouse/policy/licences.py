"""SPDX licence expressions: read, checked against the whole SPDX list, and asked what they allow and ask."""

import csv
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

HERE = Path(__file__).parent
OWN = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
OPERATORS = frozenset({"and", "or", "with"})
MAX_WORDS = 200

Right = Literal["share", "adapt", "commercial"]


class LicenceFault(ValueError):
    """The text is no SPDX expression; the message says why."""


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    allows: frozenset[Right]
    asks: frozenset[Literal["attribution", "share_alike"]]


@dataclass(frozen=True, slots=True)
class Expression:
    """A licence, or several joined by `and` (all hold) or `or` (the user chooses)."""

    operator: Literal["", "and", "or"]
    licence: str = ""
    parts: tuple["Expression", ...] = ()

    def allows(self, needs: frozenset[Right]) -> bool:
        """Say whether everybody may do all of this."""
        if not self.operator:
            return needs <= _kind(self.licence).allows
        each = (part.allows(needs) for part in self.parts)
        return all(each) if self.operator == "and" else any(each)

    def asks(self) -> frozenset[str]:
        """Return what users owe whichever licence they choose: attribution, share_alike."""
        if not self.operator:
            return frozenset(_kind(self.licence).asks)
        first, *others = (part.asks() for part in self.parts)
        return first.union(*others) if self.operator == "and" else first.intersection(*others)


@functools.lru_cache(maxsize=1024)
def read_licence(expression: str) -> Expression:
    """Return an SPDX expression's tree.

    Raises:
        LicenceFault: it is malformed, or names what the SPDX list does not have.
    """
    words = re.findall(r"[()]|[^\s()]+", expression)
    if not words or len(words) > MAX_WORDS:
        raise LicenceFault("it is empty" if not words else f"it has more than {MAX_WORDS} words")
    unknown = unknown_licences(expression)
    if unknown:
        raise LicenceFault(f"not in the SPDX list: {', '.join(unknown)}")
    reader = _Reader(words)
    tree = reader.alternatives()
    if reader.words:
        raise LicenceFault(f"AND, OR or WITH is missing before {reader.words[0]!r}")
    return tree


def unknown_licences(expression: str) -> tuple[str, ...]:
    """Return the words of an expression that are no licence, exception or operator; own ``LicenseRef-`` pass."""
    names = re.sub(r"[()]", " ", expression).split()
    unknown = [name for name in names if name.lower() not in OPERATORS and not _known(name)]
    return tuple(unknown) if names else (expression,)


def licence_allows(expression: str | None, needs: Iterable[Right]) -> bool:
    """Say whether a licence lets everybody do this; no licence and a faulty one let nobody do anything."""
    wanted = frozenset(needs)
    try:
        return not wanted if not expression else read_licence(expression).allows(wanted)
    except LicenceFault:
        return not wanted


def licence_asks(expression: str | None) -> tuple[str, ...]:
    """Return what users of data under a licence owe, sorted; nothing is known of a faulty one."""
    try:
        return tuple(sorted(read_licence(expression).asks())) if expression else ()
    except LicenceFault:
        return ()


class _Reader:
    """Reads words from the left: OR binds least, then AND, then WITH."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def alternatives(self) -> Expression:
        parts = [self._joined()]
        while self._take("or"):
            parts.append(self._joined())
        return parts[0] if len(parts) == 1 else Expression("or", parts=tuple(parts))

    def _joined(self) -> Expression:
        parts = [self._licence()]
        while self._take("and"):
            parts.append(self._licence())
        return parts[0] if len(parts) == 1 else Expression("and", parts=tuple(parts))

    def _licence(self) -> Expression:
        if self._take("("):
            inside = self.alternatives()
            if not self._take(")"):
                raise LicenceFault("a bracket is not closed")
            return inside
        name = self._name(exception=False)
        if self._take("with"):
            # An exception only ever permits more; what it adds is for software.
            self._name(exception=True)
        return Expression("", licence=name)

    def _name(self, *, exception: bool) -> str:
        name = self.words.pop(0) if self.words else ""
        if not name or name.lower() in OPERATORS or name in "()":
            raise LicenceFault(f"a name is missing{f' before {name!r}' if name else ' at the end'}")
        if (spdx_kinds().get(_plain(name)) == "exception") != exception:
            raise LicenceFault(f"{name} is {'no exception' if exception else 'an exception: write it after WITH'}")
        return name

    def _take(self, word: str) -> bool:
        found = bool(self.words) and self.words[0].lower() == word
        if found:
            self.words.pop(0)
        return found


@functools.cache
def spdx_kinds() -> Mapping[str, str]:
    """Return the kind of every licence of the SPDX list, by its name in lower case; exceptions are `exception`."""
    lines = (HERE / "spdx.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["id"].lower(): row["kind"] for row in rows}


@functools.cache
def _kinds() -> Mapping[str, _Kind]:
    raw = yaml.safe_load((HERE / "licences.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, _Kind]).validate_python(raw)


def _kind(licence: str) -> _Kind:
    return _kinds()[spdx_kinds().get(_plain(licence), "restricted")]


def _known(name: str) -> bool:
    return _plain(name) in spdx_kinds() or OWN.fullmatch(name) is not None


def _plain(name: str) -> str:
    """Return the name as the list has it: `+` means "or later" after licences whose own name does not end so."""
    lower = name.lower()
    return lower if lower in spdx_kinds() else lower.removesuffix("+")
