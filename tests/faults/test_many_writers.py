"""However many write at once, every row that was acknowledged is there exactly once."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.errors import TransientError
from lakehouse.ports import TableWrite
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

WRITERS = 32
# 100 is the full race; it takes minutes and is run by hand.
APPENDS = 2


def maintained(house, provenance):
    while True:
        try:
            return maintain(house, IcebergUpkeep(house.tables), Upkeep(), provenance)
        except TransientError:
            continue  # what a caller is told to do: run it again


@pytest.mark.timeout(900)
def test_of_32_writers_each_acknowledged_row_is_there_once_while_the_table_is_compacted(
    tmp_path, new_table, provenance
):
    table = new_table()

    def house():
        objects = LocalObjects(tmp_path / "objects")
        return Lakehouse(IcebergTables.local(tmp_path / "tables"), objects, ReleaseLog(objects))

    def write(writer):
        own, acknowledged = house(), []
        for number in range(APPENDS):
            student = f"w{writer}-{number}"
            rows = pa.table({"student": [student], "course": ["maths"], "mark": [1.0]})
            done = None
            while done is None:
                try:
                    done = write_audit_publish(own, [TableWrite(table, rows)], key=student, provenance=provenance)
                except TransientError:
                    continue  # what a caller is told to do: run it again
            acknowledged.append(student)
        own.tables.close()
        return acknowledged

    first = house()
    first.tables.ensure(table)
    with ThreadPoolExecutor(WRITERS) as pool:
        running = [pool.submit(write, writer) for writer in range(WRITERS)]
        running[0].result()
        maintained(first, provenance)
        acknowledged = sorted(student for each in running for student in each.result())
    assert len(acknowledged) == WRITERS * APPENDS
    pin = first.releases.current().tables[table.name]
    assert sorted(first.tables.read(table.name, snapshot_id=pin.snapshot_id)["student"].to_pylist()) == acknowledged
    for student in acknowledged[:: len(acknowledged) // 8]:
        assert first.tables.committed(table.name, student) is not None
    first.tables.close()
