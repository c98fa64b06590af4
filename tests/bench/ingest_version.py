"""Writes one version's bronze and silver tables in a lake in a folder and prints the peak memory of each, in MB."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive.eds import load_description
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.ports import DatasetVersion, Provenance
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish


def peak_mb() -> float:
    """Return the most memory that this process held since the last call."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def main(folder: Path, lake: Path) -> None:
    """Store the dataset in `folder`."""
    peaks = {"libraries": peak_mb()}
    objects = LocalObjects(lake / "objects")
    house = Lakehouse(IcebergTables.local(lake / "tables"), objects, ReleaseLog(objects))
    description = load_description(folder)
    version = DatasetVersion(description.name, description.version, "a" * 40, "v1", "0" * 64, datetime.now(UTC))
    for layer, writes in (("bronze", bronze_writes), ("silver", silver_writes)):
        made = writes(folder, description, version)
        write_audit_publish(house, made, key=layer, provenance=Provenance("bench", "0" * 40))
        del made
        peaks[layer] = peak_mb()
    rows = house.tables.pointer("silver.lessons_lessons").snapshot_id is not None
    sys.stdout.write(json.dumps({"peaks": peaks, "stored": rows}))


main(Path(sys.argv[1]), Path(sys.argv[2]))
