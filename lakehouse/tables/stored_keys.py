"""Judges the keys of rows that nobody holds in memory, however many there are."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.tables.audits import SHOWN, not_unique

if TYPE_CHECKING:
    from lakehouse.keys import Rows

# Each stands for some hundred bytes while it is sorted.
MEMORY_KEYS = 250_000
BATCH_KEYS = 125_000

Tables = Callable[[], Iterable[pa.Table]]


def repeated_keys(key: Sequence[str], added: Tables, older: Callable[[pa.Table], Iterable[pa.Table]]) -> list[str]:
    """Return in words which keys of added rows are there more than once, among themselves or among older rows.

    `added` gives the columns of the key some rows at a time, and anew each time; so does `older`, which is given the
    least and the greatest value of each column and leaves out what could not be met. Keys that ascend from row to row,
    and meet no older ones, are looked at once. Others are hashed, and hashes go to files where they are many.
    """
    look = _Look()
    for keys in added():
        look.at(keys)
    if look.bounds is None:
        return []
    bounds, alone = look.bounds, True
    for keys in older(bounds):
        look.at(keys)
        alone = alone and not keys.num_rows
    if look.ascending and alone:
        return []
    # Columns of one value, such as the version of a dataset, tell no two rows apart.
    telling = [name for name in key if len(look.bounds[name].unique()) > 1] or list(key)
    if len(telling) == 1 and look.bounds[telling[0]].null_count:
        telling *= 2  # a number alone is its own hash, and a null has none
    return _compared(key, telling, lambda: chain(added(), older(bounds)))


@dataclass
class _Look:
    """What one pass tells: whether keys ascend, and their least and greatest values."""

    ascending: bool = True
    bounds: pa.Table | None = None
    _last: tuple[Any, ...] | None = None

    def at(self, keys: pa.Table) -> None:
        if not keys.num_rows:
            return
        reached = _bounds(keys)
        self.bounds = (
            reached
            if self.bounds is None
            else _bounds(pa.concat_tables([self.bounds, reached], promote_options="permissive"))
        )
        if self.ascending:
            first, last = (tuple(column[at].as_py() for column in keys.columns) for at in (0, -1))
            whole = not any(column.null_count for column in keys.columns)
            self.ascending = whole and (self._last is None or self._last < first) and _ascend(keys)
            self._last = last


def _bounds(keys: pa.Table) -> pa.Table:
    """Return rows with the least and the greatest value of each column, and a null where it has one."""
    columns = []
    for column in keys.columns:
        limits: Any = pc.min_max(column)
        low, high = limits["min"].as_py(), limits["max"].as_py()
        columns.append(pa.array([low, high, None if column.null_count else low], column.type))
    return pa.table(columns, names=keys.column_names)


def _ascend(keys: pa.Table) -> bool:
    """Say whether each key is greater than the one before it, compared column by column."""
    greater: Any = pa.scalar(value=False)
    for column in reversed(keys.columns):
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        greater = pc.or_(pc.less(before, after), pc.and_(pc.equal(before, after), greater))
    return pc.all(greater).as_py() is not False


@dataclass
class _Repeated:
    """Places of rows whose key was there before: the first that were told, and how many there are."""

    first: list[int] = field(default_factory=list)
    count: int = 0

    def tell(self, places: "Rows") -> None:
        self.first += places[: SHOWN - len(self.first)].tolist()
        self.count += len(places)


def _compared(key: Sequence[str], telling: Sequence[str], keys: Tables) -> list[str]:
    from lakehouse.keys import KeyStore, keys_of  # most keys ascend, and then nobody needs what hashes them

    repeated = _Repeated()
    store, start = KeyStore(repeated.tell, MEMORY_KEYS), 0
    try:
        for rows in keys():
            for batch in rows.select(list(telling)).to_batches(max_chunksize=BATCH_KEYS):
                store.add(keys_of(batch.columns, np.arange(start, start + batch.num_rows)))
                start += batch.num_rows
        store.finish()
    finally:
        store.close()
    if not repeated.count:
        return []
    shown = list(_at(repeated.first, keys()))
    counts = [sum(_rows_with(one, rows) for rows in keys()) for one in shown]
    return [not_unique(key, list(zip(counts, shown, strict=True)), repeated.count - sum(counts) + len(counts))]


def _at(places: Sequence[int], tables: Iterable[pa.Table]) -> Iterator[dict[str, object]]:
    """Yield the keys at these places, each once."""
    found: set[str] = set()
    start = 0
    for keys in tables:
        for place in sorted(places):
            if (
                start <= place < start + keys.num_rows
                and repr(one := keys.slice(place - start, 1).to_pylist()[0]) not in found
            ):
                found.add(repr(one))  # NaN equals nothing, and reads as itself
                yield one
        start += keys.num_rows


def _rows_with(one: Mapping[str, object], keys: pa.Table) -> int:
    equal = [_is(keys[name], value) for name, value in one.items()]
    return int(pc.sum(reduce(pc.and_, equal)).as_py() or 0)


def _is(column: "pa.ChunkedArray[Any]", value: object) -> Any:  # noqa: ANN401 - Arrow's kernels have no types
    if value is None:
        return pc.is_null(column)
    if isinstance(value, float) and math.isnan(value):
        return pc.is_nan(column)
    return pc.equal(column, pa.scalar(value, column.type))
