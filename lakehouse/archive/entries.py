"""What an entry of a submission may be called, and how much all of them may hold."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from lakehouse.archive.content_hash import CHUNK_BYTES
from lakehouse.errors import UnsafeArchiveError

# Left out silently: operating systems add them and nobody means to submit them.
JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
# A folder of these names would change how the version store's git behaves.
CONTROL_PREFIXES = (".git", ".datalad")
# Files this small are never bombs, however well they are packed.
FREE_BYTES = 1_000_000
# Unicode's Bidi_Control: whoever reads a name with one of them reads another. Joiners, which languages need, are none.
DIRECTION_LETTERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest submission that is taken. `ratio` is unpacked bytes per packed byte, judged above 1 MB."""

    entries: int = 100_000
    total_bytes: int = 20_000_000_000
    ratio: float = 200.0
    depth: int = 8
    path_bytes: int = 1_000


DEFAULT_LIMITS = Limits()


def too_many(limits: Limits) -> UnsafeArchiveError:
    """Return the error for a submission of more entries than are taken."""
    return UnsafeArchiveError(f"more than {limits.entries} entries; split the dataset")


def is_junk(name: str) -> bool:
    """Say whether an entry is one of those that are left out."""
    return any(part in JUNK for part in name.split("/"))


def checked(name: str, limits: Limits) -> str:
    """Return the name of an entry, parts separated by slashes.

    Raises:
        UnsafeArchiveError: it leads elsewhere, holds control or direction characters, is too long, or belongs to git
            or DataLad.
    """
    shown = ascii(name)[:200]
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise UnsafeArchiveError(f"{shown}: a name with a control character; rename it")
    if turning := sorted(DIRECTION_LETTERS.intersection(name)):
        raise UnsafeArchiveError(
            f"{shown}: a name with the character U+{ord(turning[0]):04X}, which changes the direction of writing, so "
            "that it reads as another name; rename it"
        )
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


class Names:
    """The files met so far: two names that differ only in case or in Unicode form are one file on some disks."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def take(self, name: str) -> None:
        """Note a file and the folders above it; raise UnsafeArchiveError when one of them is another's on some disk."""
        for parent in list(PurePosixPath(name).parents)[:-1]:
            self._claim(f"{parent.as_posix()}/")
        if _same_on_disk(name) in self._seen:
            raise UnsafeArchiveError(f"{name!a} is there twice, perhaps in other letters; keep one")
        self._claim(name)

    def take_all(self, names: Iterable[str]) -> None:
        """Note each of these files."""
        for name in names:
            self.take(name)

    def _claim(self, entry: str) -> None:
        other = self._seen.setdefault(_same_on_disk(entry), entry)
        if other != entry:
            raise UnsafeArchiveError(f"{entry!a} and {other!a} are one name on some disks; rename one")


def _same_on_disk(entry: str) -> str:
    return unicodedata.normalize("NFC", entry.rstrip("/")).casefold()


class Budget:
    """Counts the bytes written and stops where the limits are passed, whatever an archive claimed."""

    def __init__(self, limits: Limits, packed_bytes: int | None = None) -> None:
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._written = 0

    def check(self, total: int, name: str) -> None:
        """Raise UnsafeArchiveError when so many bytes in all are more than the limits allow."""
        if total > self._limits.total_bytes:
            raise UnsafeArchiveError(f"{name!a}: more than {self._limits.total_bytes} bytes; split the dataset")
        if self._packed_bytes is not None and total > max(FREE_BYTES, self._limits.ratio * self._packed_bytes):
            raise UnsafeArchiveError(f"{name!a}: unpacks to over {self._limits.ratio:g} times its size; pack it anew")

    def claim(self, size: int, name: str) -> None:
        """Raise UnsafeArchiveError when a file said to be so large would be too much beside what was written."""
        self.check(self._written + size, name)

    def write(self, stream: IO[bytes], work: Path, name: str) -> None:
        """Copy a stream into a new file below `work`, and see it on the disk."""
        target = work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                self._written += len(chunk)
                self.check(self._written, name)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
