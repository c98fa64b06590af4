"""What the rows of one batch break: each declared column judged against its description, without memory of others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, bounds_of, by_distinct, count_true, extremes, outside, where
from lakehouse.archive.batches import Batch, Rows
from lakehouse.archive.eds import ColumnDescription
from lakehouse.archive.privacy.plain_cells import LONGEST_NUMBER
from lakehouse.archive.values import Parsed, parse
from lakehouse.keys import Keys, NumberKeys, keys_of

Fault = Literal["wrong", "missing", "outside", "not_a_level", "not_matching", "broken", "repeats"]


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What is asked of one column.

    `missing_counts` when an empty cell is a fault. `known` are the values that a reference may take; without them a
    reference is `deferred`: its keys are collected. `collected` when another column refers to this one.
    """

    name: str
    description: ColumnDescription
    missing_counts: bool = False
    known: Cells | None = None
    deferred: bool = False
    collected: bool = False
    pattern: str | None = None

    @property
    def is_listed(self) -> bool:
        """Whether all that a cell without fault may hold is known beforehand."""
        return self.description.type == "string" and (bool(self.description.level_names()) or self.known is not None)

    def listed(self) -> Cells:
        """Return all that a cell without fault may hold, where that is known; empty ones aside."""
        levels = self.description.level_names()
        allowed = pa.array(levels, pa.string()) if levels or self.known is None else self.known
        return pa.concat_arrays([allowed, pa.array(self.description.missing_codes, pa.string())])


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a table: its declared columns, and those of its primary key."""

    columns: tuple[ColumnPlan, ...] = ()
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """The rows of a batch, in order, in which one column has one fault; the text of the first one.

    `values` are the distinct values of a broken reference.
    """

    column: str
    fault: Fault
    rows: Rows
    example: str | None = None
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The keys of a batch's rows; `rising` when each is greater than the one before, from `first` to `last`."""

    keys: Keys | NumberKeys
    rising: bool = False
    first: object = None
    last: object = None


@dataclass(slots=True)
class Judged:
    """A batch with what was found in it.

    `odd` has the columns of which all cells but those at these positions are plain numbers or days, or empty;
    `unlisted` those of which all others are levels, values referred to, codes for missing ones, or empty.
    """

    batch: Batch
    broken: list[Broken] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    key: RowKeys | None = None
    references: dict[str, Keys | NumberKeys] = field(default_factory=dict)
    values: dict[str, Cells] = field(default_factory=dict)
    odd: dict[str, Rows] = field(default_factory=dict)
    unlisted: dict[str, Rows] = field(default_factory=dict)


def judge(batch: Batch, plan: Plan) -> Judged:
    """Judge every declared column that the batch has."""
    judged = Judged(batch)
    keys: dict[str, Cells] = {}
    for column in plan.columns:
        cells = batch.columns.get(column.name)
        if cells is None or not len(cells):
            continue
        parsed = parse(cells, column.description)
        judged.missing[column.name] = count_true(parsed.missing)
        faults = dict(_faults(parsed, column))
        judged.broken += [_broken(batch, column, fault, mask, cells) for fault, mask in faults.items()]
        _collect(judged, column, parsed)
        if _is_plain(cells, column.description):
            judged.odd[column.name] = where(parsed.wrong)
        elif column.is_listed:
            unlisted = faults.get("not_a_level" if column.description.level_names() else "broken")
            judged.unlisted[column.name] = np.empty(0, np.int64) if unlisted is None else where(unlisted)
        if column.name in plan.key:
            keys[column.name] = parsed.values
    if plan.key and len(keys) == len(plan.key):
        judged.key = row_keys([keys[name] for name in plan.key], batch.numbers)
    return judged


def _is_plain(cells: Cells, described: ColumnDescription) -> bool:
    """Say whether what fits the column's type is a plain number or day by itself; codes for missing may be anything."""
    if described.missing_codes or described.type not in ("integer", "number", "date"):
        return False
    return described.type == "date" or int(np.diff(bounds_of(cells)).max(initial=0)) <= LONGEST_NUMBER


def _faults(parsed: Parsed, column: ColumnPlan) -> Iterator[tuple[Fault, Cells]]:
    if count_true(parsed.wrong):
        yield "wrong", parsed.wrong
    if column.missing_counts and count_true(parsed.missing):
        yield "missing", parsed.missing
    for fault, mask in _limits(parsed.values, column):
        if pc.any(mask).as_py():
            yield fault, mask


def _limits(values: Cells, column: ColumnPlan) -> Iterator[tuple[Fault, Cells]]:
    described = column.description
    if (described.minimum is not None or described.maximum is not None) and not _inside(values, described):
        yield "outside", outside(values, described.minimum, described.maximum)
    levels = described.level_names()
    if levels:
        yield "not_a_level", _unknown(values, pa.array(levels, pa.string()))
    if column.pattern is not None:
        yield "not_matching", pc.invert(by_distinct(values, _fitting(column.pattern)))
    if column.known is not None:
        yield "broken", _unknown(values, column.known)


def _fitting(pattern: str) -> Callable[[Cells], Cells]:
    def fit(cells: Cells) -> Cells:
        return pc.match_substring_regex(cells, pattern)

    return fit


def _inside(values: Cells, described: ColumnDescription) -> bool:
    low, high = extremes(values)
    return (
        low is None
        or high is None
        or (
            (described.minimum is None or low >= described.minimum)
            and (described.maximum is None or high <= described.maximum)
        )
    )


def _unknown(values: Cells, known: Cells) -> Cells:
    inside = pc.is_in(values, value_set=known)
    unknown: Cells = pc.invert(inside)
    return pc.and_(unknown, pc.is_valid(values)) if values.null_count else unknown


def _broken(batch: Batch, column: ColumnPlan, fault: Fault, mask: Cells, cells: Cells) -> Broken:
    at = where(mask)
    example = cells[int(at[0])].as_py()
    values = frozenset(str(text) for text in cells.take(at).unique().to_pylist()) if fault == "broken" else frozenset()
    return Broken(column.name, fault, batch.numbers[at], example, values)


def _collect(judged: Judged, column: ColumnPlan, parsed: Parsed) -> None:
    if column.collected:
        judged.values[column.name] = parsed.values.drop_null()
    if column.deferred:
        judged.references[column.name] = row_keys([parsed.values], judged.batch.numbers).keys


def row_keys(columns: Sequence[Cells], rows: Rows) -> RowKeys:
    """Return the keys of the rows that have a value in every column of the key."""
    if any(column.null_count for column in columns):
        whole = np.logical_and.reduce([pc.is_valid(column).to_numpy(zero_copy_only=False) for column in columns])
        at = np.flatnonzero(whole)
        columns, rows = [column.take(at) for column in columns], rows[whole]
    column = columns[0]
    if len(columns) > 1 or not len(rows) or pa.types.is_boolean(column.type):
        return RowKeys(keys_of(columns, rows))
    if column.type == pa.int64():
        numbers = column.to_numpy(zero_copy_only=False)
        is_rising = bool((numbers[1:] > numbers[:-1]).all())
        return RowKeys(NumberKeys(numbers, rows), is_rising, int(numbers[0]), int(numbers[-1]))
    keys = keys_of(columns, rows)
    rising = pc.all(pc.less(column.slice(0, len(column) - 1), column.slice(1))).as_py()
    return RowKeys(keys, rising is not False, column[0].as_py(), column[-1].as_py())


def kept_texts(batch: Batch) -> Mapping[str, Cells]:
    """Return the batch's cells with one empty cell for each row that could not be read: positions are row numbers."""
    if len(batch.numbers) == batch.span:
        return batch.columns
    at = np.full(batch.span, -1, np.int64)
    at[batch.numbers - 1] = np.arange(len(batch.numbers))
    chosen: pa.Int64Array = pa.array(at, pa.int64(), mask=at < 0)
    return {name: cells.take(chosen) for name, cells in batch.columns.items()}
