"""When the terms of a version are published: with its rows, or before its tables have new names for columns."""

from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import pyarrow as pa
import pytest

from assets import store
from lakehouse.archive.deidentified import NOBODY_NAMED
from lakehouse.ports import DatasetVersion
from lakehouse.tables.register import TERMS

VERSION = DatasetVersion("marks", "2", "c" * 40, "v2", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("former", "published", "before", "beside"),
    [("", False, 0, 1), ("mail:address", False, 1, 0), ("mail:address", True, 0, 0), ("", True, 0, 0)],
)
def test_terms_that_rename_columns_come_before_the_rows_and_others_with_them(
    monkeypatch, former, published, before, beside
):
    keys = []
    known = [{"dataset": "marks", "dataset_version": "2" if published else "1"}]
    monkeypatch.setattr(store, "read_released", lambda house, table, columns: pa.Table.from_pylist(known))
    monkeypatch.setattr(store, "commit", lambda house, writes, key, provenance: keys.append((key, writes[0].table)))
    rows = pa.table({"part": ["pupils", "rooms"], "former_columns": [former, ""]})
    writes = store._terms_beside(SimpleNamespace(), rows, VERSION, SimpleNamespace())
    assert keys == [(f"terms:marks@2:{'c' * 40}", TERMS)] * before
    assert [write.table for write in writes] == [TERMS] * beside


def test_they_are_published_before_any_row_is_stored(monkeypatch):
    done = []
    for name in ("bronze_writes", "_terms_beside", "_commit"):
        monkeypatch.setattr(store, name, lambda *given, name=name, **named: done.append(name))
    monkeypatch.setattr(store, "_accepted", lambda *given: (None, VERSION))
    monkeypatch.setattr(store, "terms_rows", lambda *given: None)
    monkeypatch.setattr(store, "to_be_hidden", lambda *given: NOBODY_NAMED)
    monkeypatch.setattr(store, "_loaded", lambda *given: dg.MaterializeResult())
    monkeypatch.setattr(store, "Keeper", lambda *given: SimpleNamespace(keep=None, shown={}))
    shelf = SimpleNamespace(landed=lambda key: SimpleNamespace(folder=None))
    origin = SimpleNamespace(provenance=lambda *given, **known: None)
    with dg.build_asset_context(partition_key="marks@2") as context:
        store.bronze_tables(context, shelf=shelf, versions=None, house=None, origin=origin, silver_key=None)
    assert done == ["_terms_beside", "bronze_writes", "_commit"]
