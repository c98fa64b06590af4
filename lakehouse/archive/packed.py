"""Files as they were written, plain or compressed, read as a stream that stops where it unpacks to too much."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from lakehouse.archive.layout import TABLE_ENDINGS
from lakehouse.errors import SchemaError

PACKINGS = (".gz", ".zst")
# zstd's own limit for what a reader must hold back; more is asked for only by hostile files.
LARGEST_WINDOW_BYTES = 128 << 20
# Four bytes may stand for 128 KiB, so this many at a time unpack to 32 MiB at most.
PACKED_BYTES = 1 << 10


class UnpacksTooMuchError(SchemaError):
    """Packed bytes unpack to more than the limits."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """The most one compressed file may unpack to; `ratio` is judged above `free_bytes`."""

    total_bytes: int = 20_000_000_000
    ratio: float = 200.0
    free_bytes: int = 100_000_000


DEFAULT_UNPACK_LIMITS = UnpackLimits()


def plain_name(name: str) -> str:
    """Return a file's name without the ending of its packing."""
    for ending in PACKINGS:
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def is_table_file(name: str) -> bool:
    """Say whether a file of that name holds rows of a table."""
    return plain_name(name).endswith(TABLE_ENDINGS)


def is_parquet(name: str) -> bool:
    """Say whether a file of that name holds rows as Parquet."""
    return plain_name(name).endswith(".parquet")


@contextmanager
def opened(path: Path, limits: UnpackLimits = DEFAULT_UNPACK_LIMITS) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if its name ends in ``.gz`` or ``.zst``.

    Raises:
        SchemaError: while reading, the packed bytes are broken or unpack to more than the limits.
    """
    with unpacked(path, path.suffix, limits) as stream:
        yield stream


@contextmanager
def unpacked(path: Path, ending: str, limits: UnpackLimits) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked as `ending` says, whatever it is called; any other ending reads it as it is.

    Raises:
        SchemaError: while reading, the packed bytes are broken.
        UnpacksTooMuchError: while reading, they unpack to more than the limits.
    """
    with path.open("rb") as raw:
        if ending not in PACKINGS:
            yield raw
            return
        try:
            yield io.BufferedReader(_Measured(_unpacked(raw, ending), path, limits))
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise SchemaError(f"{path.name} cannot be unpacked: {_reason(error)}; compress it again") from error


def _reason(error: Exception) -> str:
    return "it ends too early" if isinstance(error, EOFError) else str(error)[:100]


def _unpacked(raw: IO[bytes], ending: str) -> io.BufferedIOBase:
    if ending == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="rb")
    return io.BufferedReader(_ZstdFrames(raw))


class _ZstdFrames(io.RawIOBase):
    """All frames of a file, one after another; a frame that is cut raises EOFError, which zstandard's reader hides."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__()
        self._raw = raw
        self._frame = _frame()
        self._open = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # all buffers are these
        while not self._ready and self._more():
            pass
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _more(self) -> bool:
        packed = self._raw.read(PACKED_BYTES)
        if not packed and self._open:
            raise EOFError
        pieces: list[bytes] = []
        while packed:
            pieces.append(self._frame.decompress(packed))
            self._open = not self._frame.eof
            packed = self._frame.unused_data
            if not self._open:
                self._frame = _frame()
        self._ready = memoryview(b"".join(pieces))
        return bool(pieces)


def _frame() -> "zstandard.ZstdDecompressionObj":
    return zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES).decompressobj()


class _Measured(io.RawIOBase):
    """Counts what is read and refuses to go on beyond the limits."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, limits: UnpackLimits) -> None:
        super().__init__()
        self._stream, self._limits, self._name = stream, limits, path.name
        self._most = min(limits.total_bytes, max(limits.free_bytes, int(limits.ratio * path.stat().st_size)))
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # all buffers are these
        chunk = self._stream.read(len(buffer))
        self._read += len(chunk)
        if self._read > self._most:
            raise UnpacksTooMuchError(
                f"{self._name} unpacks to more than {self._most:,} bytes, {self._limits.ratio:g} times its size or the "
                "most that is taken; submit it unpacked or split it"
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)
