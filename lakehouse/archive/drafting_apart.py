"""Drafting in a child process with limits: files that nobody has looked at yet are opened there and not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.entries import DEFAULT_LIMITS, checked
from lakehouse.archive.layout import (
    COLLECTION_FILE,
    DESCRIPTION_FILE,
    DICTIONARY_FILE,
    EVENTS_FOLDER,
    LOG_FILE,
    TABLES_FOLDER,
    TEXTS_FOLDER,
)
from lakehouse.archive.levels import printable
from lakehouse.errors import UnsafeArchiveError

FILL_IN = "FILL IN"
MARK = f"  # {FILL_IN}"
DRAFTED = (DESCRIPTION_FILE, DICTIONARY_FILE, COLLECTION_FILE, LOG_FILE)
DEFAULT_COSTS = Costs(
    memory_bytes=4 << 30,
    cpu_seconds=3_600,
    wall_seconds=7_200.0,
    file_bytes=DEFAULT_LIMITS.total_bytes,
    answer_bytes=64 << 20,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of a description file, counted from 1, that a person fills in, and what they would write there.

    `asked` says that the file is refused without it; else the line is a comment that says nothing as it stands.
    """

    line: int
    field: str
    said: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """The texts of description files by their places in the dataset, and what was noticed."""

    files: Mapping[str, str]
    notes: tuple[str, ...]

    def to_fill_in(self, place: str) -> list[Mark]:
        """Return what a person has to look at in a file; its head explains the mark and is none."""
        return [_mark(n, line) for n, line in enumerate(self.files[place].splitlines(), 1) if MARK in line and n > 1]


def _mark(number: int, line: str) -> Mark:
    written, _, said = line.rpartition(MARK)
    return Mark(
        number, written.strip("# ").partition(":")[0], said.removeprefix(": "), not written.strip().startswith("#")
    )


def is_laid_out(path: Path) -> bool:
    """Say whether a folder has the places of a dataset already."""
    return any((path / part).is_dir() for part in (TABLES_FOLDER, TEXTS_FOLDER, EVENTS_FOLDER))


def draft_in_child(source: Path, into: Path | None, costs: Costs = DEFAULT_COSTS) -> Draft:
    """Draft the description files that a dataset lacks, in a process that may write nowhere but below `into`.

    Without `into` a folder that is laid out as a dataset is only read; else its tables are copied there.

    Raises:
        UnreadableSubmissionError: there is no table.
        UnsafeArchiveError: as in landing, or looking at it took more than the costs, or broke off.
    """
    arguments = {"source": str(source.absolute()), "into": str(into.absolute()) if into else None}
    answer = do_apart("describe", arguments, costs, [into] if into else [])
    if isinstance(answer, GivenUp):
        raise UnsafeArchiveError(f"describing {answer.place} {answer.how}; split it, or describe it by hand")
    told = answer if isinstance(answer, dict) else {}
    files = {_place(place): str(text) for place, text in dict(told.get("files", {})).items()}
    return Draft(files, tuple(printable(str(note)) for note in list(told.get("notes", []))))


def _place(place: str) -> str:
    """Return a place that the child named, if a description file may lie there."""
    if PurePosixPath(checked(place, DEFAULT_LIMITS)).name not in DRAFTED:
        raise UnsafeArchiveError(f"{place!a} is no place for a description file; describe the dataset by hand")
    return place
