"""What must hold in a race and after it: each acknowledged row once, every key known, no file that nothing needs."""

import os
from pathlib import Path

import pyarrow as pa

from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.errors import CommitConflictError, NoReleaseError, NoTableError, TransientError
from lakehouse.ports import TableWrite
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish
from tests.race.machines import ORIGIN, TABLE, Lake

RECORDS = ("past-", "key-", "upkeep-looked")
YEAR_S = 365 * 86_400


class Beside:
    """Reads and looks after the table while others write to it, and counts how that went."""

    def __init__(self, lake: Lake, care: Upkeep) -> None:
        self.lake, self.rules = lake, care
        self.house = lake.house("upkeep")
        self.rounds = self.refused = self.compactions = self.expired = self.orphans = self.readings = 0

    def __call__(self) -> None:
        """Look after the table once, and read it before and after."""
        self._read()
        try:
            done = maintain(self.house, IcebergUpkeep(self.house.tables), self.rules, ORIGIN)
        except CommitConflictError:
            self.refused += 1
        except TransientError:
            pass  # the database was busy, as a writer may find it too
        else:
            self.rounds += 1
            self.compactions += sum(one.compactions for one in done)
            self.expired += sum(one.expired for one in done)
            self.orphans += sum(one.orphan_files for one in done)
        self._read()

    def _read(self) -> None:
        before = set(self.lake.acknowledged())
        try:
            rows = shown(self.house)
        except (NoReleaseError, NoTableError, TransientError):
            # Nothing is published yet; or other releases came since this one was found, and it expired.
            return
        self.readings += 1
        assert len(set(rows)) == len(rows), "a reader saw a row twice"
        assert before <= set(rows), "a reader missed a row that had been acknowledged"


def shown(house: Lakehouse) -> list[str]:
    """Return what the current release shows, sorted."""
    pin = house.releases.current().tables[TABLE.name]
    return sorted(house.tables.read(TABLE.name, snapshot_id=pin.snapshot_id)["append"].to_pylist())


def judge(lake: Lake, total: int) -> None:
    """Judge a finished race, look after what it left a year later and once more after another, and judge that.

    Once would not do: a round that joins files makes a release, and the one before it keeps its pin to the next round.
    """
    house = lake.house("judge")
    acknowledged = sorted(lake.acknowledged())
    assert len(acknowledged) == len(set(acknowledged)) == total
    assert shown(house) == acknowledged, "the last release does not show each acknowledged row once"
    rules = Upkeep(keep_days=0, keep_releases=1, abandoned_hours=24)
    for _ in range(2):
        _age(lake.folder / "tables")
        done = maintain(house, IcebergUpkeep(house.tables), rules, ORIGIN)
        assert shown(house) == acknowledged, "maintenance changed what is shown"
    assert not sum(one.compactions for one in done), "the second round found files to join, right after the first"
    _judge_files(house, lake.folder / "tables")
    for key in acknowledged[:: max(1, total // 50)]:
        write = TableWrite(TABLE, pa.table({"append": [key]}))
        again = write_audit_publish(house, [write], key=key, provenance=ORIGIN)
        assert not again.changed, f"{key} was acknowledged, and is not known any more"
    house.tables.close()


def _age(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and "warehouse" in path.parts:
            was = path.stat().st_mtime
            os.utime(path, (was - YEAR_S, was - YEAR_S))


def _judge_files(house: Lakehouse, folder: Path) -> None:
    """See, by PyIceberg's own reading, that no old file is left that no snapshot of main needs."""
    stored = house.tables.catalog.load_table(TABLE.name)
    assert list(stored.metadata.refs) == ["main"], "a branch is left"
    needed = {stored.metadata_location, house.releases.current().tables[TABLE.name].metadata_location}
    for snapshot in stored.snapshots():
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(stored.io):
            needed.add(manifest.manifest_path)
            needed.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(stored.io))
    young = max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file()) - YEAR_S / 2
    found = {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(RECORDS)}
    old = {f"file://{path}" for path in found if "warehouse" in path.parts and path.stat().st_mtime < young}
    assert not old - needed, f"{len(old - needed)} files are left that nothing needs, e.g. {sorted(old - needed)[:3]}"
