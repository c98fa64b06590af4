"""What may keep rows of a silver table out of it."""

from collections.abc import Callable

import pyarrow as pa

from lakehouse.definition import TableDefinition

Sift = Callable[[TableDefinition, pa.Table, pa.Table], pa.Table]
"""Given a silver table, its rows, and the file and number of each in bronze, returns the rows that stay in it."""


def all_stay(_table: TableDefinition, rows: pa.Table, _places: pa.Table) -> pa.Table:
    """Keep every row."""
    return rows
