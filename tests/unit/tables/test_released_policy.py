"""The policy of a release: its terms, and of what is stored what they depend on."""

from types import SimpleNamespace

import pyarrow as pa

from lakehouse.ports import TablePointer
from lakehouse.tables import released_policy
from lakehouse.tables.gold import LOADS
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import Release


def test_the_loads_of_the_release_say_which_versions_are_stored(monkeypatch):
    known = {"dataset": "marks", "dataset_version": "1"}
    said = [{**known, "dataset_version": label, "part": "marks", "consent_table": "answers"} for label in ("1", "2")]
    rows = {TERMS: said, LOADS: [{**known, "layer": "silver"}]}
    tables = {table.name: pa.Table.from_pylist(found, table.arrow_schema()) for table, found in rows.items()}
    release = Release(1, "", {name: TablePointer(name, "", 7) for name in tables})
    monkeypatch.setattr(released_policy, "recover", lambda house: None)
    house = SimpleNamespace(
        releases=SimpleNamespace(current=lambda: release),
        tables=SimpleNamespace(read=lambda name, snapshot_id: tables[name]),
    )
    policy = released_policy.released_policy(house, SimpleNamespace(users={}, rules=None))
    assert policy.terms["marks"].versions == ("1", "2")
    assert policy.terms["marks"].stored == ("1",)
