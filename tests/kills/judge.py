"""What must hold when an ingest was killed, and when the next one has ended."""

import json
import os
import re
from collections import Counter
from pathlib import Path

from dagster_project.wiring import care, lakehouse, versions
from lakehouse.archive.pseudonyms import Pseudonyms, SilverKey
from lakehouse.ports import Provenance
from lakehouse.tables.gold import MAINTENANCE
from lakehouse.tables.intents import IntentLog
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.write_audit_publish import KEY, Lakehouse
from tests.flow.table_hashes import OF_THE_RUN, content_hash
from tests.kills.ingest import Scene
from tests.kills.spelled import spelled_out

ORIGIN = Provenance(run_id="judge", code_commit="0" * 40)
YEAR_S = 365 * 86_400
CARE = Upkeep(keep_days=0, keep_releases=1, abandoned_hours=24)
RECORDS = ("past-", "key-", "upkeep-looked")
"""What tables keep beside what Iceberg needs."""
VARYING = re.compile(r"[0-9a-f]{12,}|[0-9]{10}")
OF_THE_CODE = {"code_commit"}
"""Somebody may commit while points are tried for an hour."""
HASHES: dict[tuple[str, int], str] = {}
"""Of what this process has read; a snapshot never changes."""
APART = {"dagster", "scratch", "tables", ".git", "logs"}


def releases(scene: Scene, house: Lakehouse, since: int) -> list[dict[str, str]]:
    """Return what each release of a lake shows from one on: every table's content as a hash."""
    return [_shown(scene, house, number) for number in range(since, house.releases.current_or_empty().number + 1)]


def current(scene: Scene, house: Lakehouse) -> dict[str, str]:
    """Return what the current release shows."""
    return _shown(scene, house, house.releases.current_or_empty().number)


def _shown(scene: Scene, house: Lakehouse, number: int) -> dict[str, str]:
    """Return what one release shows; number 0 is the lake before its first one."""
    if not number:
        return {}
    pins = house.releases.numbered(number).tables
    pseudonyms = SilverKey(scene.settings.home / "keys").held()
    ids = {name: pin.snapshot_id for name, pin in sorted(pins.items()) if pin.snapshot_id is not None}
    return {name: _hash(house, name, snapshot_id, pseudonyms) for name, snapshot_id in ids.items()}


def _hash(house: Lakehouse, name: str, snapshot_id: int, pseudonyms: Pseudonyms | None) -> str:
    if (name, snapshot_id) not in HASHES:
        rows = spelled_out(house.tables.read(name, snapshot_id=snapshot_id), pseudonyms)
        HASHES[name, snapshot_id] = content_hash(rows, OF_THE_RUN["*"] | OF_THE_RUN.get(name, set()) | OF_THE_CODE)
    return HASHES[name, snapshot_id]


def end_state(scene: Scene) -> dict[str, object]:
    """Return everything that an ingest decides, and look after the lake as if a year had passed.

    Raises AssertionError for a row of one submission twice, for a damaged dataset and for files that nothing needs.
    """
    house = lakehouse(scene.settings)
    found = current(scene, house)
    keys = Counter(
        (name, summary[KEY]) for name in found for summary in house.tables.summaries(name) if summary.get(KEY)
    )
    assert max(keys.values()) == 1, f"a submission landed twice: {[key for key, count in keys.items() if count > 1]}"
    assert IntentLog(house.objects).newest()[1] is None, "an intent is open"
    archive = versions(scene.settings)
    (dataset,) = archive.datasets()
    assert archive.verify(dataset) == []
    _look_after(scene, house)
    house.tables.close()
    fresh = lakehouse(scene.settings)
    HASHES.clear()
    assert {**current(scene, fresh), MAINTENANCE.name: ""} == {**found, MAINTENANCE.name: ""}, (
        "maintenance changed rows"
    )
    return {
        "tables": found,
        "versions": [[one.version, one.content_sha256] for one in archive.versions(dataset)],
        "files": _files(scene.folder),
    }


def _look_after(scene: Scene, house: Lakehouse) -> None:
    joined = True
    while joined:  # who joins files makes a release, and the one before it keeps its pin until the next time
        _age(scene.folder)
        joined = any(one.compactions for one in maintain(house, care(scene.settings), CARE, ORIGIN))
    left = _tables_files(scene.folder / "tables") - _needed(house)
    assert not left, f"{len(left)} files are left that no table needs, e.g. {sorted(left)[:3]}"


def _age(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink() and "datasets" not in path.parts:
            was = path.stat().st_mtime
            os.utime(path, (was - YEAR_S, was - YEAR_S))


def _tables_files(folder: Path) -> set[str]:
    files = (path for path in (folder / "warehouse").rglob("*") if path.is_file())
    return {f"file://{path}" for path in files if not path.name.startswith(RECORDS)}


def _needed(house: Lakehouse) -> set[str]:
    needed = set()
    names = [name for space in ("archive", "bronze", "silver", "gold") for name in house.tables.tables(space)]
    pins = house.releases.current().tables
    for name in names:
        stored = house.tables.catalog.load_table(name)
        assert set(stored.metadata.refs) <= {"main"}, f"a branch is left in {name}: {stored.metadata.refs}"
        needed |= {stored.metadata_location, *([pins[name].metadata_location] if name in pins else [])}
        for snapshot in stored.snapshots():
            needed.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(stored.io):
                needed.add(manifest.manifest_path)
                needed.update(one.data_file.file_path for one in manifest.fetch_manifest_entry(stored.io))
    return needed


def _files(folder: Path) -> list[str]:
    """Return the names of all files but those of tables, git and Dagster, without what differs from run to run."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted({VARYING.sub("#", str(path)) for path in files if not APART.intersection(path.parts)})


def differences(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """Say in which way an end differs from that of an undisturbed ingest."""
    said = []
    for name, value in wanted.items():
        if found[name] != value:
            one, other = (json.dumps(each, indent=0, sort_keys=True).splitlines() for each in (found[name], value))
            said.append(f"{name}: {sorted(set(one) ^ set(other))[:6]}")
    return said
