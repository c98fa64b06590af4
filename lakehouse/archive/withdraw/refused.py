"""Finds a person in what never became a version: refused submissions, their reports, and arrivals nobody has read."""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.shelf import SUPERSEDED, Shelf
from lakehouse.archive.stated_keys import UNDESCRIBED
from lakehouse.archive.withdraw.looking import Holds, look
from lakehouse.archive.withdraw.matching import folded
from lakehouse.errors import BusyError, LakehouseError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersions

DIGITS = 12


class Asked(Protocol):
    """What of a request is looked at here."""

    @property
    def subject(self) -> str:
        """The value."""

    @property
    def kind(self) -> str | None:
        """The kind, when it was said."""

    @property
    def dataset(self) -> str | None:
        """The dataset, when it was said."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Keys of refused submissions: of those that hold the person, and of those that cannot be read to tell."""

    holding: tuple[str, ...]
    unread: tuple[str, ...]


def kinds_refused(shelf: Shelf, versions: DatasetVersions, asked: Asked) -> set[str]:
    """Return the kinds of which refused submissions name the value."""
    wanted = {folded(asked.subject), asked.subject.strip()}
    folders = [folder for _, folder in _refused(shelf, versions, asked.dataset)]
    seen = look(folders, asked.kind, wanted, Mask(()))
    return {kind for one in seen for kind, holds in one.items() if holds is Holds.NAMED}


def refused_with(
    shelf: Shelf,
    versions: DatasetVersions,
    kind: str,
    wanted: Collection[str],
    mask: Mask,
    dataset: str | None,
) -> Refused:
    """Return which refused submissions name the person, or mention somebody so that it is no chance, and which cannot
    be read to tell.
    """  # noqa: D205 - one sentence
    there = _refused(shelf, versions, dataset)
    seen = look([folder for _, folder in there], kind, wanted, mask.telling())
    said = [(key, one[kind]) for (key, _), one in zip(there, seen, strict=True)]
    return Refused(
        tuple(key for key, holds in said if holds in (Holds.NAMED, Holds.MENTIONED)),
        tuple(key for key, holds in said if holds is Holds.UNREADABLE),
    )


def reported_with(shelf: Shelf, mask: Mask, dataset: str | None) -> list[str]:
    """Return the keys of submissions whose report quotes the person; what they say of themselves is no quote."""
    keys = set()
    for path in sorted((shelf.root / "reports").glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        key = str(report["submission"])
        if dataset in (None, key.partition("@")[0]) and _quotes(report, mask):
            keys.add(key)
    return sorted(keys)


def _quotes(report: Mapping[str, Any], mask: Mask) -> bool:
    return any(mask.structure(report[part]) != report[part] for part in ("findings", "fair"))


def require_none_waiting(shelf: Shelf, datasets: Collection[str], kind: str, wanted: Collection[str]) -> None:
    """Raise BusyError while an arrival that nobody has taken in holds the person, or belongs to one of the datasets and
    cannot be read to tell; other arrivals stay where they are.
    """  # noqa: D205 - one sentence
    for arrival in shelf.waiting():
        ours = arrival.key.partition("@")[0] in datasets
        with _landed(arrival.path, shelf.root) as folder:
            holds = Holds.UNREADABLE if folder is None else look([folder], kind, wanted, Mask(()))[0][kind]
        if holds is Holds.NAMED or (ours and holds is Holds.UNREADABLE):
            what = (
                "holds the subject" if holds is Holds.NAMED else "cannot be read to tell whether it holds the subject"
            )
            raise BusyError(
                f"{arrival.key} waits in the inbox ({arrival.path.name}) and {what}; "
                "remove it, or let it be taken in where no withdrawal is unfinished, then withdraw"
            )


def remove_path(path: Path) -> None:
    """Remove a file or folder; an absent one is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refused(shelf: Shelf, versions: DatasetVersions, dataset: str | None) -> list[tuple[str, Path]]:
    """Return key and folder of all that landed and never became a version, also where other content has its key now."""
    stored = stored_contents(versions)
    found = []
    for key in shelf.landed_keys():
        name = key.partition("@")[0]
        landed = shelf.landed(key)
        if dataset in (None, name) and landed.folder.is_dir() and landed.content_sha256 not in stored.get(name, ()):
            found.append((key, landed.folder))
    return found + superseded(shelf, stored, dataset)


def stored_contents(versions: DatasetVersions) -> dict[str, set[str]]:
    """Return the hashes of the contents of each dataset's versions."""
    return {name: {one.content_sha256 for one in versions.versions(name)} for name in versions.datasets()}


def superseded(
    shelf: Shelf, stored: Mapping[str, Collection[str]], dataset: str | None, key: str | None = None
) -> list[tuple[str, Path]]:
    """Return what landed under a key that has other content now, of all keys or one, unless it is a stored content.

    What does not say which dataset it is of may be of any.
    """
    kept = {digest[:DIGITS] for digests in stored.values() for digest in digests}
    return [
        (said, folder)
        for said, folder in shelf.superseded()
        if folder.name not in kept
        and (dataset in (None, said.partition("@")[0]) or f"@{UNDESCRIBED}{SUPERSEDED}" in said)
        and key in (None, said.rpartition(SUPERSEDED)[0])
    ]


@contextmanager
def _landed(path: Path, root: Path) -> Iterator[Path | None]:
    """Give an arrival's folder, unpacked where it is an archive; None when it cannot be."""
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".looking-", dir=root))
    try:
        try:
            folder: Path | None = land_in_child(path, work).folder
        except LakehouseError:
            folder = None
        yield folder
    finally:
        shutil.rmtree(work, ignore_errors=True)
