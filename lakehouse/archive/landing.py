"""How a submission from outside becomes a folder inside: checked names, bounded sizes, all or nothing."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.content_hash import content_sha256, file_sha256
from lakehouse.archive.entries import DEFAULT_LIMITS, JUNK, Budget, Limits, Names, checked, too_many
from lakehouse.archive.held_folders import held_folder
from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.metadata.stated import is_package
from lakehouse.archive.other_programs import check_no_other_program
from lakehouse.archive.packed import is_table_file
from lakehouse.archive.unpacking import TAKEN, packing_of, unpack
from lakehouse.durable_files import sync_folder
from lakehouse.errors import ServiceUnavailableError, UnreadableSubmissionError, UnsafeArchiveError

LINKS_NAMED = 5
LANDING = ".landing-"


@dataclass(frozen=True, slots=True)
class Landed:
    """A submission in its folder, with the hash of its content and its size."""

    folder: Path
    content_sha256: str
    file_count: int
    size_bytes: int


def land(source: Path, into: Path, limits: Limits = DEFAULT_LIMITS) -> Landed:
    """Copy a folder or unpack an archive into ``into/<first 12 digits of its content hash>``; again is no error.

    A package of another standard is described in the words of the EDS on the way. What comes from outside is landed by
    ``landing_apart.land_in_child``, which calls this in a process with limits.

    Raises:
        UnsafeArchiveError: a name, link, device or size that is not allowed; nothing is left behind.
        UnreadableSubmissionError: neither a folder nor a readable archive.
    """
    with landing_place(into) as work:
        return land_from(source, work, into, limits)


@contextmanager
def landing_place(into: Path) -> Iterator[Path]:
    """Yield an empty hidden folder in `into`, which is made where needed; it is gone afterwards."""
    with held_place(into) as (work, _):
        yield work


@contextmanager
def held_place(into: Path) -> Iterator[tuple[Path, int]]:
    """Yield such a folder and the open handle that holds it: for a child, too, that is given the handle.

    What killed processes left there goes first: it may hold people, and nobody would look for it.
    """
    into.mkdir(parents=True, exist_ok=True)
    with held_folder(into, LANDING) as held:
        yield held


def land_from(source: Path, work: Path, into: Path, limits: Limits) -> Landed:
    """Land a submission by way of the empty folder `work`, which lies in `into`; as `land`, but leaves `work` there."""
    copy_into(source, work, limits)
    root = _root(work)
    if is_package(root):
        # Most submissions are none, and what it needs takes most of the time in which a small one is landed.
        from lakehouse.archive.metadata.adopting import adopt

        adopt(root)
    return _settle(root, into)


def copy_into(source: Path, work: Path, limits: Limits) -> None:
    """Copy a folder, or unpack an archive, into the empty folder `work`; raises as `land` does."""
    if source.is_symlink():
        raise UnsafeArchiveError(f"{source.name} is a symbolic link; submit the folder itself")
    try:
        check_no_other_program(source)
        if source.is_dir():
            _copy_folder(source, work, limits)
        elif packing := packing_of(source):
            unpack(source, packing, work, limits)
        else:
            raise _not_taken(source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServiceUnavailableError(f"no room for {source.name} in {work.parent}; free disk space") from error
        raise UnreadableSubmissionError(f"{source} cannot be read: {error}; check that it is there") from error


def check_there(source: Path) -> None:
    """Raise UnreadableSubmissionError when there is nothing at a path."""
    if not source.exists():
        raise UnreadableSubmissionError(f"{source} is not there; check the path")


def _not_taken(source: Path) -> UnreadableSubmissionError:
    check_there(source)
    if is_table_file(source.name.lower()):
        return UnreadableSubmissionError(
            f"{source} is a table without a dataset around it; `lakehouse describe {source.name}` makes one of it"
        )
    return UnreadableSubmissionError(f"{source} is not {TAKEN}; submit one of them")


def _copy_folder(source: Path, work: Path, limits: Limits) -> None:
    entries = sorted(_walk(source, limits))
    budget = Budget(limits)
    Names().take_all(name for name, _ in entries)
    for name, path in entries:
        with path.open("rb") as stream:
            budget.write(stream, work, name)


def _walk(root: Path, limits: Limits) -> Iterator[tuple[str, Path]]:
    found = 0
    links: list[str] = []
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as listing:
            entries = [entry for entry in listing if entry.name not in JUNK]
        found += len(entries)
        if found > limits.entries:
            raise too_many(limits)
        for entry in entries:
            name = checked(Path(entry.path).relative_to(root).as_posix(), limits)
            if entry.is_symlink():
                links.append(name)
            elif entry.is_dir():
                pending.append(Path(entry.path))
            elif entry.is_file():
                yield name, Path(entry.path)
            else:
                raise UnsafeArchiveError(f"{name} is a device, pipe or socket; only files and folders are taken")
    if links:
        raise _linked(sorted(links))


def _linked(names: Sequence[str]) -> UnsafeArchiveError:
    if len(names) == 1:
        return UnsafeArchiveError(f"{names[0]} is a symbolic link; put the file itself there")
    more = f" and {len(names) - LINKS_NAMED} more" if len(names) > LINKS_NAMED else ""
    listed = ", ".join(names[:LINKS_NAMED])
    return UnsafeArchiveError(f"{listed}{more} are symbolic links; put the files themselves there")


def _root(work: Path) -> Path:
    # Zipping a folder usually puts the folder itself into the archive.
    children = list(work.iterdir())
    if len(children) == 1 and ((children[0] / DESCRIPTION_FILE).is_file() or is_package(children[0])):
        return children[0]
    return work


def _settle(root: Path, into: Path) -> Landed:
    digest, count, size = _hash_of(root)
    description = root / DESCRIPTION_FILE
    folder = into / digest[:12]
    if folder.exists() and _hash_of(folder)[0] == digest:
        # Same content: only the version label in the description can differ, and the newest one counts.
        if description.is_file():
            description.replace(folder / DESCRIPTION_FILE)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        root.rename(folder)
    sync_folder(folder)
    sync_folder(into)
    return Landed(folder, digest, count, size)


def _hash_of(root: Path) -> tuple[str, int, int]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    hashes = {p.relative_to(root).as_posix(): file_sha256(p) for p in files}
    description = root / DESCRIPTION_FILE
    digest = content_sha256(hashes, description.read_bytes() if description.is_file() else None)
    return digest, len(files), sum(p.stat().st_size for p in files)
