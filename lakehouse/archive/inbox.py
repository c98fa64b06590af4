"""The inbox: what lies there to be taken in, under which key, and how to hand something in whole."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.stated_keys import StatedKeys
from lakehouse.archive.unpacking import ENDINGS, TAKEN, packing_of
from lakehouse.errors import UnreadableSubmissionError

BEING_WRITTEN = ".part"
_KEYS = StatedKeys()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission in the inbox; `fingerprint` changes when its files change, by name, size or time of change."""

    key: str
    path: Path
    fingerprint: str


def arrivals(inbox: Path) -> list[Arrival]:
    """Return the complete folders and archives of the inbox, sorted by name; empty when the inbox is absent."""
    if not inbox.is_dir():
        return []
    found = [p for p in sorted(inbox.iterdir()) if not p.name.startswith(".") and not p.name.endswith(BEING_WRITTEN)]
    return _named(path for path in found if not path.is_symlink() and (path.is_dir() or _is_called_archive(path)))


def arrival(path: Path) -> Arrival:
    """Return one submission with its key and fingerprint.

    Raises:
        UnreadableSubmissionError: it is gone.
    """
    found = _named([path])
    if not found:
        raise UnreadableSubmissionError(f"{path} is not there any more; hand it in again")
    return found[0]


def _is_called_archive(path: Path) -> bool:
    return path.name.lower().endswith(tuple(ENDINGS))


def _named(paths: Iterable[Path]) -> list[Arrival]:
    seen: dict[Path, str] = {}
    for path in paths:
        try:
            seen[path] = _fingerprint(path)
        except FileNotFoundError:
            # Somebody replaces or removes it at this moment; the next look finds what is there then.
            continue
        except OSError as error:
            # It cannot be read, which landing it will say; the others must not wait for it.
            seen[path] = f"unreadable-{error.errno}"
    return [
        Arrival(named.key, path, seen[path] if named.errno is None else f"unreadable-{named.errno}")
        for path, named in _KEYS.of(seen).items()
        if path.exists()
    ]


def submit(source: Path, inbox: Path, *, there: Callable[[Path], None] = lambda _: None) -> Arrival:
    """Copy a folder or archive into the inbox; it appears there whole or not at all, and replaces its namesake.

    `there` is told where it lies as soon as it does.

    Raises:
        UnreadableSubmissionError: `source` is neither a folder nor an archive.
    """
    packing = packing_of(source)
    if not source.is_dir() and packing is None:
        raise UnreadableSubmissionError(f"{source} is not {TAKEN}; name one of them")
    inbox.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9._@-]", "_", arrival(source).key)
    target = inbox / f"{stem}{packing or ''}"
    part = inbox / f"{target.name}{BEING_WRITTEN}"
    _remove(part)
    try:
        _copy(source, part)
        _remove(target)
        part.rename(target)
        there(target)
    except KeyboardInterrupt:
        _remove(part)
        raise
    except OSError as error:
        # shutil.Error, which lists pipes, devices and unreadable files, is an OSError.
        raise UnreadableSubmissionError(
            f"{source} cannot be copied to the inbox: {error}; check its files and the inbox"
        ) from error
    return arrival(target)


def _copy(source: Path, part: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, part, symlinks=True)
    else:
        shutil.copyfile(source, part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    for name, entry in _entries(path):
        status = entry.lstat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _entries(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    for entry in sorted(path.rglob("*")):
        if entry.is_symlink() or not entry.is_dir():
            yield entry.relative_to(path).as_posix(), entry
