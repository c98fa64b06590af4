"""A lakehouse in plain folders, as a process opens it that has just started, and what it shows."""

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse


def house_in(folder):
    objects = LocalObjects(folder / "objects")
    return Lakehouse(IcebergTables.local(folder / "tables"), objects, ReleaseLog(objects))


def shown(house, table):
    """Return the students whom the current release shows, sorted."""
    pin = house.releases.current().tables[table.name]
    return sorted(house.tables.read(table.name, snapshot_id=pin.snapshot_id)["student"].to_pylist())
