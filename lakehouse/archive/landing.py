"""How a submission from outside becomes a folder inside: checked names, bounded sizes, all or nothing."""

import errno
import lzma
import os
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from lakehouse.archive.content_hash import CHUNK_BYTES, content_sha256, file_sha256
from lakehouse.archive.eds import DESCRIPTION_FILE
from lakehouse.archive.metadata.adopting import adopt, is_package
from lakehouse.archive.zip_directory import count_entries
from lakehouse.errors import ServiceUnavailableError, UnreadableSubmissionError, UnsafeArchiveError

# Left out silently: operating systems add them and nobody means to submit them.
JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
# A folder of these names would change how the version store's git behaves.
CONTROL_PREFIXES = (".git", ".datalad")
ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest submission that is taken. `ratio` is unpacked bytes per packed byte, judged above 1 MB."""

    entries: int = 100_000
    total_bytes: int = 20_000_000_000
    ratio: float = 200.0
    depth: int = 8
    path_bytes: int = 1_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Landed:
    """A submission in its folder, with the hash of its content and its size."""

    folder: Path
    content_sha256: str
    file_count: int
    size_bytes: int


def land(source: Path, into: Path, limits: Limits = DEFAULT_LIMITS) -> Landed:
    """Copy a folder or unpack a zip into ``into/<first 12 digits of its content hash>``; again is no error.

    A package of another standard is described in the words of the EDS on the way.

    Raises:
        UnsafeArchiveError: a name, link, device or size that is not allowed; nothing is left behind.
        UnreadableSubmissionError: neither a folder nor a readable zip archive.
    """
    into.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".landing-", dir=into))
    try:
        _fill(source, work, limits)
        root = _root(work)
        adopt(root)
        return _settle(root, into)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(source: Path, work: Path, limits: Limits) -> None:
    if source.is_symlink():
        raise UnsafeArchiveError(f"{source.name} is a symbolic link; submit the folder itself")
    try:
        if source.is_dir():
            _copy_folder(source, work, limits)
        elif source.is_file() and zipfile.is_zipfile(source):
            _unpack(source, work, limits)
        else:
            raise UnreadableSubmissionError(f"{source} is neither a folder nor a zip archive; submit one of them")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
        # zipfile raises RuntimeError for an unknown compression, ValueError for a broken name, EOFError without words.
        reason = str(error) or "it ends too early"
        raise UnreadableSubmissionError(f"{source.name} cannot be unpacked: {reason}; zip it again") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServiceUnavailableError(f"no room for {source.name} in {work.parent}; free disk space") from error
        raise UnreadableSubmissionError(f"{source} cannot be read: {error}; check that it is there") from error


def _copy_folder(source: Path, work: Path, limits: Limits) -> None:
    entries = sorted(_walk(source, limits))
    budget = _Budget(limits)
    _refuse_collisions([name for name, _ in entries])
    for name, path in entries:
        with path.open("rb") as stream:
            budget.write(stream, _target(work, name), name)


def _walk(root: Path, limits: Limits) -> Iterator[tuple[str, Path]]:
    found = 0
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as listing:
            entries = [entry for entry in listing if entry.name not in JUNK]
        found += len(entries)
        if found > limits.entries:
            raise UnsafeArchiveError(f"more than {limits.entries} entries; split the dataset")
        for entry in entries:
            name = _checked(Path(entry.path).relative_to(root).as_posix(), limits)
            if entry.is_symlink():
                raise UnsafeArchiveError(f"{name} is a symbolic link; put the file itself there")
            if entry.is_dir():
                pending.append(Path(entry.path))
            elif entry.is_file():
                yield name, Path(entry.path)
            else:
                raise UnsafeArchiveError(f"{name} is a device, pipe or socket; only files and folders are taken")


def _unpack(source: Path, work: Path, limits: Limits) -> None:
    packed_bytes = source.stat().st_size
    if count_entries(source, limits.entries) > limits.entries:
        raise UnsafeArchiveError(f"more than {limits.entries} entries; split the dataset")
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
        members = [(_member_name(info, limits), info) for info in infos if not _is_junk(info.filename)]
        files = [(name, info) for name, info in members if not info.is_dir()]
        _refuse_collisions([name for name, _ in files])
        # What the directory of the archive claims is refused before a byte is written; what it hides, while writing.
        budget = _Budget(limits, packed_bytes)
        budget.check(sum(info.file_size for _, info in files), source.name)
        for name, info in files:
            with archive.open(info) as stream:
                budget.write(stream, _target(work, name), name)


def _is_junk(filename: str) -> bool:
    return any(part in JUNK for part in filename.split("/"))


def _member_name(info: zipfile.ZipInfo, limits: Limits) -> str:
    # orig_filename still has the NUL and the backslashes that zipfile cuts off or replaces.
    if "\0" in info.orig_filename or "\\" in info.orig_filename:
        raise UnsafeArchiveError(f"{info.filename!r}: a name with a NUL or a backslash; rename it")
    if not info.filename:
        raise UnsafeArchiveError("a file without a name; zip it anew")
    name = _checked(info.filename.removesuffix("/") if info.is_dir() else info.filename, limits)
    if info.flag_bits & ENCRYPTED:
        raise UnreadableSubmissionError(f"{name} is encrypted; zip it without a password")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeArchiveError(f"{name} is a link or device; put the file itself there")
    return name


def _checked(name: str, limits: Limits) -> str:
    shown = ascii(name)[:200]
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise UnsafeArchiveError(f"{shown}: a name with a control character; rename it")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise UnsafeArchiveError(f"{shown}: a name that is not UTF-8; rename it") from error
    parts = name.split("/")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts) or parts[0].endswith(":"):
        raise UnsafeArchiveError(f"{shown}: a path that leads out of the dataset; use plain relative names")
    if any(part.lower().startswith(CONTROL_PREFIXES) for part in parts):
        raise UnsafeArchiveError(f"{shown}: git and DataLad control files are not taken; leave them out")
    if len(parts) > limits.depth or size > limits.path_bytes:
        raise UnsafeArchiveError(
            f"{shown}: deeper than {limits.depth} folders or longer than {limits.path_bytes} bytes"
        )
    return name


def _refuse_collisions(names: list[str]) -> None:
    # Two names that differ only in case or in Unicode form are one file on some disks.
    seen: dict[str, str] = {}
    for name in names:
        folders = [f"{parent.as_posix()}/" for parent in PurePosixPath(name).parents][:-1]
        for entry in folders:
            _claim(entry, seen)
        if _same_on_disk(name) in seen:
            raise UnsafeArchiveError(f"{name!a} is there twice, perhaps in other letters; keep one")
        _claim(name, seen)


def _claim(entry: str, seen: dict[str, str]) -> None:
    other = seen.setdefault(_same_on_disk(entry), entry)
    if other != entry:
        raise UnsafeArchiveError(f"{entry!a} and {other!a} are one name on some disks; rename one")


def _same_on_disk(entry: str) -> str:
    return unicodedata.normalize("NFC", entry.rstrip("/")).casefold()


def _target(work: Path, name: str) -> Path:
    target = work / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


class _Budget:
    """Counts the bytes written and stops where the limits are passed, whatever the archive claimed."""

    def __init__(self, limits: Limits, packed_bytes: int | None = None) -> None:
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._written = 0

    def check(self, total: int, name: str) -> None:
        if total > self._limits.total_bytes:
            raise UnsafeArchiveError(f"{name!a}: more than {self._limits.total_bytes} bytes; split the dataset")
        if self._packed_bytes is not None and total > max(1_000_000, self._limits.ratio * self._packed_bytes):
            raise UnsafeArchiveError(f"{name!a}: unpacks to over {self._limits.ratio:g} times its size; zip it anew")

    def write(self, stream: IO[bytes], target: Path, name: str) -> None:
        with target.open("xb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                self._written += len(chunk)
                self.check(self._written, name)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())


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
    _sync(folder)
    _sync(into)
    return Landed(folder, digest, count, size)


def _hash_of(root: Path) -> tuple[str, int, int]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    hashes = {p.relative_to(root).as_posix(): file_sha256(p) for p in files}
    description = root / DESCRIPTION_FILE
    digest = content_sha256(hashes, description.read_bytes() if description.is_file() else None)
    return digest, len(files), sum(p.stat().st_size for p in files)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
