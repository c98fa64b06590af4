"""Looks for a person in folders that were refused or that nobody has judged, in a child process with limits."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.child import reading
from lakehouse.archive.eds import Description, read_description
from lakehouse.archive.withdraw.files import passages_of
from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.sightings import Content, sight
from lakehouse.errors import LakehouseError
from lakehouse.masking import Mask

DEFAULT_COSTS = Costs()


class Holds(Enum):
    """What a folder says of the person: named in an identifier's place, only mentioned, neither, or not readable."""

    NAMED = "named"
    MENTIONED = "mentioned"
    NOTHING = "nothing"
    UNREADABLE = "unreadable"


def look(
    folders: Sequence[Path], kind: str | None, wanted: Collection[str], mask: Mask, costs: Costs = DEFAULT_COSTS
) -> list[Mapping[str, Holds]]:
    """Say for each folder what it says of the person as a subject of each kind: of `kind`, else of each it declares.

    A folder whose reading costs too much, or breaks off, is unreadable and does not keep the others from being read.

    Raises:
        ServiceUnavailableError: the child could not be started.
    """
    if not folders:
        return []
    arguments = {
        "folders": [str(folder.absolute()) for folder in folders],
        "kind": kind,
        "wanted": sorted(wanted),
        "mask": list(mask.values),
    }
    answer: Any = do_apart("look", arguments, costs)
    if not isinstance(answer, GivenUp):
        return [{str(name): Holds(holds) for name, holds in one.items()} for one in answer]
    if len(folders) == 1:
        return [{} if kind is None else {kind: Holds.UNREADABLE}]
    return [found for folder in folders for found in look([folder], kind, wanted, mask, costs)]


def look_here(folders: list[str], kind: str | None, wanted: list[str], mask: list[str]) -> list[dict[str, str]]:
    """Look into folders in this process."""
    found = []
    for folder in map(Path, folders):
        reading(folder.name)
        kinds = _kinds(folder) if kind is None else [kind]
        found.append({name: _look(folder, name, wanted, Mask(tuple(mask))).value for name in kinds})
    return found


def _kinds(folder: Path) -> list[str]:
    try:
        about = read_description(folder).description()
    except (LakehouseError, OSError, ValueError, RecursionError, KeyError):
        return []
    return list(about.subjects) if about is not None else []


def _look(folder: Path, kind: str, wanted: Collection[str], mask: Mask) -> Holds:
    try:
        about = read_description(folder).description()
        if about is not None and kind in about.subjects and _named(folder, about, kind, wanted):
            return Holds.NAMED
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if mask.values and any(mask.holds(text) for path in files for text in _text_of(path, mask)):
            return Holds.MENTIONED
    except (LakehouseError, OSError, ValueError, RecursionError, KeyError):
        return Holds.UNREADABLE
    return Holds.NOTHING if about is not None else Holds.UNREADABLE


def _named(folder: Path, about: Description, kind: str, wanted: Collection[str]) -> bool:
    return sight(Content(folder, about), Places(about, kind), wanted).found


def _text_of(path: Path, mask: Mask) -> Iterator[str]:
    try:
        yield from passages_of(path, mask)
    except UnicodeDecodeError:
        yield path.read_bytes().decode("utf-8", errors="replace")
