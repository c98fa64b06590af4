"""Keys of any number of rows: which repeat, which are absent elsewhere; on disk once they pass a bound in memory."""

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    Cells = pa.Array[Any]
else:
    # Arrow's classes take no type arguments at run time.
    Cells = pa.Array

Rows = npt.NDArray[np.int64]
MEMORY_KEYS = 1_000_000
PARTITIONS = 64
# Two 64-bit hashes with seeds nobody can know: two keys of a billion rows fall together once in 10^20 runs.
SEEDS = (secrets.randbits(63), secrets.randbits(63))
KEY = np.dtype([("first", np.uint64), ("second", np.uint64), ("address", np.int64)])
# One whole number is its own key; times an odd number nobody can know it lies in a partition nobody can choose.
FACTOR = np.uint64(secrets.randbits(63) * 2 + 1)
SPREAD = np.uint64(0x9E3779B97F4A7C15)
# Keys of which fewer than one in so many is no greater than all before it nearly ascend.
DESCENTS = 64

Keys = npt.NDArray[np.void]
"""Records of `KEY`: two hashes of a row's key and the row's address."""


@dataclass(frozen=True, slots=True)
class NumberKeys:
    """Whole numbers, each a row's key by itself; `offset` is added to the rows for their addresses.

    Records are made of them only where they are divided by their hashes: as they are they take a third of the room.
    """

    numbers: npt.NDArray[np.int64]
    rows: Rows
    offset: int = 0

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self.numbers)

    def moved(self, offset: int) -> "NumberKeys":
        """Return the same keys with all addresses raised."""
        return replace(self, offset=self.offset + offset)

    def records(self) -> "Keys":
        """Return the keys as records."""
        keys = np.empty(len(self), KEY)
        keys["second"] = self.numbers.view(np.uint64)
        keys["first"] = keys["second"] * FACTOR
        np.add(self.rows, self.offset, out=keys["address"])
        return keys


def keys_of(columns: Sequence[Cells], rows: Rows) -> Keys:
    """Return the keys of rows, one column or several; the rows are their addresses."""
    if len(columns) == 1 and columns[0].type == pa.int64():
        return NumberKeys(columns[0].to_numpy(zero_copy_only=False), rows).records()
    keys = np.empty(len(rows), KEY)
    keys["address"] = rows
    frame = pl.DataFrame(pa.table(list(columns), names=[str(at) for at in range(len(columns))]))
    keys["first"] = frame.hash_rows(SEEDS[0]).to_numpy()
    keys["second"] = frame.hash_rows(SEEDS[1]).to_numpy()
    return keys


class KeyStore:
    """Keys in the order they were added; in memory up to a bound, then in files by their hash.

    A key that comes again is kept once: `repeated` is told the later rows' addresses, and there is no end to how often
    a hostile file may repeat one.
    """

    def __init__(self, repeated: Callable[[Rows], None] | None = None, memory_keys: int = MEMORY_KEYS) -> None:
        self._repeated = repeated
        self._memory_keys = memory_keys
        self._held: list[Keys | NumberKeys] = []
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, keys: Keys | NumberKeys) -> None:
        """Add the keys of some rows."""
        self._held.append(keys)
        self._count += len(keys)
        if self._count > self._memory_keys:
            self._spill()

    def finish(self) -> None:
        """Tell the repeated rows among all keys, and remove what is on disk."""
        if self.on_disk:
            for part in self.parts(divided=True):
                self._tell(part["address"][_again([part])])
        else:
            self._tell(self._repeats_held())
        self.close()

    @property
    def on_disk(self) -> bool:
        """Whether the keys have passed what is held in memory."""
        return self._folder is not None

    def parts(self, *, divided: bool) -> Iterator[Keys]:
        """Yield all keys, `divided` into partitions or in one part; on disk they are always divided."""
        if not divided:
            assert not self.on_disk
            yield self._all_held()
            return
        if self._count or not self.on_disk:
            self._spill()
        for number in range(PARTITIONS):
            # Mapped, not read: a hostile column may have all its rows in one partition.
            path = self._file(number)
            yield np.memmap(path, KEY, mode="r") if path.stat().st_size else np.empty(0, KEY)

    def close(self) -> None:
        """Remove what is on disk."""
        if self._folder is not None:
            self._folder.cleanup()

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lakehouse-keys-")
        keys = self._all_held()
        if self._repeated is not None:
            again = _again([keys])
            self._tell(keys["address"][again])
            keys = np.delete(keys, again) if len(again) else keys
        owners = _partition(keys)
        order = np.argsort(owners, kind="stable")
        bounds = np.searchsorted(owners[order], np.arange(PARTITIONS + 1))
        for number in range(PARTITIONS):
            with self._file(number).open("ab") as file:
                file.write(keys[order[bounds[number] : bounds[number + 1]]].tobytes())
        self._held, self._count = [], 0

    def _tell(self, addresses: Rows) -> None:
        if self._repeated is not None and len(addresses):
            self._repeated(np.sort(addresses))

    def _repeats_held(self) -> Rows:
        """Return the addresses of the keys in memory that came before."""
        numbers = [keys for keys in self._held if isinstance(keys, NumberKeys)]
        if len(numbers) == len(self._held) and (late := _Late.of(numbers)) is not None:
            return late.repeats()
        held = [_records(keys) for keys in self._held]
        return _whole(held, "address")[_again(held)]

    def _all_held(self) -> Keys:
        return np.concatenate([_records(keys) for keys in self._held]) if self._held else np.empty(0, KEY)

    def _file(self, number: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / str(number)


def _records(keys: Keys | NumberKeys) -> Keys:
    return keys.records() if isinstance(keys, NumberKeys) else keys


@dataclass(frozen=True, slots=True)
class _Late:
    """Of numbers that nearly ascend, those no greater than one before them: all others are different from each other.

    `rising` are the others, some at a time. Only a late number can repeat one.
    """

    numbers: npt.NDArray[np.int64]
    addresses: Rows
    rising: tuple[npt.NDArray[np.int64], ...]

    @classmethod
    def of(cls, held: Sequence[NumberKeys]) -> "_Late | None":
        """Return the late ones; None where they are more than a few."""
        few = sum(map(len, held)) // DESCENTS
        numbers, addresses, rising = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
        greatest: int | None = None
        for keys in held:
            mine = keys.numbers
            if not len(mine):
                continue
            if (greatest is None or mine[0] > greatest) and (mine[1:] > mine[:-1]).all():
                rising.append(mine)
                greatest = int(mine[-1])
                continue
            late = _no_greater(mine, greatest)
            few -= int(np.count_nonzero(late))
            if few < 0:
                return None
            numbers.append(mine[late])
            addresses.append(keys.rows[late] + keys.offset)
            rising.append(mine[~late])
            greatest = max(int(mine.max()), int(mine[0]) if greatest is None else greatest)
        return cls(np.concatenate(numbers), np.concatenate(addresses), tuple(part for part in rising if len(part)))

    def repeats(self) -> Rows:
        """Return the addresses of those that came before."""
        order = np.lexsort((self.addresses, self.numbers))
        numbers = self.numbers[order]
        again = np.zeros(len(numbers), np.bool_)
        again[1:] = numbers[1:] == numbers[:-1]
        for part in self.rising:
            first, last = np.searchsorted(numbers, part[0]), np.searchsorted(numbers, part[-1], side="right")
            near = numbers[first:last]
            again[first:last] |= part[np.searchsorted(part, near)] == near
        repeated: Rows = self.addresses[order[again]]
        return repeated


def _no_greater(numbers: npt.NDArray[np.int64], greatest: int | None) -> npt.NDArray[np.bool_]:
    """Return which numbers are no greater than one before them, or than the greatest of those before all."""
    tops = np.maximum.accumulate(numbers)
    if greatest is not None:
        np.maximum(tops, greatest, out=tops)
    late = np.empty(len(numbers), np.bool_)
    late[0] = greatest is not None and numbers[0] <= greatest
    np.less_equal(numbers[1:], tops[:-1], out=late[1:])
    return late


def _whole(held: Sequence[Keys], name: str) -> npt.NDArray[Any]:
    """Return one field of all keys; a copy of the keys themselves would take three times as long."""
    return np.concatenate([keys[name] for keys in held]) if held else np.empty(0, KEY[name])


def _again(held: Sequence[Keys]) -> Rows:
    """Return the positions of the keys that came before, in the order of their addresses."""
    seconds = _whole(held, "second")
    # Numbers that nearly ascend, as most do, are sorted in a tenth of the time that their hashes take.
    nearly = np.count_nonzero(seconds[1:] < seconds[:-1]) * DESCENTS < len(seconds)
    told = seconds if nearly else _whole(held, "first")
    rising = np.sort(told, kind="stable" if nearly else None)
    twice = rising[1:][rising[1:] == rising[:-1]]
    if not len(twice):
        return np.empty(0, np.int64)
    alike = np.flatnonzero(pl.Series(told).is_in(pl.Series(np.unique(twice)).implode()).to_numpy())
    among = np.empty(len(alike), KEY)
    for name in ("first", "second", "address"):
        among[name] = _whole(held, name)[alike]
    order = np.lexsort((among["address"], among["second"], among["first"]))
    ranked = among[order]
    same = (ranked["first"][1:] == ranked["first"][:-1]) & (ranked["second"][1:] == ranked["second"][:-1])
    repeated: Rows = alike[order[1:][same]]
    return repeated


def _partition(keys: Keys) -> npt.NDArray[np.uint8]:
    return ((keys["first"] * SPREAD) >> np.uint64(58)).astype(np.uint8)


def absent(store: KeyStore, target: KeyStore) -> Iterator[Keys]:
    """Yield the keys that are not in the target, a part at a time and in the order of their addresses within it."""
    divided = store.on_disk or target.on_disk
    for keys, known in zip(store.parts(divided=divided), target.parts(divided=divided), strict=True):
        for first in range(0, len(keys), MEMORY_KEYS):
            yield _absent_from(keys[first : first + MEMORY_KEYS], known)


def _absent_from(keys: Keys, known: Keys) -> Keys:
    mine, theirs = _frame(keys).with_row_index("at"), _frame(known)
    left = mine.join(theirs, on=["first", "second"], how="anti")
    kept: Keys = keys[np.sort(left["at"].to_numpy())]
    return kept


def _frame(keys: Keys) -> pl.DataFrame:
    return pl.DataFrame({name: np.ascontiguousarray(keys[name]) for name in ("first", "second")})
