"""The kinds of personal identifiers as data: how each looks, in which class of which law it falls, when it counts."""

import functools
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lakehouse.archive.strict_yaml import read_yaml

RULES_FOLDER = Path(__file__).parent.parent / "rules"
# Whose kinds are not asked for again; a folder may have a file for each of its days.
COLUMNS_REMEMBERED = 1_000
Confirmation = Literal["none", "card", "iban", "ssn", "national_id", "public_ip", "vehicle", "phone", "birth_date"]
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z_]+$")]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdentifierClass(_Data):
    """One class of identifiers as a law names it."""

    law: Literal["HIPAA", "FERPA"]
    title: str


NEVER = 1_000_000_000
"""The threshold of a kind that nothing is refused for."""


class Identifier(_Data):
    """One kind of personal identifier: how its values look, and from how many on a column or collection is personal.

    `share` is of the non-missing values; the `context_` threshold holds where a word of `context` is in the name or
    the description of the column; `shortest` is the least number of bytes a value has; `sieved` says that a
    `pattern` holds only where the first pass's sieve does, `cue_sieved` that a `cue_pattern` holds only where the wide
    one does. A kind without a `pattern` counts only there, or after its cue. One that `covers` another and is found
    makes the other one superfluous.
    """

    title: str
    classes: tuple[str, ...]
    shortest: int = Field(default=1, ge=1)
    pattern: str | None = None
    probe: str | None = None
    cue_pattern: str | None = None
    cue_probe: str | None = None
    sieved: bool = False
    cue_sieved: bool = False
    context_pattern: str | None = None
    exclude: str | None = None
    confirm: Confirmation = "none"
    judged_by: Literal["patterns", "names"] = "patterns"
    where: Literal["everywhere", "texts"] = "everywhere"
    certainty: Literal["direct", "indirect"] = "direct"
    context: tuple[str, ...] = ()
    count: int = Field(default=1, ge=1)
    share: float = Field(default=0.0, ge=0.0)
    context_count: int = Field(default=1, ge=1)
    context_share: float = Field(default=0.0, ge=0.0)
    text_count: int = Field(default=20, ge=1)
    text_share: float = Field(default=0.2, ge=0.0)
    covers: str | None = None
    reason: str

    @property
    def may_refuse(self) -> bool:
        """Whether any number of values in a column or a file makes it personal; else they only warn, or are noted."""
        return self.certainty == "direct" and min(self.count, self.context_count) < NEVER

    @property
    def loose(self) -> tuple[str, ...]:
        """The patterns that are looked for anywhere, each matching where a value of this kind may stand."""
        return tuple(p for p in (self.probe or self.pattern, self.cue_probe or self.cue_pattern) if p is not None)

    @property
    def exact(self) -> tuple[str, ...]:
        """The patterns one of which fits wherever a value of this kind stands in a text."""
        return tuple(p for p in (self.pattern, self.cue_pattern) if p is not None)

    @property
    def shape_is_enough(self) -> bool:
        """Whether nothing but the pattern, which is then the value itself, decides."""
        return self.confirm == "none" and self.pattern is not None and not compiled(self.pattern).groups


@functools.cache
def identifiers() -> dict[str, Identifier]:
    """Return the kinds of personal identifiers by name, the most certain first."""
    return TypeAdapter(dict[Kind, Identifier]).validate_python(read_rules("identifiers.yaml"))


@functools.cache
def identifier_classes() -> dict[str, IdentifierClass]:
    """Return the classes of identifiers that the laws name."""
    return TypeAdapter(dict[str, IdentifierClass]).validate_python(read_rules("identifier_classes.yaml"))


@functools.cache
def word_list(name: str) -> frozenset[str]:
    """Return a list of single words under ``rules/``, e.g. ``surnames``, in lower case."""
    text = (RULES_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(re.sub("#.*", "", text).lower().split())


def read_rules(name: str) -> object:
    """Return a file under ``rules/`` as plain data."""
    return read_yaml((RULES_FOLDER / name).read_bytes())


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as Python reads it, with the ASCII meaning that the other two engines have."""
    return re.compile(pattern, re.ASCII)


@functools.cache
def _spoken(name: str, description: str) -> tuple[frozenset[str], str, str]:
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.findall(r"[a-z]+", split.lower().replace("_", " "))
    described = re.findall(r"[a-z]+", description.lower())
    return frozenset(words + described), "".join(words), f"_{'_'.join(words)}_ _{'_'.join(described)}_"


def has_context(identifier: Identifier, name: str, description: str) -> bool:
    """Say whether a word of the identifier's context stands in a column's name or description."""
    said, joined, chained = _spoken(name[:200], description[:2000])
    return any(
        word in said or word == joined or ("_" in word and (f"_{word}_" in chained or word.replace("_", "") == joined))
        for word in identifier.context
    )


@functools.lru_cache(COLUMNS_REMEMBERED)
def kinds_in_context(name: str, description: str) -> frozenset[str]:
    """Return the kinds of whose context a word stands in a column's name or description."""
    return frozenset(kind for kind, one in identifiers().items() if has_context(one, name, description))
