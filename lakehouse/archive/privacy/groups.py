"""How many persons share the values that narrow a person down: k-anonymity, in bounded memory.

A table is k-anonymous when every combination of its quasi-identifiers stands in at least k rows (L. Sweeney, 2002).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, TypeAdapter

from lakehouse.archive.arrays import Cells, sure
from lakehouse.archive.privacy.kinds import Identifier, has_context, read_rules

# Combinations kept; a table with more of them is judged by an even sample of them, chosen by their hashes.
GROUPS_KEPT = 1_000_000
HASH_SEED = 20020925
# Kinds of identifiers that stand in a table with a row for a person.
NAMES_A_ROW = frozenset({"student_number", "name_column", "person_name", "email", "birth_date", "account_name"})

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class QuasiIdentifier(BaseModel):
    """A kind of column that narrows a person down, and how its values are made coarser."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    context: tuple[str, ...]
    advice: str


@functools.cache
def quasi_identifiers() -> dict[str, QuasiIdentifier]:
    """Return the kinds of quasi-identifiers by name."""
    return TypeAdapter(dict[str, QuasiIdentifier]).validate_python(read_rules("quasi_identifiers.yaml"))


def quasi_kind(name: str) -> str | None:
    """Return which kind of quasi-identifier a column's name speaks of, or None."""
    for kind, quasi in quasi_identifiers().items():
        if has_context(Identifier(title=kind, classes=(), context=quasi.context, reason=""), name, ""):
            return kind
    return None


def quasi_columns(names: Sequence[str], roles: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns that narrow a person down: those declared so, and those whose names say so."""
    return tuple(
        n for n in names if roles.get(n) == "quasi_identifier" or (roles.get(n, "none") == "none" and quasi_kind(n))
    )


@dataclass(frozen=True, slots=True)
class SmallGroups:
    """What is known of the combinations of quasi-identifiers in a table.

    `rows` counts rows in groups of fewer than k; it is estimated when `sampled` is above 1, the number of groups for
    which each one that was looked at stands. `unvaried` counts rows of groups of k or more in which every row has the
    same sensitive value, so that knowing the group is knowing the value.
    """

    smallest: int
    rows: int
    groups: int
    unvaried: int
    first_row: int | None
    sampled: int


class GroupScan:
    """Counts the combinations of values of some columns; `add` the rows in order, then ask for the `small` groups."""

    def __init__(self) -> None:
        self._sampled = 1
        self._keys: Hashes = np.empty(0, np.uint64)
        self._counts: Counts = np.empty(0, np.int64)
        self._firsts: Counts = np.empty(0, np.int64)
        self._sensitive: Hashes = np.empty(0, np.uint64)
        self._varied = np.empty(0, np.bool_)

    def add(self, quasi: Mapping[str, Cells], sensitive: Mapping[str, Cells], first_row: int) -> None:
        """Count the next rows, the first of which is `first_row`; both mappings are columns of one length."""
        keys = _hashes(quasi)
        values = _hashes(sensitive) if sensitive else np.arange(first_row, first_row + len(keys)).astype(np.uint64)
        rows = np.arange(first_row, first_row + len(keys))
        kept = (keys % np.uint64(self._sampled) == 0) & _known(quasi)
        order = np.argsort(keys[kept], kind="stable")
        self._merge(keys[kept][order], np.ones(len(order), np.int64), rows[kept][order], values[kept][order])
        while len(self._keys) > GROUPS_KEPT:
            self._sampled *= 2
            self._keep(self._keys % np.uint64(self._sampled) == 0)

    def _merge(self, keys: Hashes, counts: Counts, rows: Counts, values: Hashes) -> None:
        keys, counts = np.concatenate([self._keys, keys]), np.concatenate([self._counts, counts])
        rows, values = np.concatenate([self._firsts, rows]), np.concatenate([self._sensitive, values])
        varied = np.concatenate([self._varied, np.zeros(len(keys) - len(self._varied), np.bool_)])
        order = np.argsort(keys, kind="stable")
        keys, counts, rows, values, varied = keys[order], counts[order], rows[order], values[order], varied[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
        if not len(starts):
            return
        differs = values != np.repeat(values[starts], np.diff(np.append(starts, len(keys))))
        self._keys, self._sensitive = keys[starts], values[starts]
        self._counts = np.add.reduceat(counts, starts)
        self._firsts = np.minimum.reduceat(rows, starts)
        self._varied = np.logical_or.reduceat(varied | differs, starts)

    def _keep(self, mask: Flags) -> None:
        self._keys, self._counts, self._firsts = self._keys[mask], self._counts[mask], self._firsts[mask]
        self._sensitive, self._varied = self._sensitive[mask], self._varied[mask]

    def is_small(self, quasi: Mapping[str, Cells], least: int) -> Flags:
        """Say of each row whether fewer than `least` rows that were added share its values."""
        keys = _hashes(quasi)
        if not len(self._keys):
            return np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        small: Flags = (self._keys[places] == keys) & (self._counts[places] < least)
        return small

    def small(self, least: int) -> SmallGroups:
        """Return what is known of groups of fewer than `least` rows; smallest 0 when there are no rows."""
        if not len(self._keys):
            return SmallGroups(0, 0, 0, 0, None, self._sampled)
        small = self._counts < least
        unvaried = ~small & ~self._varied
        return SmallGroups(
            smallest=int(self._counts.min()),
            rows=int(self._counts[small].sum()) * self._sampled,
            groups=int(small.sum()) * self._sampled,
            unvaried=int(self._counts[unvaried].sum()) * self._sampled,
            first_row=int(self._firsts[small].min()) if small.any() else None,
            sampled=self._sampled,
        )


def _known(columns: Mapping[str, Cells]) -> Flags:
    """Say of each row whether any of its values is known; without one it is like every other."""
    known = [sure(pc.not_equal(cells, pa.scalar("", pa.string()))) for cells in columns.values()]
    any_known: Flags = np.logical_or.reduce([one.to_numpy(zero_copy_only=False) for one in known])
    return any_known


def _hashes(columns: Mapping[str, Cells]) -> Hashes:
    frame = pl.DataFrame(
        {name: pl.from_arrow(pa.chunked_array([cells.fill_null("")])) for name, cells in columns.items()}
    )
    return frame.hash_rows(HASH_SEED).to_numpy()
