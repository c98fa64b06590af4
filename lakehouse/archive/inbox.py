"""The inbox: what lies there to be taken in, under which key, and how to hand something in whole."""

import hashlib
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.eds import DESCRIPTION_FILE
from lakehouse.archive.metadata.adopting import stated_names
from lakehouse.archive.strict_yaml import MAX_BYTES, YamlFaultError, read_yaml
from lakehouse.archive.zip_directory import count_entries
from lakehouse.errors import UnreadableSubmissionError

BEING_WRITTEN = ".part"
MAX_KEY_LETTERS = 120
MOST_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission in the inbox; `fingerprint` changes when its files change, by name, size or time of change."""

    key: str
    path: Path
    fingerprint: str


def arrivals(inbox: Path) -> list[Arrival]:
    """Return the complete folders and zip archives of the inbox, sorted by name; empty when the inbox is absent."""
    if not inbox.is_dir():
        return []
    found = [p for p in sorted(inbox.iterdir()) if not p.name.startswith(".") and not p.name.endswith(BEING_WRITTEN)]
    taken = [p for p in found if not p.is_symlink() and (p.is_dir() or p.suffix.lower() == ".zip")]
    return [there for path in taken if (there := _if_still_there(path)) is not None]


def _if_still_there(path: Path) -> Arrival | None:
    try:
        return arrival(path)
    except FileNotFoundError:
        # Somebody replaces or removes it at this moment; the next look finds what is there then.
        return None
    except OSError as error:
        # It cannot be read, which landing it will say; the others must not wait for it.
        return Arrival(f"{_plain(path.stem)}@undescribed", path, f"unreadable-{error.errno}")


def arrival(path: Path) -> Arrival:
    """Return one submission with its key and fingerprint."""
    return Arrival(_key(path), path, _fingerprint(path))


def submit(source: Path, inbox: Path) -> Arrival:
    """Copy a folder or zip archive into the inbox; it appears there whole or not at all, and replaces its namesake.

    Raises:
        UnreadableSubmissionError: `source` is neither a folder nor a zip archive.
    """
    if not source.is_dir() and not zipfile.is_zipfile(source):
        raise UnreadableSubmissionError(f"{source} is neither a folder nor a zip archive; name one of them")
    inbox.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9._@-]", "_", _key(source))
    target = inbox / (stem if source.is_dir() else f"{stem}.zip")
    part = inbox / f"{target.name}{BEING_WRITTEN}"
    _remove(part)
    try:
        _copy(source, part)
        _remove(target)
        part.rename(target)
    except OSError as error:
        # shutil.Error, which lists pipes, devices and unreadable files, is an OSError.
        raise UnreadableSubmissionError(f"{source} cannot be copied to the inbox: {error}; check its files") from error
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


def _key(path: Path) -> str:
    name, version = _stated(path)
    stem = path.stem if path.suffix.lower() == ".zip" else path.name
    key = f"{_plain(name) if name else _plain(stem.partition('@')[0])}@{_plain(version) if version else 'undescribed'}"
    return key[:MAX_KEY_LETTERS]


def _stated(path: Path) -> tuple[str | None, str | None]:
    if path.is_file() and count_entries(path, MOST_ENTRIES) > MOST_ENTRIES:
        return None, None  # `land` refuses it; reading its directory at every look would cost seconds
    body = _zipped_description(path) if path.is_file() else _description(path)
    return _names(body) if body is not None else stated_names(path)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip(".-") or "unnamed"


def _names(body: bytes) -> tuple[str | None, str | None]:
    try:
        fields = read_yaml(body)
    except YamlFaultError:
        return None, None
    if not isinstance(fields, dict):
        return None, None
    name, version = fields.get("name"), fields.get("version")
    if name is None or version is None or isinstance(name, dict | list) or isinstance(version, dict | list):
        return None, None
    return str(name), str(version)


def _description(folder: Path) -> bytes | None:
    path = folder / DESCRIPTION_FILE
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _zipped_description(path: Path) -> bytes | None:
    """Read only the description's member, and no more of it than a description may have."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename == DESCRIPTION_FILE or re.fullmatch(rf"[^/]+/{DESCRIPTION_FILE}", info.filename):
                    with archive.open(info) as stream:
                        return stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError):
        # `land` says what is wrong with it; here it only has no description.
        return None
    return None


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
