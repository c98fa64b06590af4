"""Rows of a table are read no further than the memory that their reader allows."""

import pytest
from pyiceberg.io.pyarrow import ArrowScan

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.errors import TooLargeError
from lakehouse.ports import StoredWrite

FILES = 6


@pytest.fixture
def tables(tmp_path, new_table, marks_of):
    """A table of as many files as rows, and its name."""
    store, table = IcebergTables.local(tmp_path / "tables"), new_table()
    store.ensure(table)
    for number in range(FILES):
        stored = store.store_rows(table, [marks_of(f"s{number}")])
        store.advance(store.stage(StoredWrite(table, stored), f"b{number}", {}))
    yield store, table.name
    store.close()


@pytest.fixture
def read(monkeypatch):
    """The files that are read, one after the other."""
    tasks, to_table = [], ArrowScan.to_table
    monkeypatch.setattr(ArrowScan, "to_table", lambda scan, more: tasks.extend(more) or to_table(scan, more))
    return tasks


def test_rows_within_the_bound_are_those_that_come_without_one(tables):
    store, name = tables
    for where in ({"course": "maths"}, {"student": "s2"}, {"student": "nobody"}):
        for limit in (2, 100):
            bounded = store.head(name, limit, where=where, most_bytes=10_000)
            assert bounded.equals(store.head(name, limit, where=where)), (where, limit)


def test_rows_beyond_the_bound_are_refused_before_all_files_are_read(tables, read):
    store, name = tables
    with pytest.raises(TooLargeError, match="more than 50 bytes in memory"):
        store.head(name, 100, where={"course": "maths"}, most_bytes=50)
    assert 0 < len(read) < FILES


def test_no_more_files_are_read_than_the_rows_asked_for_take(tables, read):
    store, name = tables
    assert store.head(name, 2, where={"course": "maths"}, most_bytes=10_000).num_rows == 2
    assert len(read) == 2
