"""Rows on their way to a layer: held under no name until they may be stored, stored once however often it is asked."""

import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.archive.keeping import SHOWN, Holding, Keeper
from lakehouse.errors import BusyError, ServiceUnavailableError
from lakehouse.tables.withdrawals import PLAN, PREFIX
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in


def test_held_rows_come_back_and_have_no_name(tmp_path, new_table, marks_of, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = new_table()
    batches = [marks_of("ann", "bo").cast(table.arrow_schema()), marks_of("cy").cast(table.arrow_schema())]
    with closing(Holding()) as holding:
        held = holding.hold(table, iter(batches))
        none = holding.hold(table, iter([]))
        assert list(tmp_path.iterdir()) == []
        for _ in range(2):
            assert pa.concat_tables(held.rows.batches()).equals(pa.concat_tables(batches))
        assert held.rows.num_rows == 3
        assert (none.rows.num_rows, list(none.rows.batches())) == (0, [])
    assert held.rows.file.closed


def test_a_full_disk_is_told_and_may_be_tried_again(new_table, marks_of, monkeypatch):
    table = new_table()
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "r+b"))
    with closing(Holding()) as holding, pytest.raises(ServiceUnavailableError, match="no room for rows of silver"):
        holding.hold(table, iter([marks_of("ann").cast(table.arrow_schema())]))


def test_rows_that_are_published_are_counted_and_not_stored_again(tmp_path, new_table, marks_of, provenance):
    house, table = house_in(tmp_path), new_table()
    batches = [marks_of(*[f"s{at}" for at in range(SHOWN + 2)]), marks_of("t")]
    first = Keeper(house, "k1")
    write_audit_publish(house, [first.keep(table, iter(batches))], key="k1", provenance=provenance)
    before = sorted((tmp_path / "tables").rglob("*.parquet"))
    again = Keeper(house, "k1")
    write = again.keep(table, iter(batches))
    assert (write.rows.num_rows, write.rows.files) == (SHOWN + 3, ())
    assert not write_audit_publish(house, [write], key="k1", provenance=provenance).changed
    assert sorted((tmp_path / "tables").rglob("*.parquet")) == before
    assert again.shown[table.name].equals(first.shown[table.name])
    assert again.shown[table.name]["student"].to_pylist() == [f"s{at}" for at in range(SHOWN)]


def test_nothing_is_stored_while_a_withdrawal_is_open(tmp_path):
    house = house_in(tmp_path)
    house.objects.put(f"{PREFIX}w1{PLAN}", b"{}")
    with pytest.raises(BusyError):
        Keeper(house, "k1")
