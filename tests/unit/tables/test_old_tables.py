"""What a table that had many appends still sees, and what the next append to it does not grow by."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table.metadata import TableMetadataUtil
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    update_table_metadata,
)

from lakehouse.adapters import iceberg_commit, iceberg_past
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_branches import commit, set_branch
from lakehouse.adapters.iceberg_updates import updated
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import AuditError, ChecksumError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

TABLE = TableDefinition(
    name="gold.old",
    grain="one row a number",
    key=("number",),
    columns=(
        Column("number", pa.int64(), "A number.", nullable=False),
        Column("word", pa.string(), "A word."),
    ),
)
APPENDS = 28
NUMBERS = [1000 - 70 * one if one % 2 else 70 * one for one in range(APPENDS)]
"""In no order, so that files of all ages lie between each other."""


def append(house, number):
    rows = pa.table({"number": [number], "word": [f"w{number}"]}, schema=TABLE.arrow_schema())
    origin = Provenance(run_id="run", code_commit="c")
    return write_audit_publish(house, [TableWrite(TABLE, rows)], key=f"k{number}", provenance=origin)


def metadata_file(house):
    return Path(house.tables.catalog.load_table(TABLE.name).metadata_location.removeprefix("file://"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A lake with a table of many appends, and how large its metadata was after each."""
    folder = tmp_path_factory.mktemp("old")
    objects = LocalObjects(folder / "objects")
    house = Lakehouse(IcebergTables.local(folder / "tables"), objects, ReleaseLog(objects))
    sizes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iceberg_past, "NEWEST", 3)
        patch.setattr(iceberg_past, "MOST", 5)
        patch.setattr(iceberg_commit, "TIER", 3)
        for number in NUMBERS:
            append(house, number)
            sizes.append(metadata_file(house).stat().st_size)
        yield house, sizes
    house.tables.close()


def test_no_commit_writes_more_because_a_table_is_old(grown):
    _, sizes = grown
    assert max(sizes[-6:]) < 1.03 * max(sizes[6:12]), "but for longer numbers"


@pytest.mark.parametrize("place", [0, 1, APPENDS // 2, APPENDS - 1])
def test_an_old_table_takes_no_key_again(grown, place):
    house, _ = grown
    rows = pa.table({"number": [NUMBERS[place]], "word": ["again"]}, schema=TABLE.arrow_schema())
    origin = Provenance(run_id="run", code_commit="c")
    with pytest.raises(AuditError, match=f"number={NUMBERS[place]}"):
        write_audit_publish(house, [TableWrite(TABLE, rows)], key=f"again {place}", provenance=origin)
    assert house.tables.read(TABLE.name).num_rows == APPENDS


def test_what_is_known_of_a_tables_metadata_is_what_is_stored(grown):
    house, _ = grown
    known = house.tables.catalog.load_table(TABLE.name).metadata
    assert known == TableMetadataUtil.parse_raw(metadata_file(house).read_text())


@pytest.mark.parametrize("removed", [0, 1])
def test_a_commit_makes_of_metadata_what_pyiceberg_would(grown, removed):
    house, _ = grown
    stored = house.tables.catalog.load_table(TABLE.name)
    new = stored.metadata.snapshots[-1].model_copy(
        update={"snapshot_id": 7, "sequence_number": 99, "timestamp_ms": stored.metadata.last_updated_ms + 5}
    )
    old = [one.snapshot_id for one in stored.metadata.snapshots[:removed]]
    updates = (
        AddSnapshotUpdate(snapshot=new),
        set_branch("main", 7),
        *([RemoveSnapshotsUpdate(snapshot_ids=old)] if old else []),
        SetPropertiesUpdate(updates={"a": "b"}),
    )
    before = stored.metadata.model_dump_json()
    theirs = update_table_metadata(stored.metadata, updates, metadata_location=stored.metadata_location)
    assert updated(stored.metadata, updates, stored.metadata_location) == theirs != stored.metadata
    assert stored.metadata.model_dump_json() == before, "what others may know stays as it is"


def test_damaged_metadata_are_refused_though_they_are_known(grown):
    house, _ = grown
    file = metadata_file(house)
    good = file.read_bytes()
    file.write_bytes(good[:-2] + b" " + good[-1:])
    try:
        with pytest.raises(ChecksumError, match="damaged"):
            house.tables.read(TABLE.name)
    finally:
        file.write_bytes(good)
    assert house.tables.read(TABLE.name).num_rows == APPENDS


@pytest.mark.parametrize("gone", [True, False])
def test_a_bad_value_is_asked_again_only_where_a_snapshot_that_was_named_is_gone(grown, monkeypatch, gone):
    house, _ = grown
    catalog = house.tables.catalog
    stored = catalog.load_table(TABLE.name)
    head = stored.current_snapshot().snapshot_id

    def refuse(*_):
        raise ValueError("as PyIceberg says it")

    monkeypatch.setattr(catalog, "commit_table", refuse)
    removal = RemoveSnapshotsUpdate(snapshot_ids=[1 if gone else head])
    if gone:
        assert commit(catalog, stored, "main", head, [removal]) is None
    else:
        with pytest.raises(ValueError, match="as PyIceberg says it"):
            commit(catalog, stored, "main", head, [removal])
