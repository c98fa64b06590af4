"""What a column seems to hold, told from all its cells: type, levels, codes for missing values, whether it is a key."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, count_true
from lakehouse.archive.batches import Batch
from lakehouse.archive.commas import CommaLook, Commas
from lakehouse.archive.dated import Dated, DateLook
from lakehouse.archive.eds import ColumnDescription, ColumnType
from lakehouse.archive.values import parse

# Words that stand for "no value" in files of spreadsheets and statistics programs.
CODES = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "-", "--", ".", "?", "missing")
# Numbers that stand for it where all other values are not negative.
NUMBER_CODES = (-9, -88, -99, -999, -9999, -99999)
# In this order: 0 and 1 are numbers before they are truths.
TYPES: tuple[ColumnType, ...] = ("integer", "number", "date", "datetime", "boolean")
# A number that begins so is a code whose zeros count, such as a postal code.
LEADING_ZERO = r"^[+-]?0[0-9]"
PERCENT = r"^[+-]?[0-9]+([.,][0-9]+)? ?%$"
# How the name of a key ends.
KEY_NAME = re.compile(r"_?(id|key|code|number|no)$")
MOST_LEVELS, LONGEST_LEVEL, ROWS_A_LEVEL = 20, 60, 5
# Up to this share of values that are no numbers may be mistakes in a column of numbers.
MOST_ODD, MANY_ODD = 0.05, 1_000
# Values held to see whether one comes again; a longer column is not proposed as a key.
MOST_KEYS = 3_000_000


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column seems to be; `low` and `high` are of numbers, `suspect` a number that may stand for no value.

    `odd` is how many values of a text column are no numbers, where nearly all others are, and `odd_one` is one of them.
    `percent` says that all values are numbers with a sign of percent behind them, and `dated` of a text column that
    most of its values look like dates, `commas` that they are numbers with a comma.
    """

    type: ColumnType
    rows: int
    empty: int
    codes: tuple[str, ...]
    levels: tuple[str, ...]
    unique: bool
    low: float | None = None
    high: float | None = None
    suspect: int | None = None
    odd: int = 0
    odd_one: str = ""
    percent: bool = False
    dated: Dated | None = None
    commas: Commas | None = None

    @property
    def complete(self) -> bool:
        """Whether every row has a value."""
        return self.rows > 0 and self.empty == 0


@dataclass(slots=True)
class ColumnLook:
    """Looks at a column's cells, batch after batch; `guess` tells what they seem to be, if nothing contradicts."""

    rows: int = 0
    empty: int = 0
    _types: list[ColumnType] = field(default_factory=lambda: list(TYPES))
    _codes: dict[str, int] = field(default_factory=dict)
    _values: dict[str, int] | None = field(default_factory=dict)
    _seen: set[int] | None = field(default_factory=set)
    _bounds: list[float] = field(default_factory=list)
    _zeros: bool = False
    _odd: int = 0
    _odd_one: str = ""
    _percent: bool = True
    _dates: DateLook = field(default_factory=DateLook)
    _commas: CommaLook = field(default_factory=CommaLook)

    def add(self, cells: Cells) -> None:
        """Look at the next cells, of type `string`."""
        self.rows += len(cells)
        counted = _counted(cells)
        for code in CODES:
            if code in counted:
                self._codes[code] = self._codes.get(code, 0) + counted[code]
        self.empty += sum(number for value, number in counted.items() if value in ("", *CODES))
        present = {value: number for value, number in counted.items() if value and value not in CODES}
        self._note_values(present)
        if present:
            values = pa.array(present, pa.string())
            self._rule_out(values)
            self._note_odd(values, present)
            self._dates.add(values, present)
            self._commas.add(values, present)
            self._percent = self._percent and bool(pc.all(pc.match_substring_regex(values, PERCENT)).as_py())

    def _note_values(self, present: Mapping[str, int]) -> None:
        if self._values is not None:
            for value, number in present.items():
                self._values[value] = self._values.get(value, 0) + number
            if len(self._values) > MOST_LEVELS or max(map(len, self._values), default=0) > LONGEST_LEVEL:
                self._values = None
        if self._seen is not None:
            before = len(self._seen)
            self._seen.update(map(hash, present))
            if len(self._seen) < before + sum(present.values()) or len(self._seen) > MOST_KEYS:
                self._seen = None

    def _rule_out(self, values: Cells) -> None:
        if pc.any(pc.match_substring_regex(values, LEADING_ZERO)).as_py():
            self._types = [type_ for type_ in self._types if type_ not in ("integer", "number")]
            self._zeros = True
        for type_ in list(self._types):
            parsed = parse(values, ColumnDescription(type=type_, description="-"))
            if count_true(parsed.wrong):
                self._types.remove(type_)
            elif type_ == "number":
                self._bounds += [pc.min(parsed.values).as_py(), pc.max(parsed.values).as_py()]
                self._bounds = [min(self._bounds), max(self._bounds)]

    def _note_odd(self, values: Cells, present: Mapping[str, int]) -> None:
        if "number" in self._types or self._zeros or self._odd > MANY_ODD:
            return
        parsed = parse(values, ColumnDescription(type="number", description="-"))
        odd = list(map(str, values.filter(parsed.wrong).to_pylist()))
        self._odd += sum(present[value] for value in odd)
        self._odd_one = self._odd_one or next(iter(odd), "")

    def guess(self) -> Guess:
        """Return what the cells so far seem to be; text where there is none or nothing else fits."""
        known = self.rows > self.empty
        type_: ColumnType = self._types[0] if known and self._types else "string"
        numeric = type_ in ("integer", "number")
        low, high = (self._bounds[0], self._bounds[1]) if numeric else (None, None)
        most_odd = min(MANY_ODD, (self.rows - self.empty) * MOST_ODD)
        commas = self._commas.told() if type_ == "string" and not self._zeros else None
        nearly = type_ == "string" and not self._zeros and 0 < self._odd <= most_odd
        return Guess(
            type=type_,
            rows=self.rows,
            empty=self.empty,
            codes=tuple(self._codes) if known else (),
            levels=self._levels() if type_ == "string" and commas is None else (),
            unique=self._seen is not None and known,
            low=low,
            high=high,
            suspect=self._suspect(low) if numeric else None,
            odd=self._odd if nearly else 0,
            odd_one=self._odd_one if nearly else "",
            percent=known and self._percent,
            dated=self._dates.told() if known and type_ == "string" else None,
            commas=commas,
        )

    def _levels(self) -> tuple[str, ...]:
        few = self._values and len(self._values) * ROWS_A_LEVEL <= self.rows - self.empty
        return tuple(sorted(self._values)) if self._values and few else ()

    def _suspect(self, low: float | None) -> int | None:
        values = self._values or {}
        others = [float(value) for value in values if float(value) not in NUMBER_CODES]
        if low in NUMBER_CODES and (not values or min(others, default=0.0) >= 0):
            return int(low) if low is not None else None
        return None


def _counted(cells: Cells) -> dict[str, int]:
    coded = cells.dictionary_encode()
    counts = np.bincount(coded.indices.to_numpy(zero_copy_only=False), minlength=len(coded.dictionary))
    return dict(zip(map(str, coded.dictionary.to_pylist()), counts.tolist(), strict=True))


@dataclass(slots=True)
class TableLook:
    """Looks at a table's rows; the columns keep the order in which they come."""

    columns: dict[str, ColumnLook] = field(default_factory=dict)
    rows: int = 0

    def add(self, batch: Batch) -> None:
        """Look at the next rows; a column that comes only now was empty before."""
        for name in dict.fromkeys(batch.header):
            cells = batch.columns[name]
            if name not in self.columns:
                self.columns[name] = ColumnLook(self.rows, self.rows)
            self.columns[name].add(cells.cast(pa.string()).fill_null(""))
        self.rows += len(batch.numbers)

    def guesses(self) -> dict[str, Guess]:
        """Return what each column seems to be."""
        return {name: look.guess() for name, look in self.columns.items()}


def candidate_key(guesses: Mapping[str, Guess]) -> str | None:
    """Return the column that most looks like the key: complete, never repeated, and called like one or first."""
    fitting = [name for name, guess in guesses.items() if guess.unique and guess.complete and guess.type != "number"]
    return min(fitting, key=unlike_a_key, default=None)


def unlike_a_key(name: str) -> tuple[bool, bool]:
    """Return how little a column is called like a key; of two the lower is more like one."""
    return re.search(r"(^|_)(id|key|code|number|no)(_|$)", name) is None, re.match(r"(id|.*_id)$", name) is None


def suspicious_name(name: str) -> Iterator[str]:
    """Yield what a column's name suggests about persons; a person decides what is so."""
    for words, role in (
        (r"name|surname|email|e_mail|phone|address|ssn|student_no", "direct_identifier"),
        (r"birth|gender|sex|zip|postcode|postal|ethnic|race|age|nationality|district", "quasi_identifier"),
        (r"disab|diagnos|religio|income|grade|score|mark", "sensitive"),
    ):
        if re.search(rf"(^|_)({words})", name):
            yield role
            return
