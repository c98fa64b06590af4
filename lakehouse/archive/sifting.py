"""What stores a table's rows as they come, and what may keep rows of a silver table out of it."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pyarrow as pa

from lakehouse.definition import TableDefinition

Write = TypeVar("Write")
Keep = Callable[[TableDefinition, Iterator[pa.Table]], Write]
"""Given a table and its rows, some at a time, takes all of them and returns what publishes them."""

Placed = tuple[pa.Table, pa.Table]
"""Rows of a silver table, and the file and number of each in bronze."""

Sift = Callable[[TableDefinition, Iterator[Placed]], Iterator[pa.Table]]
"""Given a silver table and its rows, some at a time, yields the rows that stay in it, in their order."""


def all_stay(_table: TableDefinition, placed: Iterator[Placed]) -> Iterator[pa.Table]:
    """Keep every row."""
    return (rows for rows, _ in placed)
