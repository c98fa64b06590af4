"""The one encoding of the standard: UTF-8, and where bytes stop being it."""

from lakehouse.errors import EncodingError


class NotUtf8Error(EncodingError):
    """Bytes that are not UTF-8 text: `byte` counts from 0, `row` is the line, counted from 0 (the header)."""

    def __init__(self, name: str, byte: int, row: int) -> None:
        super().__init__(f"{name} is not UTF-8 at byte {byte}, row {row}; save it as UTF-8")
        self.byte = byte
        self.row = row


def refuse_other_encodings(body: bytes, name: str) -> None:
    """Raise NotUtf8Error at the first byte that is not UTF-8, and at a NUL, which no text has."""
    try:
        body.decode("utf-8")
        byte = body.find(b"\0")
    except UnicodeDecodeError as error:
        byte = error.start
    if byte >= 0:
        raise NotUtf8Error(name, byte, body[:byte].count(b"\n"))
