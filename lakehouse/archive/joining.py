"""Which columns seem to refer to which table's key, and which of them tell a table's rows apart together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.archive.arrays import Cells
from lakehouse.archive.guessing import KEY_NAME, Guess, TableLook, candidate_key, unlike_a_key

Hashes = npt.NDArray[np.int64]

# Values kept in all to compare columns of different tables, and rows and columns whose combinations are tried.
MOST_VALUES, MOST_ROWS, MOST_TRIED = 4_000_000, 1_000_000, 12
# Cells of rows kept in all, of eight bytes each: two tables of the most rows and columns, 192 MB.
MOST_CELLS = 2 * MOST_ROWS * MOST_TRIED
# Rows that are looked at before all: they refute nearly every combination, in a hundredth of the time.
FIRST_ROWS = 10_000
MOST_TOGETHER = 3
# By their values alone only texts of so many different values are taken for a reference.
LEAST_VALUES = 10
# A column called like a key whose values are not all there is asked about where fewer than this share are missing.
MOST_STRANGERS = 0.5
# Up to this share of a key's values may come again by mistake: of one called like its table, or else only like a key.
MOST_REPEATS, MOST_REPEATS_BY_NAME = 0.25, 0.1
MIX = np.int64(-7046029254386353131)  # 2^64 by the golden ratio
ENDS_LIKE_A_KEY = re.compile(r"(^|_)(id|key|code|number|no)$")
CALLED_LIKE_A_KEY = re.compile(r"(^|_)(id|key|code|number|no|date|day|year|term|semester|wave|question|item)(_|$)")


@dataclass(slots=True)
class Room:
    """How many more different values, and cells of rows, may be kept in all."""

    left: int = MOST_VALUES
    cells: int = MOST_CELLS


@dataclass(slots=True)
class JoinLook:
    """Keeps the hashes of a table's values: the different ones of each column, and those of all rows, as room lasts."""

    room: Room
    rows: int = 0
    _distinct: dict[str, set[int] | None] = field(default_factory=dict)
    _rows: dict[str, list[Hashes] | None] = field(default_factory=dict)
    _alike: list[tuple[int, int]] = field(default_factory=list)

    def add(self, columns: Mapping[str, Cells], count: int) -> None:
        """Note the cells of the next rows."""
        self.rows += count
        for name, cells in columns.items():
            coded = cells.cast(pa.string()).fill_null("").dictionary_encode()
            values = coded.dictionary.to_pylist()
            self._note(name, {hash(value) for value in values if value})
            self._note_rows(name, np.array([hash(value) for value in values], np.int64), coded.indices)

    def _note(self, name: str, found: set[int]) -> None:
        known = self._distinct.setdefault(name, set())
        if known is None:
            return
        before = len(known)
        known |= found
        self.room.left -= len(known) - before
        if self.room.left < 0:
            self.room.left += len(known)
            self._distinct[name] = None

    def _note_rows(self, name: str, hashes: Hashes, codes: Cells) -> None:
        kept = self._rows.setdefault(name, [] if len(self._rows) < MOST_TRIED else None)
        if kept is None:
            return
        if self.rows > MOST_ROWS or self.room.cells < len(codes):
            self._forget(name)
            return
        kept.append(hashes[codes.to_numpy(zero_copy_only=False)])
        self.room.cells -= len(codes)

    def _forget(self, name: str) -> None:
        self.room.cells += sum(map(len, self._rows[name] or ()))
        self._rows[name] = None

    def forget_rows(self) -> None:
        """Give back the room of the rows, whose columns are not to be tried together."""
        for name in self._rows:
            self._forget(name)

    def distinct(self, name: str) -> set[int] | None:
        """Return the hashes of a column's different values; None where they were too many to keep."""
        return self._distinct.get(name)

    def unique_together(self, names: Sequence[str]) -> bool:
        """Say whether no two rows have the same values in all of these columns; False where that is not known."""
        columns = [self._column(name) for name in names]
        known = [column for column in columns if column is not None]
        if len(known) < len(names):
            return False
        # Two rows that were alike in other columns are often alike in these, too: then no other row need be read.
        if any(all(column[one] == column[other] for column in known) for one, other in self._alike):
            return False
        for count in sorted({min(FIRST_ROWS, self.rows), self.rows}):
            alike = _two_alike([column[:count] for column in known], count)
            if alike is not None:
                self._alike.append(alike)
                return False
        return True

    def _column(self, name: str) -> Hashes | None:
        """Return the hashes of all rows of a column as one array; None where they were not kept."""
        kept = self._rows.get(name)
        if kept is None or sum(map(len, kept)) != self.rows:
            return None
        if len(kept) != 1:
            kept = self._rows[name] = [np.concatenate([np.empty(0, np.int64), *kept])]
        return kept[0]


def _two_alike(columns: Sequence[Hashes], count: int) -> tuple[int, int] | None:
    """Return two of so many rows that have the same in all columns."""
    mixed = np.zeros(count, np.int64)
    for column in columns:
        mixed = (mixed * MIX) ^ column
    ordered = np.sort(mixed)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return None
    one, other = np.flatnonzero(mixed == again[0])[:2]
    return int(one), int(other)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of one table."""

    table: str
    look: TableLook
    joins: JoinLook
    guesses: Mapping[str, Guess]


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose different values, at least one, are the key of another table; `named` where the names say so, too.

    `strangers` is how many of them are not there after all; more than none, and fewer than half, only where `named`.
    """

    target: str
    values: int
    named: bool
    strangers: int = 0


def references(tables: Sequence[Looked]) -> dict[tuple[str, str], Reference]:
    """Return by table and column what the column seems to refer to."""
    found: dict[tuple[str, str], Reference] = {}
    keys = [(one, key) for one in tables if (key := candidate_key(one.guesses)) is not None]
    for one in tables:
        for name, guess in one.guesses.items():
            fitting = [ref for target, key in keys if (ref := _reference(one, name, guess, target, key)) is not None]
            if fitting:
                found[one.table, name] = max(fitting, key=lambda ref: (not ref.strangers, ref.named))
    return found


def _reference(one: Looked, name: str, guess: Guess, target: Looked, key: str) -> Reference | None:
    theirs, all_mine = target.joins.distinct(key), one.joins.distinct(name)
    is_itself = one.table == target.table and name == key
    if is_itself or not all_mine or theirs is None or guess.type in ("number", "boolean"):
        return None
    mine = all_mine - set(map(hash, guess.codes))
    strangers, named = len(mine - theirs), _speaks_of(name, target.table, key, own=one.table == target.table)
    if strangers:
        nearly = named and one.table != target.table and strangers < len(mine) * MOST_STRANGERS
        return Reference(f"{target.table}.{key}", len(mine), named, strangers) if nearly else None
    by_values = guess.type == "string" and len(mine) >= LEAST_VALUES
    fits = bool(mine) and guess.type == target.guesses[key].type and (named or by_values)
    return Reference(f"{target.table}.{key}", len(mine), named) if fits else None


def strangers(one: Looked, name: str, target: Looked, key: str, cells: Cells) -> list[str]:
    """Return which different values of some cells of a column are not in the key that it seems to refer to."""
    theirs, codes = target.joins.distinct(key) or set(), one.guesses[name].codes
    values = cells.cast(pa.string()).unique().drop_null().to_pylist()
    return [value for value in values if value and value not in codes and hash(value) not in theirs]


def _speaks_of(name: str, table: str, key: str, *, own: bool) -> bool:
    """Say whether a column is called like a table's key, or like one of its rows; in its `own` table by the key."""
    if own:
        return name.endswith(f"_{key}")
    bare, one = KEY_NAME.sub("", name), re.sub(r"(?<!s)s$", "", table)
    if name == key:
        return key not in ("id", "key", "code", "number", "no")
    return bool(bare) and (bare in (table, one) or bare.endswith((f"_{table}", f"_{one}")) or name.endswith(f"_{key}"))


@dataclass(frozen=True, slots=True)
class Repeated:
    """A column that is called like the key of its table, how many values it has, and how many repeat an earlier one."""

    column: str
    values: int
    repeats: int


def repeated_key(one: Looked, referring: Mapping[tuple[str, str], Reference]) -> Repeated | None:
    """Return the column that looks most like the key but for some values that come again; None beside a better one."""
    key = candidate_key(one.guesses)
    found = [
        repeated
        for name, guess in one.guesses.items()
        if (one.table, name) not in referring
        and (key is None or unlike_a_key(name) < unlike_a_key(key))
        and (repeated := _repeated(one, name, guess)) is not None
    ]
    return min(found, key=lambda each: unlike_a_key(each.column), default=None)


def _repeated(one: Looked, name: str, guess: Guess) -> Repeated | None:
    own = name in ("id", "key") or _names_a_row_of(name, one.table)
    distinct = one.joins.distinct(name)
    fits = guess.type in ("string", "integer") and not guess.levels
    if distinct is None or not fits or not (own or ENDS_LIKE_A_KEY.search(name)):
        return None
    values = guess.rows - guess.empty
    repeats = values - len(distinct - set(map(hash, guess.codes)))
    most = values * (MOST_REPEATS if own else MOST_REPEATS_BY_NAME)
    return Repeated(name, values, repeats) if 0 < repeats <= most else None


def _names_a_row_of(name: str, table: str) -> bool:
    """Say whether a column is called like the key of a table: `pupil_id` of `pupils`, or of `pupils_2024`."""
    bare = KEY_NAME.sub("", name)
    words = table.split("_")
    return bare != name and bare in (table, *words, *(re.sub(r"(?<!s)s$", "", word) for word in (table, *words)))


def repeats(cells: Cells, seen: set[int], codes: Sequence[str]) -> list[str]:
    """Return which values of a column's next cells came before, and note them all in `seen`."""
    found: list[str] = []
    for value in cells.cast(pa.string()).drop_null().to_pylist():
        if value and value not in codes:
            found += [value] if hash(value) in seen else []
            seen.add(hash(value))
    return found


@dataclass(frozen=True, slots=True)
class Together:
    """Columns that tell the rows apart together; `named` where each is called like a part of a key or refers."""

    columns: tuple[str, ...]
    named: bool


def composite_key(one: Looked, referring: Mapping[tuple[str, str], Reference]) -> Together | None:
    """Return the fewest columns that never repeat together, those first that are called like parts of a key."""
    fitting = [name for name, guess in one.guesses.items() if guess.complete and guess.type != "number"]
    likely = [n for n in fitting if (one.table, n) in referring or CALLED_LIKE_A_KEY.search(n)]
    tried: set[tuple[str, ...]] = set()
    for names, named in ((likely, True), (fitting, False)):
        for columns in _combinations(names[:MOST_TRIED], one):
            if columns not in tried and one.joins.unique_together(columns):
                return Together(columns, named)
            tried.add(columns)
    return None


def _combinations(names: Sequence[str], one: Looked) -> Iterator[tuple[str, ...]]:
    """Yield combinations that have enough values between them to tell all rows apart."""
    for size in range(2, MOST_TOGETHER + 1):
        for columns in combinations(names, size):
            counts = [len(one.joins.distinct(name) or ()) or one.joins.rows for name in columns]
            if np.prod([float(count) for count in counts]) >= one.joins.rows:
                yield columns
