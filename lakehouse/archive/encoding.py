"""The one encoding of the standard: UTF-8, and where bytes stop being it."""

from pathlib import Path

from lakehouse.archive.packed import opened
from lakehouse.errors import EncodingError

CHUNK_BYTES = 1 << 20


class NotUtf8Error(EncodingError):
    """Bytes that are not UTF-8 text: `byte` counts from 0, `row` is the line, counted from 0 (the header)."""

    def __init__(self, name: str, byte: int, row: int) -> None:
        super().__init__(f"{name} is not UTF-8 at byte {byte}, row {row}; save it as UTF-8")
        self.byte = byte
        self.row = row


def refuse_other_encodings(body: bytes, path: Path, offset: int = 0) -> None:
    """Raise NotUtf8Error at the first byte that is not UTF-8, and at a NUL, which no text has.

    `body` is the part of the file that begins at the (unpacked) byte `offset`.
    """
    byte = _first_other(body)
    if byte >= 0:
        raise NotUtf8Error(path.name, offset + byte, _lines_before(path, offset + byte))


def _first_other(body: bytes) -> int:
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            return error.start
    return body.find(b"\0")


def _lines_before(path: Path, byte: int) -> int:
    lines = 0
    with opened(path) as stream:
        while byte > 0 and (chunk := stream.read(min(byte, CHUNK_BYTES))):
            lines += chunk.count(b"\n")
            byte -= len(chunk)
    return lines
