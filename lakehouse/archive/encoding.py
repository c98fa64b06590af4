"""The one encoding of the standard: UTF-8, and where bytes stop being it."""

import struct
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.packed import opened
from lakehouse.errors import EncodingError

CHUNK_BYTES = 1 << 20


class NotUtf8Error(EncodingError):
    """Bytes that are not UTF-8 text: `byte` counts from 0, `row` too (in CSV the header is row 0)."""

    def __init__(self, name: str, byte: int, row: int) -> None:
        super().__init__(f"{name} is not UTF-8 at byte {byte}, row {row}; save it as UTF-8")
        self.byte = byte
        self.row = row


def refuse_other_encodings(body: bytes | bytearray, path: Path, offset: int = 0, *, quoted: bool = False) -> None:
    """Raise NotUtf8Error at the first byte that is not UTF-8, and at a NUL, which no text has.

    `body` is the part of the file that begins at the (unpacked) byte `offset`. Where cells may be `quoted`, a line end
    inside quotes ends no row.
    """
    byte = _first_other(body)
    if byte >= 0:
        raise NotUtf8Error(path.name, offset + byte, _rows_before(path, offset + byte, quoted=quoted))


def unfit(texts: Iterable[str]) -> str:
    """Say what in texts no text can have, though an escape can spell it; empty when there is nothing of the kind."""
    joined = "".join(texts)
    if "\0" in joined:
        return "a NUL, which no text has"
    try:
        joined.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair, which no UTF-8 text can hold"
    return ""


def _first_other(body: bytes | bytearray) -> int:
    if not body.isascii() and not _is_utf8(body):
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            return error.start
    return body.find(b"\0")


def _is_utf8(body: bytes | bytearray) -> bool:
    """Say whether the bytes are UTF-8; Arrow knows five times as fast as it takes to make a Python text of them."""
    bounds = pa.py_buffer(struct.pack("=qq", 0, len(body)))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(body)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _rows_before(path: Path, byte: int, *, quoted: bool) -> int:
    rows, inside = 0, False
    with opened(path) as stream:
        while byte > 0 and (chunk := stream.read(min(byte, CHUNK_BYTES))):
            pieces = chunk.split(b'"') if quoted else [chunk]
            rows += sum(piece.count(b"\n") for piece in pieces[1 if inside else 0 :: 2])
            inside ^= len(pieces) % 2 == 0
            byte -= len(chunk)
    return rows
