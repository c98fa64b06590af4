"""Plans the removal of one whole version, so that its data go and what is known about it stays."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.eds import EVENTS_FOLDER, TEXTS_FOLDER
from lakehouse.archive.event_files import event_files
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.text_files import document_batches, document_files
from lakehouse.archive.withdraw.exports import Exports
from lakehouse.archive.withdraw.files import lines_of
from lakehouse.archive.withdraw.plan import Plan, PlannedVersion, Removal
from lakehouse.archive.withdraw.refused import stored_contents, superseded
from lakehouse.archive.withdraw.sightings import Content
from lakehouse.errors import NoVersionError, UnknownSettingError
from lakehouse.ports import DatasetVersions


@dataclass(frozen=True, slots=True)
class Order:
    """Which version is to go, as ``dataset@version``, why, and who decided it; both are shown to everybody."""

    key: str
    reason: str
    by: str


def retraction(versions: DatasetVersions, shelf: Shelf, scratch: Path, order: Order) -> Plan:
    """Return the plan of removing a version: all versions of its dataset, one of which goes as a whole.

    What was refused under its key, before it was mended or because it was taken, goes, too.

    Raises:
        NoVersionError: no such version is stored.
        UnknownSettingError: the reason or who decided it is missing.
    """
    for name, said in (("reason", order.reason), ("by", order.by)):
        if not said.strip():
            raise UnknownSettingError(f"--{name} is empty, and the tombstone shows it to everybody; say it")
    dataset, _, label = order.key.partition("@")
    known = versions.versions(dataset) if dataset in versions.datasets() else []
    if label not in [one.version for one in known]:
        raise NoVersionError(f"no version {order.key!r} is stored; name one as dataset@version")
    planned = []
    with Exports.below(versions, scratch) as exports:
        for version in known:
            with exports.content(version) as content:
                removal = Removal(rows=_counts(content), whole=True) if version.version == label else Removal()
                one = PlannedVersion(
                    dataset, version.version, version.commit, version.content_sha256, removal, content.about
                )
                planned.append(one)
    now = datetime.now(UTC)
    return Plan(
        receipt=f"r{now:%Y%m%d}-{secrets.token_hex(4)}",
        subject=order.key,
        kind="version",
        reason=order.reason.strip(),
        by=order.by.strip(),
        started_at=now.isoformat(timespec="seconds"),
        values=(),
        versions=tuple(planned),
        refused=tuple(key for key, _ in superseded(shelf, stored_contents(versions), dataset, order.key)),
        act="retraction",
    )


def _counts(content: Content) -> dict[str, int]:
    """Return the rows, documents and statements of a version by part."""
    folder, about = content.folder, content.about
    counts = {name: sum(_rows(rows) for rows in content.batches(name)) for name in about.tables}
    for name in about.texts:
        files = document_files(folder / TEXTS_FOLDER / name)
        counts[name] = sum(len(batch.documents) for path in files for batch in document_batches(path))
    for name in about.events:
        files = event_files(folder / EVENTS_FOLDER / name)
        counts[name] = sum(1 for path in files for line in lines_of(path) if line.strip())
    return counts


def _rows(rows: pa.Table) -> int:
    return rows.num_rows
