"""What a table store promises about a long past: metadata stay small, and nothing that was committed is forgotten."""

import pyarrow.compute as pc
import pytest

from lakehouse.adapters import iceberg_past
from lakehouse.errors import AuditError, NoTableError, WithdrawnError
from lakehouse.ports import Cleaned, TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish

APPENDS = 12


# Not with a catalog in PostgreSQL, which keeps the same metadata as one in SQLite: these tests are slow.
SERVERS = [pytest.param(name, marks=pytest.mark.servers) for name in ("seaweedfs", "minio")]
pytestmark = pytest.mark.parametrize("backend", ["local", *SERVERS], indirect=True)


@pytest.fixture
def old(backend, new_table, marks_of, provenance, monkeypatch):
    """A table after more appends than its metadata remember, one student each, and each append's release."""
    monkeypatch.setattr(iceberg_past, "NEWEST", 4)
    monkeypatch.setattr(iceberg_past, "MOST", 7)
    house, table = backend.house(), new_table()
    releases = [
        write_audit_publish(house, [TableWrite(table, marks_of(f"s{one}"))], key=f"k{one}", provenance=provenance)
        for one in range(APPENDS)
    ]
    return backend.house(), table, releases


def students(rows):
    return set(rows["student"].to_pylist())


def test_the_metadata_of_an_old_table_hold_its_newest_snapshots_only(old):
    house, table, _ = old
    kept = house.tables.summaries(table.name)
    assert 4 <= len(kept) <= 7
    assert kept[-1]["lakehouse.key"] == f"k{APPENDS - 1}"
    stored = house.tables._catalog.load_table(table.name)
    assert len(stored.snapshots()) == len(kept)
    assert len(stored.current_snapshot().manifests(stored.io)) <= 9, "manifests are merged as they grow many"


def test_a_key_lands_once_however_long_ago_that_was(old, marks_of, provenance):
    house, table, releases = old
    for one in range(APPENDS):
        assert house.tables.committed(table.name, f"k{one}") == releases[one].snapshots[table.name]
    assert house.tables.committed(table.name, "never") is None
    again = [TableWrite(table, marks_of("s1"))]
    assert not write_audit_publish(house, again, key="k1", provenance=provenance).changed
    with pytest.raises(AuditError, match="student='s1'"):
        write_audit_publish(house, again, key="another", provenance=provenance)
    assert students(house.tables.read(table.name)) == {f"s{one}" for one in range(APPENDS)}


def test_what_an_old_release_pins_is_still_read(old):
    house, table, releases = old
    first = house.releases.numbered(releases[2].release_number).tables[table.name]
    assert students(house.tables.read(table.name, snapshot_id=first.snapshot_id)) == {"s0", "s1", "s2"}
    rows = house.tables.head(table.name, 5, where={"student": "s1"}, snapshot_id=first.snapshot_id)
    assert students(rows) == {"s1"}
    with pytest.raises(NoTableError, match="42"):
        house.tables.read(table.name, snapshot_id=42)


def test_a_rewriting_forgets_the_snapshots_that_metadata_had_dropped_too(old, marks_of, provenance):
    house, table, releases = old
    tables = house.tables

    def clean(rows):
        kept = rows.filter(pc.not_equal(rows["student"], "s1"))
        return Cleaned(kept, removed=rows.num_rows - kept.num_rows, changed=kept.num_rows < rows.num_rows)

    done = tables.rewrite(table.name, clean, "r1", lambda key: key.replace("k", "new"))
    assert {one.snapshots[table.name] for one in releases} <= set(done.forgot)
    for one in range(APPENDS):
        assert tables.committed(table.name, f"k{one}") == tables.committed(table.name, f"new{one}") == done.snapshot_id
    tables.sweep(table.name)
    for number in range(8):
        rows = [TableWrite(table, marks_of(f"t{number}"))]
        write_audit_publish(house, rows, key=f"t{number}", provenance=provenance)
    assert done.snapshot_id not in [int(one["snapshot-id"]) for one in tables.summaries(table.name)]
    for one in (0, APPENDS - 1):
        with pytest.raises(WithdrawnError, match="withdrawal r1"):
            tables.read(table.name, snapshot_id=releases[one].snapshots[table.name])
    assert tables.committed(table.name, "new3") == done.snapshot_id
    assert "s1" not in students(tables.read(table.name))
