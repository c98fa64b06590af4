"""The archive of retired versions: one compressed file each, and a receipt; the record of a version stays open."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import zstandard

from models.config import file_sha256
from models.durable import ARCHIVED, SUMS, read_json, recorded_sums, sync, unfinished, verify, write_json
from models.errors import CheckpointError

LEVEL = 3
"""Of zstandard: weights hardly shrink, and a higher level only takes longer (docs/flow/models.md)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the archive has of a version: its file below the folder of models, that file's hash, and what is in it."""

    archive: str
    sha256: str
    size_bytes: int
    whole_size_bytes: int
    files: tuple[str, ...]


def pack(folder: Path, files: Sequence[str], record: str, root: Path) -> Receipt:
    """Write a version's files but its record to the archive, and compare what was written; the folder stays as it is.

    Raises:
        CheckpointError: a file is not what was written, here or in the archive.
        NoRoomError: the disk is full.
    """
    verify(folder, tuple(files))
    packed = tuple(sorted(name for name in files if name != record))
    target = archive_of(folder, root)
    with unfinished(target.parent) as working:
        partial = working / target.name
        with (
            partial.open("wb") as raw,
            zstandard.ZstdCompressor(level=LEVEL).stream_writer(raw) as stream,
            tarfile.open(fileobj=stream, mode="w|") as tar,
        ):
            for name in (SUMS, *packed):
                tar.add(folder / name, name, filter=_plain)
        _require_whole(partial, recorded_sums(folder), packed)
        partial.chmod(0o444)
        sync(partial)
        partial.replace(target)
        sync(target.parent)
    whole = sum((folder / name).stat().st_size for name in packed)
    return Receipt(f"{target.parent.name}/{target.name}", file_sha256(target), target.stat().st_size, whole, packed)


def strip(folder: Path, receipt: Receipt) -> None:
    """Leave of a version that was packed its record, the checksums, and the receipt of its archive."""
    with unfinished(folder) as working:
        write_json(working / ARCHIVED, asdict(receipt))
        sync(working / ARCHIVED)
        (working / ARCHIVED).replace(folder / ARCHIVED)
    sync(folder)
    for name in receipt.files:
        (folder / name).unlink(missing_ok=True)
    sync(folder)


def strip_again(folder: Path, root: Path) -> bool:
    """Take out of a version's folder what a killed `strip` or `restore` left beside its archive; say if there was any.

    Raises:
        CheckpointError: it is not archived, or the archive is missing or altered: then nothing is taken out.
    """
    receipt = receipt_of(folder)
    if not any((folder / name).exists() for name in receipt.files):
        return False
    _archive(receipt, folder, root)
    strip(folder, receipt)
    return True


def restore(folder: Path, root: Path) -> Path:
    """Bring a version's files back from the archive, each compared with its sum of then; return the folder.

    Raises:
        CheckpointError: it is not archived, or the archive is missing or altered.
        NoRoomError: the disk is full.
    """
    receipt = receipt_of(folder)
    target = _archive(receipt, folder, root)
    sums = recorded_sums(folder)
    with unfinished(folder.parent) as working:
        _unpack(receipt, target, sums, working)
        for name in receipt.files:
            (working / name).chmod(0o444)
            sync(working / name)
            (working / name).replace(folder / name)
    sync(folder)
    (folder / ARCHIVED).unlink()
    sync(folder)
    target.unlink()
    return folder


@contextmanager
def opened(folder: Path, root: Path) -> Iterator[Path]:
    """Give a version's folder to read from: of one in the archive a whole copy, gone at the end, for it stays there.

    Raises:
        CheckpointError: the archive is missing or altered.
        NoRoomError: the disk is full.
    """
    if not (folder / ARCHIVED).is_file():
        yield folder
        return
    receipt, sums = receipt_of(folder), recorded_sums(folder)
    with unfinished(folder.parent) as working:
        copy = working / folder.name
        copy.mkdir()
        _unpack(receipt, _archive(receipt, folder, root), sums, copy)
        for name in (SUMS, *(name for name in sums if name not in receipt.files)):
            shutil.copyfile(folder / name, copy / name)
        yield copy


def forget(folder: Path, root: Path) -> None:
    """Destroy what the archive has of a version: it must be forgotten."""
    archive_of(folder, root).unlink(missing_ok=True)
    if (folder / ARCHIVED).is_file():
        (folder / ARCHIVED).unlink()
        sync(folder)


def receipt_of(folder: Path) -> Receipt:
    """Return the receipt of an archived version; raise CheckpointError when it is not archived."""
    if not (folder / ARCHIVED).is_file():
        raise CheckpointError(f"{folder.name} is not in the archive; its files lie in {folder}")
    values = read_json(folder / ARCHIVED)
    return Receipt(**{**values, "files": tuple(values["files"])})


def archive_of(folder: Path, root: Path) -> Path:
    """Return where the archive of a version lies; versions of all kinds have names of their own."""
    return root / "archive" / f"{folder.name}.tar.zst"


def _unpack(receipt: Receipt, archive: Path, sums: dict[str, str], into: Path) -> None:
    for name, content in _contents(archive):
        if name in receipt.files:
            with (into / name).open("wb") as file:
                shutil.copyfileobj(content, file)
    for name in receipt.files:
        if not (into / name).is_file() or file_sha256(into / name) != sums.get(name):
            raise CheckpointError(f"{name} in {archive} is not what was written; take the archive from a backup")


def _archive(receipt: Receipt, folder: Path, root: Path) -> Path:
    target = archive_of(folder, root)
    if not target.is_file() or file_sha256(target) != receipt.sha256:
        raise CheckpointError(f"{target} is missing, or not what was archived (SHA-256 differs); take it from a backup")
    return target


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who wrote a file and when: the same version gives the same archive."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _require_whole(path: Path, sums: dict[str, str], packed: Sequence[str]) -> None:
    found = {name: hashlib.file_digest(content, "sha256").hexdigest() for name, content in _contents(path)}  # type: ignore[arg-type]
    if any(found.get(name) != sums[name] for name in packed):
        raise CheckpointError(f"what was archived in {path.name} is not what was read; nothing was removed, try again")


def _contents(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Give each file of an archive, in turn: weights may be larger than the memory."""
    try:
        with (
            path.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as stream,
            tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as tar,
        ):
            for each in tar:
                if (content := tar.extractfile(each)) is not None:
                    yield each.name, content
    except (tarfile.TarError, zstandard.ZstdError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; take the archive from a backup") from error
