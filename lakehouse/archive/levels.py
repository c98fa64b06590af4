"""The words a verdict is made of: levels of findings, FAIR principles, priorities and what an indicator can be."""

from collections.abc import Mapping
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

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


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one: ``1 error``, ``2 errors``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
