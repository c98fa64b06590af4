"""The purposes data can be used for, and which of them include which."""

import functools
from collections.abc import Collection, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from lakehouse.policy.licences import Right

FILE = Path(__file__).parent / "purposes.yaml"


class Purpose(BaseModel):
    """One purpose: what it means, what it includes, and what a licence must allow for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    description: str
    needs: frozenset[Right]
    includes: tuple[str, ...] = ()
    duo: str | None = None


@functools.cache
def purposes() -> Mapping[str, Purpose]:
    """Return all purposes by code, in the order of the file."""
    return TypeAdapter(dict[str, Purpose]).validate_python(yaml.safe_load(FILE.read_text(encoding="utf-8")))


@functools.cache
def lineage(code: str) -> tuple[str, ...]:
    """Return a purpose and those that include it, from itself to the most general."""
    above = [code]
    while (parent := _parents().get(above[-1])) is not None:
        above.append(parent)
    return tuple(above)


def includes(general: str, narrow: str) -> bool:
    """Say whether one purpose is the other or includes it."""
    return general in lineage(narrow)


def meets(one: str, other: str) -> bool:
    """Say whether two purposes have any use in common."""
    return includes(one, other) or includes(other, one)


def outermost(codes: Collection[str]) -> tuple[str, ...]:
    """Return those of the purposes that no other of them includes, in the order of the file."""
    return tuple(code for code in purposes() if code in codes and not set(lineage(code)[1:]) & set(codes))


@functools.cache
def _parents() -> Mapping[str, str]:
    pairs = [(narrow, general) for general, purpose in purposes().items() for narrow in purpose.includes]
    parents = dict(pairs)
    assert len(parents) == len(pairs), "a purpose is included in two others"
    assert parents.keys() <= purposes().keys(), "a purpose includes one that is not there"
    return parents
