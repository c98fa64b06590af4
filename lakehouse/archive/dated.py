"""What in a column looks like a date: in how many ways its values are written, and which stand for no day there is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, count_true
from lakehouse.archive.eds import ColumnDescription, ColumnType
from lakehouse.archive.values import parse

MONTH = r"\p{L}{3,10}\.?"
CLOCK = r"[T ][0-9]{1,2}:[0-9]{2}.*"
# The first two are the standard's; the others are told apart by what stands between their parts.
WAYS: dict[str, str] = {
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "datetime": rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{CLOCK}",
    "points": rf"[0-9]{{1,2}}\.[0-9]{{1,2}}\.([0-9]{{4}}|[0-9]{{2}})({CLOCK})?",
    "slashes": rf"[0-9]{{1,2}}/[0-9]{{1,2}}/([0-9]{{4}}|[0-9]{{2}})({CLOCK})?",
    "dashes": rf"[0-9]{{1,2}}-[0-9]{{1,2}}-([0-9]{{4}}|[0-9]{{2}})({CLOCK})?",
    "year first": rf"[0-9]{{4}}([./][0-9]{{1,2}}[./][0-9]{{1,2}}|-[0-9]-[0-9]{{1,2}}|-[0-9]{{2}}-[0-9])({CLOCK})?",
    "day and month's name": rf"[0-9]{{1,2}}\.?[ -]{MONTH}[ -]([0-9]{{4}}|[0-9]{{2}})",
    "month's name and day": rf"{MONTH} [0-9]{{1,2}},? [0-9]{{4}}",
}
TYPES = ("date", "datetime")
# So many values of a column look like dates where it is taken for one of dates.
MOST = 0.5
# A column with so many values that are no dates is not looked at any further while they are more than the dates.
MANY_OTHER = 1_000
LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Dated:
    """Values of a column that look like dates, though the column is not of a type of dates.

    `ways` has by way of writing how many values (at least one each) and one of them; `wrong` counts the values that
    are written as the standard wants it and are no day or moment there is, such as 2023-02-30, and `wrong_one` is one
    of them; `others` counts those that do not look like a date, and `other_one` is one of them.
    """

    ways: Mapping[str, tuple[int, str]]
    wrong: int = 0
    wrong_one: str = ""
    others: int = 0
    other_one: str = ""


@dataclass(slots=True)
class DateLook:
    """Counts what looks like a date among the values of a column, batch after batch."""

    _ways: dict[str, tuple[int, str]] = field(default_factory=dict)
    _wrong: tuple[int, str] = (0, "")
    _others: tuple[int, str] = (0, "")

    def add(self, values: Cells, counts: Mapping[str, int]) -> None:
        """Look at the next different values, and how often each comes; missing ones are not among them."""
        if self._others[0] > max(MANY_OTHER, self._dates()):
            return
        left = values
        for way, pattern in WAYS.items():
            is_so = pc.match_substring_regex(left, f"^({pattern})$")
            found = left.filter(is_so)
            if len(found):
                self._ways[way] = _more(self._ways.get(way, (0, "")), found, counts)
                if way in TYPES:
                    self._wrong = _more(self._wrong, _none_there_is(found, way), counts)
                left = left.filter(pc.invert(is_so))
        self._others = _more(self._others, left, counts)

    def _dates(self) -> int:
        return sum(number for number, _ in self._ways.values())

    def told(self) -> Dated | None:
        """Return what looks like a date; None where no more values do so than do not."""
        dates, others = self._dates(), self._others[0]
        if dates <= (dates + others) * MOST:
            return None
        return Dated(self._ways, *self._wrong, *self._others)


def _none_there_is(values: Cells, way: str) -> Cells:
    """Return the values that are no day, or no moment, of the calendar."""
    type_: ColumnType = "date" if way == "date" else "datetime"
    parsed = parse(values, ColumnDescription(type=type_, description="-"))
    return values.filter(parsed.wrong) if count_true(parsed.wrong) else pa.array([], pa.string())


def _more(known: tuple[int, str], found: Cells, counts: Mapping[str, int]) -> tuple[int, str]:
    values = list(map(str, found.to_pylist()))
    return known[0] + sum(counts[value] for value in values), known[1] or next(iter(values), "")


def shown(value: str) -> str:
    """Return a value as a person is shown it: quoted, in ASCII, and cut where it is long."""
    return json.dumps(value[:LONGEST_SHOWN], ensure_ascii=True)


def said_of_dates(dated: Dated) -> str:
    """Return what a person has to mend before the column can be one of dates."""
    dates, (way, *more) = sum(number for number, _ in dated.ways.values()), dated.ways
    faults = [f"{shown(dated.wrong_one)} is no day there is"] if dated.wrong else []
    faults += [f"{shown(dated.other_one)} is no date"] if dated.others else []
    if more:
        examples = ", ".join(shown(one) for _, one in dated.ways.values())
        head = f"dates are written in {len(dated.ways)} ways, {examples}"
    elif way not in TYPES:
        head = f"dates are written like {shown(dated.ways[way][1])}"
    else:
        head = f"{dates - dated.wrong:,} of {dates + dated.others:,} values are dates"
        return f"{', and '.join([head, *faults])}: is this a mistake? Then mend it and write {way}"
    return f"{', and '.join([head, *faults])}: write all of them like 2024-12-31, then type: date"
