"""The text of a file of any name: unpacked and told from other bytes by what it begins with, written as plain UTF-8."""

import codecs
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from lakehouse.archive.packed import DEFAULT_UNPACK_LIMITS, unpacked
from lakehouse.errors import SchemaError

HEAD_BYTES, CHUNK_BYTES = 1 << 16, 1 << 20
PACKED_SIGNS = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
# How files begin that hold what people read, but not as text.
SIGNS = {
    b"PK\3\4": "a ZIP archive, as office documents are",
    b"PK\5\6": "an empty ZIP archive",
    b"%PDF-": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\0": "a picture",
    b"MM\0*": "a picture",
    b"\xd0\xcf\x11\xe0": "an old office document",
    b"SQLite format 3": "a database",
    b"7z\xbc\xaf": "an archive",
    b"Rar!\x1a": "an archive",
    b"BZh91AY": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x1f\x8b": "packed twice",
    b"\x28\xb5\x2f\xfd": "packed twice",
}
PARQUET = b"PAR1"
# UTF-32 first: its mark begins as that of UTF-16 does.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Any other encoding of one byte a letter: what is ASCII in it stays so.
BYTEWISE = "cp1252"
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
# A text has at most one control character in so many letters.
LETTERS_A_CONTROL = 200


class NotTextError(SchemaError):
    """Bytes that hold no text that can be read; the message says what they look like."""


@contextmanager
def content(path: Path) -> Iterator[Path]:
    """Give a copy of the file without its packing, whatever it is called; it is gone afterwards.

    Raises:
        SchemaError: it cannot be unpacked, or unpacks to more than the limits.
    """
    with TemporaryDirectory(prefix="lakehouse-plain-") as work:
        copy = Path(work) / "content"
        with path.open("rb") as raw:
            ending = _ending(raw.read(4))
        with unpacked(path, ending, DEFAULT_UNPACK_LIMITS) as stream, copy.open("wb") as out:
            shutil.copyfileobj(stream, out, CHUNK_BYTES)
        yield copy


def _ending(start: bytes) -> str:
    return next((ending for sign, ending in PACKED_SIGNS.items() if start.startswith(sign)), "")


def is_parquet(path: Path) -> bool:
    """Say whether a file that is not packed begins as Parquet does."""
    with path.open("rb") as raw:
        return raw.read(len(PARQUET)) == PARQUET


def write_as_text(path: Path, target: Path) -> str:
    """Write a file's text as UTF-8 without a mark, control characters as blanks; return the encoding it was read in.

    Raises:
        NotTextError: it is no text.
    """
    with path.open("rb") as raw:
        encoding = _encoding(raw.read(HEAD_BYTES))
        raw.seek(0)
        try:
            _write(raw, encoding, target)
        except UnicodeDecodeError as error:
            if not encoding.startswith("utf-8"):
                raise NotTextError(f"{error.reason} at byte {error.start}") from error
            raw.seek(0)
            encoding = BYTEWISE
            _write(raw, encoding, target)
    return encoding


def _encoding(head: bytes) -> str:
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    for sign, what in SIGNS.items():
        if head.startswith(sign):
            raise NotTextError(f"it looks like {what}")
    if b"\0" in head:
        return _wide_encoding(head)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return BYTEWISE
    return "utf-8"


def _wide_encoding(head: bytes) -> str:
    """Return which UTF-16 the bytes are without a mark: Latin letters have a NUL on one side."""
    low, high, half = head[1::2].count(0), head[::2].count(0), len(head) // 2
    if low > half // 2 and high < half // 10:
        return "utf-16-le"
    if high > half // 2 and low < half // 10:
        return "utf-16-be"
    raise NotTextError("its bytes are no text")


def _write(raw: IO[bytes], encoding: str, target: Path) -> None:
    decoder = codecs.getincrementaldecoder(encoding)("replace" if encoding == BYTEWISE else "strict")
    with target.open("wb") as out:
        while chunk := raw.read(CHUNK_BYTES):
            out.write(_checked(decoder.decode(chunk)))
        out.write(_checked(decoder.decode(b"", final=True)))


def _checked(text: str) -> bytes:
    clean, controls = CONTROL.subn(" ", text)
    if controls * LETTERS_A_CONTROL > len(text) + LETTERS_A_CONTROL:
        raise NotTextError("its bytes are no text")
    return clean.encode()
