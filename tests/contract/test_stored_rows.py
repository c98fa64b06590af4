"""Rows that are stored some at a time: the same table as in one piece, unseen before, judged like all."""

import pyarrow as pa
import pytest

from lakehouse.adapters.iceberg_commit import live_entries
from lakehouse.adapters.iceberg_history import file_infos
from lakehouse.adapters.iceberg_names import LONG_SEAL
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.errors import AuditError, ChecksumError, LakehouseError, SchemaError
from lakehouse.ports import StoredWrite, TableWrite
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in

pytestmark = pytest.mark.usefixtures("released_tables_only")


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    """Make files of two rows each."""
    monkeypatch.setattr("lakehouse.adapters.iceberg_files.ROW_GROUP_ROWS", 2)
    monkeypatch.setattr("lakehouse.adapters.iceberg_files.FILE_BYTES", 1)


def stored(house, table, *batches):
    return StoredWrite(table, house.tables.store_rows(table, iter(batches)))


def students(house, table):
    return house.tables.read(table.name)["student"].to_pylist()


def data_files(house, table):
    at = house.tables.catalog.load_table(table.name)
    return [entry.data_file.file_path for entry in live_entries(at.io, at.current_snapshot())]


def test_rows_that_come_some_at_a_time_are_the_same_table_in_several_sealed_files(
    backend, new_table, marks_of, provenance
):
    house, whole, pieces = backend.house(), new_table("_whole"), new_table("_pieces")
    names = [f"s{one}" for one in (3, 1, 2, 5, 4, 0, 9)]
    batches = [marks_of(*names[:1]), marks_of(), marks_of(*names[1:6]), marks_of(*names[6:])]
    write = stored(house, pieces, *batches)
    assert write.rows.num_rows == 7
    assert students(house, pieces) == [], "nobody sees them before they are published"
    writes = [TableWrite(whole, marks_of(*names)), write]
    assert write_audit_publish(house, writes, key="k1", provenance=provenance).changed
    assert house.tables.read(pieces.name).equals(house.tables.read(whole.name))
    paths = data_files(house, pieces)
    assert len(paths) == 4
    assert all(map(LONG_SEAL.search, paths))
    assert not write_audit_publish(house, writes, key="k1", provenance=provenance).changed
    assert len(students(house, pieces)) == 7


def test_no_rows_are_a_write_as_well(backend, new_table, marks_of, provenance):
    house, table = backend.house(), new_table()
    for key, batches in {"k1": [], "k2": [marks_of()]}.items():
        assert write_audit_publish(house, [stored(house, table, *batches)], key=key, provenance=provenance).changed
    assert students(house, table) == []


def test_a_key_that_comes_twice_publishes_nothing(backend, new_table, marks_of, provenance):
    house, table = backend.house(), new_table()
    twice = stored(house, table, marks_of("bo", "ann"), marks_of("cy", "bo"), marks_of("bo", "dee", "ann"))
    with pytest.raises(AuditError) as told:
        write_audit_publish(house, [twice], key="k1", provenance=provenance)
    assert "key (student, course) is not unique: " in str(told.value)
    assert "3 rows with student='bo', course='maths'" in str(told.value)
    assert "2 rows with student='ann', course='maths'" in str(told.value)
    assert students(house, table) == []
    first = stored(house, table, marks_of("ann", "bo", "cy"))
    assert write_audit_publish(house, [first], key="k1", provenance=provenance).changed
    with pytest.raises(AuditError, match=r"not unique: 2 rows with student='cy', course='maths'\."):
        write_audit_publish(house, [stored(house, table, marks_of("cy", "dee"))], key="k2", provenance=provenance)
    assert write_audit_publish(house, [stored(house, table, marks_of("b"))], key="k2", provenance=provenance).changed
    assert students(house, table) == ["b", "ann", "bo", "cy"]


def test_a_batch_of_the_wrong_shape_is_refused(backend, new_table, marks_of):
    house, table = backend.house(), new_table()
    with pytest.raises(SchemaError, match="mark"):
        stored(house, table, marks_of("ann"), marks_of("bo").drop_columns(["mark"]))
    nobody = marks_of("bo").set_column(0, "student", pa.array([None], pa.string()))
    with pytest.raises(SchemaError, match="required column student has 1 nulls"):
        stored(house, table, marks_of("ann", "cy"), nobody)


@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_a_file_that_was_harmed_before_it_was_published_is_told(tmp_path, new_table, marks_of, provenance, fault):
    house, table = house_in(tmp_path), new_table()
    write = stored(house, table, marks_of("ann", "bo"), marks_of("cy"))
    at = house.tables.catalog.load_table(table.name)
    path = write.rows.files[1].file_path
    if fault == "gone":
        at.io.delete(path)
    else:
        with at.io.new_output(path).create(overwrite=True) as stream:
            stream.write(b"PAR1")
    with pytest.raises(ChecksumError if fault == "damaged" else LakehouseError, match="rows-"):
        write_audit_publish(house, [write], key="k1", provenance=provenance)
    assert students(house, table) == []


def test_files_that_nobody_published_go_as_orphans(tmp_path, new_table, marks_of, provenance):
    house, table = house_in(tmp_path), new_table()
    published = stored(house, table, marks_of("ann"))
    write_audit_publish(house, [published], key="k1", provenance=provenance)
    left = [one.file_path for one in stored(house, table, marks_of("bo", "cy"), marks_of("dee")).rows.files]
    maintain(house, IcebergUpkeep(house.tables), Upkeep(), provenance)
    at = house.tables.catalog.load_table(table.name)
    kept = {one.path for one in file_infos(at)}
    assert all(any(path.endswith(one) for one in kept) for path in left), "somebody may be about to publish them"
    maintain(house, IcebergUpkeep(house.tables), Upkeep(keep_days=0, keep_releases=2, abandoned_hours=1e-9), provenance)
    kept = {one.path for one in file_infos(house.tables.catalog.load_table(table.name))}
    assert not [path for path in left if any(path.endswith(one) for one in kept)]
    assert students(house, table) == ["ann"]
