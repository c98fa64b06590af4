"""The members of a zip archive that lies beside the data, unpacked one by one within limits, none under its name."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lakehouse.archive.zip_directory import count_entries
from lakehouse.errors import SchemaError

BEGINNINGS = (b"PK\3\4", b"PK\5\6")
# What office documents are told by; their texts are XML, in which a word may stand in pieces.
OFFICE = ("[Content_Types].xml", "mimetype", "META-INF/manifest.xml")
ENCRYPTED = 0x1
CHUNK_BYTES = 1 << 20
# APPNOTE 4.3: the header of a member, where it tells the lengths of its name and extra field, what may follow its
# bytes, its entry in the directory, the end of the directory and of a large one.
HEADER_BYTES, LENGTHS_AT, DESCRIPTOR_BYTES, ENTRY_BYTES, END_BYTES, LARGE_END_BYTES = 30, 26, 24, 46, 22, 76
HAS_DESCRIPTOR, IS_UTF8 = 0x8, 0x800
# Extra fields hold times and owners, and nobody looks into them.
MOST_EXTRA = 256


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """The most that is looked into; `ratio` is unpacked bytes per packed byte, judged above `free_bytes`."""

    members: int = 10_000
    total_bytes: int = 2_000_000_000
    ratio: float = 200.0
    free_bytes: int = 1_000_000


DEFAULT_ZIP_LIMITS = ZipLimits()


def is_zip(path: Path) -> bool:
    """Say whether a file begins as a zip archive does."""
    with path.open("rb") as stream:
        return stream.read(4) in BEGINNINGS


def members(path: Path, work: Path, limits: ZipLimits = DEFAULT_ZIP_LIMITS) -> Iterator[tuple[str, Path]]:
    """Yield the name of each file in the archive and its bytes as the file `work`, which the next one takes.

    Raises:
        SchemaError: it is an office document, broken, encrypted, holds a link, more than the limits, or bytes of no
            member.
    """
    if count_entries(path, limits.members) > limits.members:
        raise SchemaError(f"it is a ZIP archive of more than {limits.members:,} members")
    most = min(limits.total_bytes, max(limits.free_bytes, int(limits.ratio * path.stat().st_size)))
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive.infolist())
            _check_whole(path, archive)
            for info in (one for one in archive.infolist() if not one.is_dir()):
                with archive.open(info) as stream:
                    most -= _copy(stream, work, most)
                yield info.filename, work
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
        raise SchemaError("it is a ZIP archive that is broken") from error


def comments(path: Path) -> list[str]:
    """Return the lines that an archive, and its directory of each member, says beside their names."""
    with zipfile.ZipFile(path) as archive:
        said = [archive.comment, *(info.comment for info in archive.infolist())]
    return [line for one in said for line in one.decode(errors="replace").splitlines()]


def _check(infos: Sequence[zipfile.ZipInfo]) -> None:
    if any(info.filename in OFFICE for info in infos):
        raise SchemaError("it is a ZIP archive, as office documents are")
    for info in infos:
        if info.flag_bits & ENCRYPTED:
            raise SchemaError("it is a ZIP archive with a password")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise SchemaError("it is a ZIP archive with a link or device in it")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (info.is_dir() and info.file_size):
            raise SchemaError("it is a ZIP archive packed in an uncommon way")


def _check_whole(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse members that share bytes, and bytes that no member and no entry of the directory is made of."""
    end, infos = 0, sorted(archive.infolist(), key=lambda info: info.header_offset)
    with path.open("rb") as stream:
        for info in infos:
            _check_next(info.header_offset - end)
            stream.seek(info.header_offset + LENGTHS_AT)
            name, extra = struct.unpack("<HH", stream.read(4))
            _check_next(0, extra)
            end = info.header_offset + HEADER_BYTES + name + extra + info.compress_size
            end += _descriptor_bytes(stream, end) if info.flag_bits & HAS_DESCRIPTOR else 0
    _check_next(archive.start_dir - end)
    entries = sum(ENTRY_BYTES + _name_bytes(info) + len(info.extra) + len(info.comment) for info in infos)
    rest = path.stat().st_size - archive.start_dir - entries - END_BYTES - len(archive.comment)
    _check_next(0 if rest == LARGE_END_BYTES else rest, max((len(info.extra) for info in infos), default=0))


def _check_next(between: int, extra: int = 0) -> None:
    if between or extra > MOST_EXTRA:
        raise SchemaError("it is a ZIP archive with bytes of no member, or of several")


def _descriptor_bytes(stream: IO[bytes], at: int) -> int:
    """Return how many bytes of sizes follow a member's own: of four or eight bytes each, with a sign or without."""
    stream.seek(at)
    behind = stream.read(DESCRIPTOR_BYTES + 4)
    return next((size for size in (16, 24, 12, 20) if behind[size : size + 3] in (b"PK\1", b"PK\3", b"PK\6")), 0)


def _name_bytes(info: zipfile.ZipInfo) -> int:
    return len(info.orig_filename.encode("utf-8" if info.flag_bits & IS_UTF8 else "cp437"))


def _copy(stream: IO[bytes], target: Path, most: int) -> int:
    size = 0
    with target.open("wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > most:
                raise SchemaError("it is a ZIP archive that unpacks to too much")
            out.write(chunk)
    return size
