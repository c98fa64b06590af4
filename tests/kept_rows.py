"""Keeps the rows of a layer in memory, for tests that look at them."""

from collections.abc import Iterator

import pyarrow as pa

from lakehouse.definition import TableDefinition
from lakehouse.ports import TableWrite


def kept(table: TableDefinition, batches: Iterator[pa.Table]) -> TableWrite:
    """Return all rows as one write."""
    return TableWrite(table, pa.concat_tables([table.arrow_schema().empty_table(), *batches]))
