"""Cuts a stream of lines into blocks that end where a row ends, so that each block is read on its own."""

from collections.abc import Iterator
from typing import IO

from lakehouse.errors import SchemaError

BLOCK_BYTES = 4 << 20
LARGEST_ROW_BYTES = 64 << 20
QUOTE = b'"'


def blocks(stream: IO[bytes], name: str, *, quoted: bool, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the stream in blocks of whole rows; where cells may be `quoted`, a line end inside quotes ends no row.

    Raises:
        SchemaError: a row is longer than 64 MB.
    """
    rest: list[bytes | memoryview] = []
    held = quotes = 0
    while chunk := stream.read(block_bytes):
        quotes += chunk.count(QUOTE) if quoted and QUOTE in chunk else 0
        cut = _last_row_end(chunk, quotes)
        if cut:
            # A view, so that the rows are copied once.
            yield b"".join([*rest, memoryview(chunk)[:cut]])
            rest, held, chunk = [], 0, chunk[cut:]
            quotes = chunk.count(QUOTE) if quotes else 0
        rest.append(chunk)
        held += len(chunk)
        if held > LARGEST_ROW_BYTES:
            what = ", perhaps after a quotation mark that is never closed" if quotes % 2 else ""
            raise SchemaError(f"{name} has a row of more than {LARGEST_ROW_BYTES >> 20} MB{what}; split the row")
    if held:
        yield b"".join(rest)


def _last_row_end(chunk: bytes, quotes: int) -> int:
    """Return where the last row of the chunk ends, 0 where none does; `quotes` counts those in the row and chunk."""
    end = _last_line_end(chunk, len(chunk))
    # The number of quotes before a line end must be even: go back line by line.
    before = quotes - chunk.count(QUOTE, end) if quotes else 0
    while end and before % 2:
        earlier = _last_line_end(chunk, end - 1)
        before -= chunk.count(QUOTE, earlier, end)
        end = earlier
    return end


def _last_line_end(chunk: bytes, stop: int) -> int:
    end = chunk.rfind(b"\n", 0, stop) + 1
    # Lines that end in a lone carriage return; one at the very end may be half of a line end.
    return end or chunk.rfind(b"\r", 0, max(stop - 1, 0)) + 1
