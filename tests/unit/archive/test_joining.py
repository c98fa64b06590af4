"""Columns tried together: what is kept for it has one room for all tables, and few rows are read for most of them."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.archive import joining
from lakehouse.archive.guessing import Guess, TableLook
from lakehouse.archive.joining import JoinLook, Looked, Room, Together, composite_key

SEED = 20261128


def looked(columns, room=None, pieces=2):
    """A table whose rows came in several pieces."""
    rows = len(next(iter(columns.values())))
    joins = JoinLook(room or Room())
    for numbers in np.array_split(np.arange(rows), pieces):
        joins.add({name: pa.array([str(cells[n]) for n in numbers]) for name, cells in columns.items()}, len(numbers))
    guesses = {name: Guess("string", rows, 0, (), (), unique=False) for name in columns}
    return Looked("marks", TableLook(), joins, guesses)


def test_the_cells_of_all_tables_share_one_room():
    room = Room(cells=12)
    two = {"pupil": [1, 1, 2, 2], "item": [1, 2, 1, 2]}
    first, second = looked(two, room), looked(two, room)
    assert (composite_key(first, {}), composite_key(second, {})) == (Together(("pupil", "item"), named=False), None)
    first.joins.forget_rows()
    second.joins.forget_rows()
    assert room.cells == 12
    assert composite_key(looked(two, room), {}) == Together(("pupil", "item"), named=False)


def test_rows_that_come_twice_at_the_end_are_read_whole_once(monkeypatch):
    monkeypatch.setattr(joining, "FIRST_ROWS", 10)
    read = []
    two_alike = joining._two_alike
    monkeypatch.setattr(joining, "_two_alike", lambda columns, count: read.append(count) or two_alike(columns, count))
    random = np.random.default_rng(SEED)
    columns = {f"c{n}": [*(made := random.permutation(1_000).tolist()), made[7]] for n in range(12)}
    assert composite_key(looked(columns), {}) is None
    assert read == [10, 1_001]


@pytest.mark.parametrize("values", [2, 3, 6])
def test_the_fewest_columns_that_never_repeat_are_found_as_by_hand(monkeypatch, values):
    monkeypatch.setattr(joining, "FIRST_ROWS", 4)
    random = np.random.default_rng(SEED)
    found = 0
    for rows in (*range(2, 20), *range(2, 20)):
        columns = {name: random.integers(0, values, rows).tolist() for name in ("a", "a_id", "b", "b_no", "c")}
        unlikely = [t for size in (2, 3) for t in combinations(columns, size)]
        likely = [t for t in unlikely if set(t) <= {"a_id", "b_no"}]
        by_hand = next(
            (t for t in (*likely, *unlikely) if len(set(zip(*(columns[n] for n in t), strict=True))) == rows), None
        )
        together = composite_key(looked(columns), {})
        assert (together and together.columns) == by_hand
        found += by_hand is not None
    assert found
