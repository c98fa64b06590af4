"""Looks for a subject in every version of every dataset and plans what to remove."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.archive.eds import load_description
from lakehouse.archive.withdraw.finding import Content, find, mentions, read_content
from lakehouse.archive.withdraw.plan import Plan, PlannedVersion, Removal
from lakehouse.errors import AmbiguousSubjectError, UnknownSubjectError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion, DatasetVersions


@dataclass(frozen=True, slots=True)
class Request:
    """Whom to withdraw: an identifier's value; `kind` and `dataset` narrow the search; why, and who asked."""

    subject: str
    kind: str | None = None
    dataset: str | None = None
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class _Seen:
    """What one version holds: by kind what would leave it, and the mentions when no kind does."""

    version: DatasetVersion
    found: Mapping[str, tuple[PlannedVersion, frozenset[str]]]
    mentioned: int


def search(versions: DatasetVersions, scratch: Path, request: Request) -> Plan | None:
    """Return the plan of the withdrawal, or None when no version names the subject in its identifiers.

    Raises:
        AmbiguousSubjectError: subjects of several kinds have this value.
        UnknownSubjectError: the named dataset is unknown.
    """
    names = versions.datasets() if request.dataset is None else [request.dataset]
    known = {name: versions.versions(name) for name in names}
    if request.dataset is not None and not known[request.dataset]:
        raise UnknownSubjectError(f"no dataset {request.dataset!r} in the archive; it has {versions.datasets()}")
    seen = [_look(versions, version, scratch, request) for each in known.values() for version in each]
    kind = _kind_of(seen)
    if kind is None:
        return None
    holding = {one.version.dataset for one in seen if kind in one.found and one.found[kind][0].removal.found}
    values = frozenset[str]().union(*(one.found[kind][1] for one in seen if one.version.dataset in holding))
    planned = [one.found[kind][0] for one in seen if one.version.dataset in holding]
    if values != {request.subject.strip()}:
        planned = [_counted(versions, one, scratch, Mask(tuple(sorted(values)))) for one in planned]
    elsewhere = {
        f"{one.version.dataset}@{one.version.version}": one.mentioned
        for one in seen
        if one.version.dataset not in holding and one.mentioned
    }
    now = datetime.now(UTC)
    return Plan(
        receipt=f"w{now:%Y%m%d}-{secrets.token_hex(4)}",
        subject=request.subject.strip(),
        kind=kind,
        reason=request.reason,
        by=request.by,
        started_at=now.isoformat(timespec="seconds"),
        values=tuple(sorted(values)),
        versions=tuple(planned),
        elsewhere=elsewhere,
    )


def _look(versions: DatasetVersions, version: DatasetVersion, scratch: Path, request: Request) -> _Seen:
    mask = Mask((request.subject.strip(),))
    with _exported(versions, version, scratch) as content:
        kinds = [kind for kind in content.about.subjects if request.kind in (None, kind)]
        found = {}
        for kind in kinds:
            removal, values = find(content, kind, request.subject)
            removal = replace(removal, mentions=mentions(content, removal, mask))
            found[kind] = (_planned(version, content, removal), values)
        return _Seen(version, found, sum(mentions(content, Removal(), mask).values()))


def _kind_of(seen: list[_Seen]) -> str | None:
    kinds = sorted({kind for one in seen for kind, (planned, _) in one.found.items() if planned.removal.found})
    if len(kinds) > 1:
        raise AmbiguousSubjectError(f"the value names subjects of the kinds {', '.join(kinds)}; say which with --kind")
    return kinds[0] if kinds else None


def _planned(version: DatasetVersion, content: Content, removal: Removal) -> PlannedVersion:
    return PlannedVersion(
        version.dataset, version.version, version.commit, version.content_sha256, removal, content.about
    )


def _counted(versions: DatasetVersions, planned: PlannedVersion, scratch: Path, mask: Mask) -> PlannedVersion:
    """Count the mentions again, now that the person's other identifiers are known."""
    version = versions.find(planned.dataset, planned.version)
    assert version is not None, "it was found a moment ago"
    with _exported(versions, version, scratch) as content:
        removal = replace(planned.removal, mentions=mentions(content, planned.removal, mask))
    return replace(planned, removal=removal)


@contextmanager
def _exported(versions: DatasetVersions, version: DatasetVersion, scratch: Path) -> Iterator[Content]:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    try:
        versions.export(version, scratch)
        yield read_content(scratch, load_description(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
