"""Takes a withdrawn person off the shelf: landed folders, their records and reports, and copies in the inbox."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.inbox import Arrival, arrivals
from lakehouse.archive.inbox_reports import remove_reports
from lakehouse.archive.landing import landing_place
from lakehouse.archive.shelf import SUPERSEDED, Shelf
from lakehouse.archive.withdraw.described import unaddressed
from lakehouse.archive.withdraw.files import hash_of
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.refused import DIGITS, remove_path, require_none_waiting
from lakehouse.durable_files import replace_file
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion, DatasetVersions


def renew_landed(shelf: Shelf, versions: DatasetVersions, plan: Plan, mask: Mask) -> dict[str, int]:
    """Put the rewritten content in the place of what had landed; return how many folders, reports and copies changed.

    Copies in the inbox go when what they are copies of was taken in; arrivals nobody has read stay. Again is no error:
    what is done already counts again where it can be seen, and is left alone.
    """
    if plan.act == "withdrawal":
        require_none_waiting(shelf, plan.datasets, plan.kind, {*plan.identifying, *map(folded, plan.identifying)})
    new = {one.content_sha256: _now(versions, one.dataset, one.version) for one in plan.versions}
    finished = [one for one in arrivals(shelf.inbox) if shelf.finished(one)]
    copies = [one.path for one in finished if _is_copy(one.key, plan) or _is_superseded(shelf, one, plan)]
    folders = [_renew_record(shelf, versions, path, new) for path in _files(shelf.root / "arrivals")]
    reports = [_renew_report(path, plan, new, mask) for path in _files(shelf.root / "reports")]
    _renew_acceptances(shelf, new, mask)
    old = {digest[:DIGITS] for digest in new} - {version.content_sha256[:DIGITS] for version in new.values()}
    for name in sorted(old):
        remove_path(shelf.root / "submissions" / name)
    refused = [folder for key in plan.refused for folder in _forget(shelf, key)]
    for path in (*refused, *copies):
        remove_path(path)
    remove_reports(shelf.inbox)  # what they quote is kept masked, in the reports of the archive
    return {
        "landed folders": sum(folders),
        "reports": sum(reports),
        "refused submissions removed": len(refused),
        "inbox copies removed": len(copies),
    }


def _renew_acceptances(shelf: Shelf, new: Mapping[str, DatasetVersion], mask: Mask) -> None:
    """Let what somebody answers for hold for the content that is left, which has less of what was found."""
    for old, version in new.items():
        path = shelf.root / "acceptances" / f"{old}.json"
        if path.is_file() and old != version.content_sha256:
            replace_file(
                path.with_name(f"{version.content_sha256}.json"), mask.document(path.read_text(encoding="utf-8"))
            )
            path.unlink()


def _is_copy(key: str, plan: Plan) -> bool:
    """Say whether a finished arrival is a copy of what goes or was rewritten."""
    if plan.act == "retraction":
        return key == plan.subject
    return key in plan.refused or key.partition("@")[0] in plan.datasets


def _is_superseded(shelf: Shelf, one: Arrival, plan: Plan) -> bool:
    """Say whether a finished arrival is a copy of what was refused under a key that other content has now.

    The copy of that other content, which nobody asked to remove, is the one that landed last.
    """
    keys = {key.partition(SUPERSEDED)[0] for key in plan.refused if SUPERSEDED in key}
    return one.key in keys and one.fingerprint != shelf.landed_as(one.key)


def _forget(shelf: Shelf, key: str) -> list[Path]:
    """Forget that a refused submission landed; return its folder, if no other key has the same content."""
    if SUPERSEDED in key:
        return [folder for folder in shelf.without_key() if folder.name == key.rpartition(SUPERSEDED)[2]]
    record = shelf.root / "arrivals" / f"{key}.json"
    if not record.is_file():
        return []
    folder = shelf.landed(key).folder
    record.unlink()
    return [] if any(shelf.landed(other).folder == folder for other in shelf.landed_keys()) else [folder]


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
        with landing_place(folder.parent) as work:
            versions.export(version, work / "content")
            (work / "content").rename(folder)
    digest, count, size = hash_of(folder)
    facts = {"folder": folder.name, "content_sha256": digest, "file_count": count, "size_bytes": size}
    if record == record | facts:
        return False  # nothing of the person was in this version
    replace_file(path, json.dumps(record | facts, indent=1, sort_keys=True))
    return True


def _renew_report(path: Path, plan: Plan, new: Mapping[str, DatasetVersion], mask: Mask) -> bool:
    """Carry a verdict over to the content that is left: new hash, fewer rows, nobody's value in a message."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    old = raw["content_sha256"]
    counts = {one.content_sha256: one.removal.rows for one in plan.versions}.get(old, {})
    changed = _masked_report(raw, plan, mask)
    changed["table_rows"] = {name: rows - counts.get(name, 0) for name, rows in raw["table_rows"].items()}
    texts = {name for one in plan.versions for name in one.removal.documents}
    changed["document_count"] = raw["document_count"] - sum(counts.get(name, 0) for name in texts)
    if changed == raw:
        return False
    name = path.name
    if old in new:
        name = name.replace(f"-{old[:DIGITS]}-", f"-{new[old].content_sha256[:DIGITS]}-")
    replace_file(path.with_name(name), json.dumps(changed, indent=1, ensure_ascii=False))
    if name != path.name:
        path.unlink()
    return True


def _masked_report(raw: dict[str, Any], plan: Plan, mask: Mask) -> dict[str, Any]:
    """Mask what a report quotes; what a dataset says of itself only where it holds the person."""
    changed: dict[str, Any] = Mask((), mask.renamed).structure(raw)
    key = str(raw["submission"])
    if key in plan.reported or key.partition("@")[0] in plan.told_of:
        changed["findings"] = mask.in_names.structure(raw["findings"])
        # What an indicator asks and advises are this program's own words.
        changed["fair"] = [{**one, "evidence": mask.text(one["evidence"])} for one in changed["fair"]]
    if key.partition("@")[0] in plan.held_by:
        changed["description"] = mask.structure(unaddressed(raw["description"], mask))
    return changed


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []
