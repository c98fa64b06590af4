"""What in a column looks like a number with a comma in it, as many countries and their spreadsheets write them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells

WHOLE = r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)"
# In this order: what may be thousands may be decimals, too, and what has a point of its own is no decimal comma.
WAYS: dict[str, str] = {
    "thousands": r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+",
    "decimal": rf"{WHOLE},[0-9]+",
    "plain": r"[+-]?[0-9]+(\.[0-9]+)?",
}
# Up to this share of the values of a column of numbers may be something else.
MOST_OTHERS = 0.05
# A column with so many values that are no numbers is not looked at any further while they are more than the numbers.
MANY_OTHER = 1_000


@dataclass(frozen=True, slots=True)
class Commas:
    """How many of a column's values are numbers with a comma, `one` of them, and how many are numbers without.

    `thousands` says that every comma may stand between thousands; `others` counts what is no number.
    """

    count: int
    one: str
    plain: int
    others: int
    thousands: bool


@dataclass(slots=True)
class CommaLook:
    """Counts numbers with a comma among the values of a column, batch after batch."""

    _counts: dict[str, int] = field(default_factory=dict)
    _ones: dict[str, str] = field(default_factory=dict)

    def add(self, values: Cells, counts: Mapping[str, int]) -> None:
        """Look at the next different values, and how often each comes; missing ones are not among them."""
        others = self._counts.get("others", 0)
        if others > max(MANY_OTHER, sum(self._counts.values()) - others):
            return
        left = values
        for way, pattern in WAYS.items():
            is_so = pc.match_substring_regex(left, f"^({pattern})$")
            self._note(way, left.filter(is_so), counts)
            left = left.filter(pc.invert(is_so))
        self._note("others", left, counts)

    def _note(self, way: str, found: Cells, counts: Mapping[str, int]) -> None:
        values = list(map(str, found.to_pylist()))
        self._counts[way] = self._counts.get(way, 0) + sum(counts[value] for value in values)
        if values:
            self._ones.setdefault(way, values[0])

    def told(self) -> Commas | None:
        """Return what has a comma; None where nothing has, or too much is no number."""
        thousands, decimal, plain, others = (self._counts.get(way, 0) for way in (*WAYS, "others"))
        if not thousands + decimal or others > (thousands + decimal + plain + others) * MOST_OTHERS:
            return None
        one = self._ones.get("decimal") or self._ones["thousands"]
        return Commas(thousands + decimal, one, plain, others, thousands=not decimal)


def said_of_commas(commas: Commas) -> str:
    """Return what a person has to write otherwise before the column can be one of numbers."""
    one, numbers = json.dumps(commas.one), commas.count + commas.plain
    share = f"{commas.count:,} of {numbers + commas.others:,} values are numbers with a comma, such as {one}"
    if commas.thousands:
        point, bare = json.dumps(commas.one.replace(",", ".", 1)), json.dumps(commas.one.replace(",", ""))
        return f"{share}: write {bare} if that is what it means, or {point}, then type: number"
    bare = json.dumps(commas.one.replace(".", "").replace(",", "."))
    return f"{share}: write them with a point, {bare}, then type: number"
