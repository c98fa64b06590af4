"""Takes a withdrawn person off the shelf: landed folders, their records and reports, and copies in the inbox."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.eds import load_description
from lakehouse.archive.inbox import arrivals
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.files import hash_of, lines_of
from lakehouse.archive.withdraw.finding import find, read_content
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.errors import BusyError, PermanentError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion, DatasetVersions

DIGITS = 12


def require_none_waiting(shelf: Shelf, datasets: list[str]) -> None:
    """Raise BusyError while a submission of one of the datasets waits in the inbox, for nobody has looked into it."""
    waiting = [arrival.key for arrival in shelf.waiting() if arrival.key.partition("@")[0] in datasets]
    if waiting:
        raise BusyError(f"{', '.join(waiting)} waits in the inbox; let it be taken in, or remove it, then withdraw")


def renew_landed(shelf: Shelf, versions: DatasetVersions, plan: Plan, mask: Mask) -> dict[str, int]:
    """Put the rewritten content in the place of what had landed; return how many folders, reports and copies changed.

    Again is no error: what is done already counts again where it can be seen, and is left alone.
    """
    new = {one.content_sha256: _now(versions, one.dataset, one.version) for one in plan.versions}
    folders = [_renew_record(shelf, versions, path, new) for path in _files(shelf.root / "arrivals")]
    reports = [_renew_report(path, plan, new, mask) for path in _files(shelf.root / "reports")]
    old = {digest[:DIGITS] for digest in new} - {version.content_sha256[:DIGITS] for version in new.values()}
    for name in sorted(old):
        _remove(shelf.root / "submissions" / name)
    refused = [folder for folder in _refused(shelf, versions, plan) if _holds(folder, plan, mask)]
    copies = [one.path for one in arrivals(shelf.inbox) if one.key.partition("@")[0] in plan.datasets]
    for path in (*refused, *copies):
        _remove(path)
    return {
        "landed folders": sum(folders),
        "reports": sum(reports),
        "refused submissions removed": len(refused),
        "inbox copies removed": len(copies),
    }


def _now(versions: DatasetVersions, dataset: str, label: str) -> DatasetVersion:
    found = versions.find(dataset, label)
    assert found is not None, "labels stay when history is rewritten"
    return found


def _renew_record(shelf: Shelf, versions: DatasetVersions, path: Path, new: Mapping[str, DatasetVersion]) -> bool:
    record = json.loads(path.read_text(encoding="utf-8"))
    version = new.get(record["content_sha256"])
    if version is None:
        return False
    folder = shelf.root / "submissions" / version.content_sha256[:DIGITS]
    if not folder.is_dir():
        work = Path(tempfile.mkdtemp(prefix=".landing-", dir=folder.parent))
        try:
            versions.export(version, work / "content")
            (work / "content").rename(folder)
        finally:
            shutil.rmtree(work)
    digest, count, size = hash_of(folder)
    facts = {"folder": folder.name, "content_sha256": digest, "file_count": count, "size_bytes": size}
    if record == record | facts:
        return False  # nothing of the person was in this version
    _write(path, json.dumps(record | facts, indent=1, sort_keys=True))
    return True


def _renew_report(path: Path, plan: Plan, new: Mapping[str, DatasetVersion], mask: Mask) -> bool:
    """Carry a verdict over to the content that is left: new hash, fewer rows, nobody's value in a message."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    old = raw["content_sha256"]
    counts = {one.content_sha256: one.removal.rows for one in plan.versions}.get(old, {})
    changed = mask.structure(raw)
    changed["table_rows"] = {name: rows - counts.get(name, 0) for name, rows in raw["table_rows"].items()}
    if changed == raw:
        return False
    name = path.name
    if old in new:
        name = name.replace(f"-{old[:DIGITS]}-", f"-{new[old].content_sha256[:DIGITS]}-")
    _write(path.with_name(name), json.dumps(changed, sort_keys=True, indent=1, ensure_ascii=False))
    if name != path.name:
        path.unlink()
    return True


def _refused(shelf: Shelf, versions: DatasetVersions, plan: Plan) -> list[Path]:
    """Return landed folders of the plan's datasets that never became a version."""
    folders = []
    for path in _files(shelf.root / "arrivals"):
        record = json.loads(path.read_text(encoding="utf-8"))
        dataset, folder = path.stem.partition("@")[0], shelf.root / "submissions" / str(record["folder"])
        if dataset in plan.datasets and versions.find_content(dataset, record["content_sha256"]) is None:
            folders.append(folder)
    return [folder for folder in folders if folder.is_dir()]


def _holds(folder: Path, plan: Plan, mask: Mask) -> bool:
    """Say whether a refused folder holds the person, or cannot be read to tell."""
    try:
        content = read_content(folder, load_description(folder))
        if any(find(content, plan.kind, value)[0].found for value in plan.values):
            return True
        return any(mask.holds(line) for path in folder.rglob("*") if path.is_file() for line in lines_of(path))
    except (PermanentError, OSError, ValueError):
        return True


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
