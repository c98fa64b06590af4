"""One table read once from its first row to its last: what its columns break, in memory that no row count raises."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.archive import privacy
from lakehouse.archive.arrays import Cells, constant
from lakehouse.archive.batches import Batch, Piece, RaggedRow, Rows
from lakehouse.archive.column_checks import Broken, Fault, Judged, Plan, judge, kept_texts
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.encoding import NotUtf8Error
from lakehouse.archive.ordered import in_order
from lakehouse.archive.table_files import pieces
from lakehouse.archive.tally import RowBudget, Tally
from lakehouse.errors import SchemaError
from lakehouse.keys import Keys, KeyStore, NumberKeys, keys_of

# An address is a row number with the file's position in the bits above.
FILE_BITS = 40
# Distinct values of a column that others refer to; up to here they are compared at once, else by their hashes.
KNOWN_VALUES = 200_000
VALUES_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a row is: its file and its number there."""

    place: str
    row: int


@dataclass(slots=True)
class FileSeen:
    """What was seen of one file: its header, its rows, and what kept it from being read."""

    place: str
    path: Path
    header: tuple[str, ...] | None = None
    rows: int = 0
    ragged: Tally = field(default_factory=lambda: Tally(RowBudget()))
    first_ragged: RaggedRow | None = None
    bad: Tally = field(default_factory=lambda: Tally(RowBudget()))
    quotes: int = 0
    fault: str | None = None
    encoding: NotUtf8Error | None = None


def _nobody_asked(_addresses: Rows) -> None:
    """A value that comes again is the same value."""


@dataclass(slots=True)
class Known:
    """The values of a column that others refer to."""

    values: Cells | None = None
    store: KeyStore | None = None

    def add(self, values: Cells) -> None:
        """Add the values of some rows."""
        if self.store is None:
            joined = values.unique() if self.values is None else pa.concat_arrays([self.values, values]).unique()
            if len(joined) <= KNOWN_VALUES:
                self.values = joined
                return
            self.store, values, self.values = KeyStore(_nobody_asked), joined, None
        distinct = values.unique()
        self.store.add(keys_of([distinct], np.zeros(len(distinct), np.int64)))

    def as_store(self) -> KeyStore:
        """Return the values as keys."""
        if self.store is None:
            self.store = KeyStore(_nobody_asked)
            if self.values is not None:
                self.store.add(keys_of([self.values], np.zeros(len(self.values), np.int64)))
        return self.store


@dataclass(slots=True)
class TableSeen:
    """What was seen of a table in all its files."""

    plan: Plan
    budget: RowBudget
    files: list[FileSeen] = field(default_factory=list)
    faults: dict[tuple[str, Fault], Tally] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    suspicions: tuple[tuple[str, privacy.Suspicion], ...] = ()
    quasi: tuple[str, ...] | None = None
    groups: privacy.GroupScan = field(default_factory=privacy.GroupScan)
    known: dict[str, Known] = field(default_factory=dict)
    references: dict[str, KeyStore] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Whether every file could be read to its end."""
        return all(file.fault is None and file.encoding is None for file in self.files)

    def tally(self, column: str, fault: Fault) -> Tally:
        """Return how often a column has a fault."""
        return self.faults.setdefault((column, fault), Tally(self.budget))

    def add_addresses(self, column: str, fault: Fault, addresses: Rows) -> None:
        """Count rows by their addresses, given in order."""
        for number, file in enumerate(self.files):
            low, high = np.searchsorted(addresses, [number << FILE_BITS, (number + 1) << FILE_BITS])
            if low < high:
                self.tally(column, fault).add(file.place, addresses[low:high] - (number << FILE_BITS))

    def add_broken(self, column: str, keys: Keys) -> None:
        """Count the rows whose keys are not where they should be, given by their addresses in order."""
        self.add_addresses(column, "broken", np.ascontiguousarray(keys["address"]))
        for number, file in enumerate(self.files):
            mine = keys[(keys["address"] >> FILE_BITS) == number][:VALUES_COUNTED]
            if len(mine):
                distinct = {f"{first:x}-{second:x}" for first, second, _ in mine.tolist()}
                self.tally(column, "broken").files[file.place].values |= distinct

    def spot_of(self, address: int) -> Spot:
        """Return where an address is."""
        return Spot(self.files[address >> FILE_BITS].place, address & ((1 << FILE_BITS) - 1))


class TableScan:
    """Reads a table's files one after another; `seen` grows with them."""

    def __init__(self, description: TableDescription | None, plan: Plan, budget: RowBudget) -> None:
        self.seen = TableSeen(plan, budget)
        self._description = description
        self._columns = description.columns if description else {}
        self._scans: dict[str, privacy.ColumnScan] = {}
        self._clear: dict[str, bool] = {}
        self._keys = KeyStore(self._note_repeats)
        self._last: object = None
        self._rising = True
        for column in plan.columns:
            if column.collected:
                self.seen.known[column.name] = Known()
            if column.deferred:
                self.seen.references[column.name] = KeyStore()

    def read(self, path: Path, place: str) -> FileSeen:
        """Read one file; what keeps it from being read is noted, never raised."""
        file = FileSeen(place, path)
        base = len(self.seen.files) << FILE_BITS
        self.seen.files.append(file)
        try:
            for judged in in_order(partial(_judged, self.seen.plan), pieces(path, self._description)):
                self._take(judged, file, base)
        except NotUtf8Error as error:
            file.encoding = error
        except SchemaError as error:
            file.fault = str(error)
        return file

    def finish(self) -> TableSeen:
        """Return what was seen, after the last file."""
        if self._rising:
            self._keys.close()
        else:
            self._keys.finish()
        found = ((name, suspicion) for name, scan in self._scans.items() for suspicion in scan.suspicions())
        self.seen.suspicions = tuple(found)
        return self.seen

    def _note_repeats(self, addresses: Rows) -> None:
        self.seen.add_addresses("", "repeats", addresses)

    def _take(self, judged: Judged, file: FileSeen, base: int) -> None:
        batch, before = judged.batch, file.rows
        _note_rows(file, batch)
        self.seen.rows += len(batch.numbers)
        for name, count in judged.missing.items():
            self.seen.missing[name] = self.seen.missing.get(name, 0) + count
        for broken in judged.broken:
            self._count(broken, file.place, before)
        self._take_keys(judged, base + before)
        # Where rows are missing the positions of the others are not those of their cells.
        whole = len(batch.numbers) == batch.span
        odd, unlisted = (judged.odd, judged.unlisted) if whole else ({}, {})
        for name, cells in kept_texts(batch).items():
            among = unlisted[name] if name in unlisted and self._is_clear(name) else None
            self._scan_of(name).add(cells, base + before + 1, odd=odd.get(name), among=among)
        self._group(batch, base + before + 1)

    def _count(self, broken: Broken, place: str, before: int) -> None:
        tally = self.seen.tally(broken.column, broken.fault).add(place, broken.rows + before, broken.example)
        if len(tally.values) < VALUES_COUNTED:
            tally.values |= broken.values

    def _take_keys(self, judged: Judged, offset: int) -> None:
        for name, values in judged.values.items():
            self.seen.known[name].add(values)
        for name, keys in judged.references.items():
            self.seen.references[name].add(_moved(keys, offset))
        if judged.key is None or not len(judged.key.keys):
            return
        key = judged.key
        joins = self._last is None or key.first > self._last  # type: ignore[operator]  # both of the key's type
        self._rising = self._rising and key.rising and joins
        self._last = key.last
        self._keys.add(_moved(key.keys, offset))

    def _group(self, batch: Batch, first: int) -> None:
        roles = {name: column.role for name, column in self._columns.items()}
        if self.seen.quasi is None:
            self.seen.quasi = privacy.quasi_columns(tuple(dict.fromkeys((*roles, *batch.header))), roles)
        if self.seen.quasi:
            empty = constant("", pa.string(), len(batch.numbers))
            quasi = {name: batch.columns.get(name, empty) for name in self.seen.quasi}
            sensitive = [name for name, role in roles.items() if role == "sensitive"]
            self.seen.groups.add(quasi, {name: batch.columns.get(name, empty) for name in sensitive}, first)

    def _is_clear(self, name: str) -> bool:
        """Say whether nothing that a column may hold looks like an identifier: then only its other cells are asked."""
        if name not in self._clear:
            column = next(column for column in self.seen.plan.columns if column.name == name)
            self._clear[name] = self._scan_of(name).clears(column.listed())
        return self._clear[name]

    def _scan_of(self, name: str) -> privacy.ColumnScan:
        if name not in self._scans:
            described = self._columns[name].description if name in self._columns else ""
            self._scans[name] = privacy.ColumnScan(name, described)
        return self._scans[name]


def _judged(plan: Plan, piece: Piece) -> Judged:
    return judge(piece(), plan)


def _moved(keys: Keys | NumberKeys, offset: int) -> Keys | NumberKeys:
    if isinstance(keys, NumberKeys):
        return keys.moved(offset)
    keys["address"] += offset
    return keys


def _note_rows(file: FileSeen, batch: Batch) -> None:
    # Lines of JSON bring their columns as they come.
    file.header = batch.header if file.header is None else _united(file.header, batch.header)
    for row in batch.ragged:
        file.first_ragged = file.first_ragged or replace(row, row=row.row + file.rows)
    if batch.ragged:
        file.ragged.add(file.place, np.array([row.row for row in batch.ragged]) + file.rows)
    if batch.bad:
        file.bad.add(file.place, np.array([row.row for row in batch.bad]) + file.rows, batch.bad[0].reason)
    file.rows += batch.span
    file.quotes += batch.quotes


def _united(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return known if more == known else tuple(dict.fromkeys((*known, *more))) if set(more) - set(known) else known
