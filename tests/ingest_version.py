"""Stores bronze and silver of versions in a process of its own, and tells the most memory that each took."""

import json
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.adapters import iceberg_files
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive import csv_blocks
from lakehouse.archive.eds import load_description
from lakehouse.archive.keeping import Holding, Keeper
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.ports import DatasetVersion, Provenance
from lakehouse.tables import stored_keys
from lakehouse.tables.expectations import figures
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.inspection import Inspection
from lakehouse.tables.expectations.kinds import TableExpectations
from lakehouse.tables.health import EXPECTATION_RESULTS
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

Peaks = dict[str, float]
SILVER = "silver.lessons_lessons"
PROMISES = {
    "ROOM": {"check": "between", "column": "room", "maximum": 11, "severity": "quarantine", "mostly": 0.5},
    "ONCE": {"check": "unique", "columns": ["lesson", "code"], "severity": "error"},
    "MANY": {"check": "measured", "column": "lesson", "measure": "distinct", "minimum": 1, "severity": "error"},
    "MEAN": {"check": "measured", "column": "lesson", "measure": "mean", "minimum": 1, "severity": "error"},
    "MIDDLE": {"check": "measured", "column": "lesson", "measure": "median", "minimum": 1, "severity": "error"},
}
"""One of every kind that is told by all rows."""


def peaks_of(lake: Path, folder: Path, *, pieces: int = 1) -> Peaks:
    """Return the peaks in MB after each layer of the dataset in `folder`, and of the libraries before them.

    Everything that is held in memory at once is one of so many `pieces` of what it usually is.
    """
    lake.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, __file__, str(lake), str(folder), str(pieces)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(lake)},
    )
    peaks: Peaks = json.loads(done.stdout)
    return peaks


def peak_mb() -> float:
    """Return the most memory that this process held since the last call."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def stored(lake: Path, folder: Path) -> Peaks:
    """Store the dataset in a lake in a folder."""
    peaks = {"libraries": peak_mb()}
    objects = LocalObjects(lake / "objects")
    house = Lakehouse(IcebergTables.local(lake / "tables"), objects, ReleaseLog(objects))
    description = load_description(folder)
    version = DatasetVersion(description.name, description.version, "a" * 40, "v1", "0" * 64, datetime.now(UTC))
    origin = Provenance("test", "0" * 40)
    expect = {code: {"reason": "Because it is measured.", **one} for code, one in PROMISES.items()}
    promised_of = TableExpectations.model_validate({"about": "Lessons.", "owner": "team:test", "expect": expect})
    bronze = bronze_writes(folder, description, version, Keeper(house, "bronze").keep)
    write_audit_publish(house, bronze, key="bronze", provenance=origin)
    peaks["bronze"] = peak_mb()
    with closing(Holding()) as holding:
        found = Inspection(
            Expectations({SILVER: promised_of}, "1"),
            EXPECTATION_RESULTS.arrow_schema().empty_table(),
            version,
            datetime.now(UTC),
        )
        held = silver_writes(folder, description, version, holding.hold, found.sift)
        assert all(verdict.kept for _, verdict in found.verdicts), found.broken
        silver = [Keeper(house, "silver").keep_held(write) for write in held]
        write_audit_publish(house, silver, key="silver", provenance=origin)
    peaks["silver"] = peak_mb()
    assert len(house.releases.current().tables) == len(bronze) + len(silver)
    house.tables.close()
    return peaks


def main(lake: Path, folder: Path, pieces: int) -> None:
    """Print the peaks."""
    for module, names in (
        (iceberg_files, ("ROW_GROUP_ROWS", "PIECE_BYTES", "FILE_BYTES")),
        (stored_keys, ("MEMORY_KEYS", "BATCH_KEYS")),
        (figures, ("MEMORY_KEYS", "MEMORY_VALUES", "READ_VALUES")),
    ):
        for name in names:
            setattr(module, name, getattr(module, name) // pieces)
    read = csv_blocks.blocks.__kwdefaults__
    read["block_bytes"] //= pieces
    sys.stdout.write(json.dumps(stored(lake, folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
