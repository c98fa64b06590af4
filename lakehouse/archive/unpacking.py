"""Unpacking a submission's archive, zip or tar: checked names, plain files only, bounded sizes."""

import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import zstandard

from lakehouse.archive.entries import FREE_BYTES, Budget, Limits, Names, checked, is_junk, too_many
from lakehouse.archive.packed import UnpackLimits, UnpacksTooMuchError, unpacked
from lakehouse.archive.zip_directory import count_entries
from lakehouse.errors import SchemaError, UnreadableSubmissionError, UnsafeArchiveError

Packing = Literal[".zip", ".tar", ".tar.gz", ".tar.zst"]
# What files of each packing are called; the longest endings first.
ENDINGS: Mapping[str, Packing] = {
    ".tar.zst": ".tar.zst",
    ".tar.gz": ".tar.gz",
    ".tzst": ".tar.zst",
    ".tgz": ".tar.gz",
    ".tar": ".tar",
    ".zip": ".zip",
}
TAKEN = "a folder, a zip or a tar archive (.tar, .tar.gz, .tar.zst)"
# How files of each packing begin; an empty zip has nothing but its end.
BEGINNINGS: Mapping[bytes, Packing] = {
    b"PK\x03\x04": ".zip",
    b"PK\x05\x06": ".zip",
    b"\x1f\x8b": ".tar.gz",
    b"\x28\xb5\x2f\xfd": ".tar.zst",
}
TAR_MARK, TAR_MARK_AT = b"ustar", 257
ENCRYPTED = 0x1
# Headers that only say something about the next entry are read whole; names and times need far less.
LARGEST_HEADER = 1 << 20
HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# An entry of a tar archive is padded to this many bytes and has a header of as many.
BLOCK_BYTES = 512
UNREADABLE = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    SchemaError,
    EOFError,
    # zipfile raises RuntimeError for an unknown compression, ValueError for a broken name.
    RuntimeError,
    ValueError,
)


def packing_of(path: Path) -> Packing | None:
    """Return how a file is packed, by its name's ending or by how it begins; None for a file that is no archive."""
    name = path.name.lower()
    called = next((packing for ending, packing in ENDINGS.items() if name.endswith(ending)), None)
    if called is not None or not path.is_file():
        return called if path.is_file() else None
    with path.open("rb") as stream:
        head = stream.read(TAR_MARK_AT + len(TAR_MARK))
    begun = next((packing for beginning, packing in BEGINNINGS.items() if head.startswith(beginning)), None)
    return begun or (".tar" if head[TAR_MARK_AT:] == TAR_MARK else None)


def stem_of(path: Path) -> str:
    """Return a file's name without the ending of its packing; of any other file or folder, the whole name."""
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")
    return path.name[: -len(ending)] if ending and path.is_file() else path.name


def unpack(source: Path, packing: Packing, work: Path, limits: Limits) -> None:
    """Unpack an archive into the empty folder `work`; what operating systems leave behind is left out.

    Raises:
        UnsafeArchiveError: a name, link, device or size that is not allowed.
        UnreadableSubmissionError: it is broken or encrypted.
    """
    with _readable(source):
        if packing == ".zip":
            _unpack_zip(source, work, limits)
        else:
            for entry, stream, budget in _tar_files(source, packing, limits):
                budget.write(stream, work, entry)


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except UnpacksTooMuchError as error:
        raise UnsafeArchiveError(f"{source.name!a}: unpacks to too many times its size; pack it anew") from error
    except UNREADABLE as error:
        reason = str(error) or "it ends too early"
        raise UnreadableSubmissionError(f"{source.name} cannot be unpacked: {reason}; pack it again") from error


def member(source: Path, packing: Packing, wanted: Callable[[str], bool], largest: int) -> bytes | None:
    """Return the start of the first file that is wanted by its name; None where there is none before the limits."""
    with _readable(source):
        if packing == ".zip":
            return _zip_member(source, wanted, largest)
        return next(
            (stream.read(largest) for name, stream, _ in _tar_files(source, packing, Limits()) if wanted(name)), None
        )


def _zip_member(source: Path, wanted: Callable[[str], bool], largest: int) -> bytes | None:
    if count_entries(source, Limits().entries) > Limits().entries:
        return None
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if wanted(info.filename):
                with archive.open(info) as stream:
                    return stream.read(largest)
    return None


def _unpack_zip(source: Path, work: Path, limits: Limits) -> None:
    packed_bytes = source.stat().st_size
    if count_entries(source, limits.entries) > limits.entries:
        raise too_many(limits)
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
        members = [(_zip_name(info, limits), info) for info in infos if not is_junk(info.filename)]
        files = [(name, info) for name, info in members if not info.is_dir()]
        Names().take_all(name for name, _ in files)
        # What the directory of the archive claims is refused before a byte is written; what it hides, while writing.
        budget = Budget(limits, packed_bytes)
        budget.check(sum(info.file_size for _, info in files), source.name)
        for name, info in files:
            with archive.open(info) as stream:
                budget.write(stream, work, name)


def _zip_name(info: zipfile.ZipInfo, limits: Limits) -> str:
    # orig_filename still has the NUL and the backslashes that zipfile cuts off or replaces.
    _refuse_letters(info.orig_filename)
    if not info.filename:
        raise UnsafeArchiveError("a file without a name; zip it anew")
    name = checked(info.filename.removesuffix("/") if info.is_dir() else info.filename, limits)
    if info.flag_bits & ENCRYPTED:
        raise UnreadableSubmissionError(f"{name} is encrypted; zip it without a password")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeArchiveError(f"{name} is a link or device; put the file itself there")
    return name


def _refuse_letters(name: str) -> None:
    if "\0" in name or "\\" in name:
        raise UnsafeArchiveError(f"{name[:200]!a}: a name with a NUL or a backslash; rename it")


class _Entry(tarfile.TarInfo):
    """An entry whose header is refused before what belongs to it is read into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Entry":
        """Return the entry of a header block; one that is cut or broken is an error, not the end of the archive."""
        try:
            entry = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == BLOCK_BYTES and not any(buf):
                raise  # the block of nothing that ends an archive
            raise tarfile.ReadError(f"{error}, where an entry should begin") from error
        if entry.size < 0:
            raise tarfile.ReadError("an entry of less than no bytes")
        if entry.type in HEADERS and entry.size > LARGEST_HEADER:
            raise UnsafeArchiveError(f"a header of {entry.size} bytes in the tar archive; pack it anew")
        return entry

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Entry":
        """Return the next entry; what its headers say of holes or sizes and is no number is an error in our words."""
        try:
            return super().fromtarfile(archive)
        except ValueError as error:
            raise tarfile.ReadError("the header of an entry says of its size or its holes what is no number") from error


def _tar_files(source: Path, packing: Packing, limits: Limits) -> Iterator[tuple[str, IO[bytes], Budget]]:
    """Yield the name and the open content of each file in order, and the budget to write it from."""
    packed_bytes = source.stat().st_size
    budget, names, entries = Budget(limits, packed_bytes), Names(), 0
    # Headers and padding count too: an archive of nothing but headers is a bomb as well.
    most = UnpackLimits(limits.total_bytes + limits.entries * 2 * BLOCK_BYTES, limits.ratio, 2 * FREE_BYTES)
    ending = packing.removeprefix(".tar")
    with unpacked(source, ending, most) as stream, _tar(stream) as archive:
        for entry in archive:
            # It would remember every entry, and nothing here asks for one again.
            archive.members.clear()  # type: ignore[attr-defined]  # the stubs leave it out
            entries += 1
            if entries > limits.entries:
                raise too_many(limits)
            if (name := _tar_name(entry, limits)) is not None:
                names.take(name)
                budget.claim(entry.size, name)
                content = archive.extractfile(entry)
                assert content is not None, "it is a plain file"
                yield name, content, budget


def _tar(stream: IO[bytes]) -> tarfile.TarFile:
    # As a stream: nothing is sought, so no header can send the reader back and round.
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry, errorlevel=2, ignore_zeros=False)


def _tar_name(entry: tarfile.TarInfo, limits: Limits) -> str | None:
    """Return the checked name of a plain file; None for a folder and what is left out."""
    said = entry.name
    if said in (".", "./", "") and entry.isdir():
        return None
    _refuse_letters(said)
    name = checked(said.removeprefix("./").removesuffix("/") if entry.isdir() else said.removeprefix("./"), limits)
    if is_junk(name):
        return None
    if entry.issparse() or not (entry.isreg() or entry.isdir()):
        raise UnsafeArchiveError(f"{name} is a link, a device or a file with holes; put the file itself there")
    if entry.isdir():
        return None
    # The standard library's own rules besides: what they refuse is refused whatever was looked at above.
    tarfile.data_filter(entry, "/nowhere")
    return name
