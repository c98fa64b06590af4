"""Cuts a stream of lines into blocks that end where a row ends, so that each block is read on its own."""

from collections.abc import Iterator
from typing import IO

from lakehouse.errors import SchemaError

BLOCK_BYTES = 4 << 20
LARGEST_ROW_BYTES = 64 << 20
# Room for what is left of the block before, so that memory that is used again need not be moved.
SLACK_BYTES = 1 << 16
QUOTE = b'"'
Block = bytes | bytearray


def blocks(
    stream: IO[bytes], name: str, *, quoted: bool, block_bytes: int = BLOCK_BYTES, spare: list[bytearray] | None = None
) -> Iterator[Block]:
    """Yield the stream in blocks of whole rows; where cells may be `quoted`, a line end inside quotes ends no row.

    Who has read a block may lay it among the `spare` ones: the next is read into its memory.

    Raises:
        SchemaError: a row is longer than 64 MB.
    """
    rest, quotes = b"", 0
    spare = [] if spare is None else spare
    # Read into its place behind what is left of the block before, so that rows are copied once.
    while len(block := _read_behind(rest, stream, block_bytes, spare)) > len(rest):
        # To find none is a tenth of counting them.
        quotes += block.count(QUOTE, len(rest)) if quoted and block.find(QUOTE, len(rest)) >= 0 else 0
        cut = _last_row_end(block, quotes, len(rest))
        rest = bytes(memoryview(block)[cut:])
        if cut:
            del block[cut:]
            yield block
            quotes = rest.count(QUOTE) if quotes else 0
        if len(rest) > LARGEST_ROW_BYTES:
            what = ", perhaps after a quotation mark that is never closed" if quotes % 2 else ""
            raise SchemaError(f"{name} has a row of more than {LARGEST_ROW_BYTES >> 20} MB{what}; split the row")
    if rest:
        yield rest


def _read_behind(rest: bytes, stream: IO[bytes], size: int, spare: list[bytearray]) -> bytearray:
    """Return the bytes followed by the next ones of a stream; by nothing at its end."""
    block = _of_size(len(rest) + size, spare)
    block[: len(rest)] = rest
    read: int = stream.readinto(memoryview(block)[len(rest) :])  # type: ignore[attr-defined]  # binary streams have it
    del block[len(rest) + read :]
    return block


def _of_size(size: int, spare: list[bytearray]) -> bytearray:
    """Return so many bytes, in memory that was used before where there is some: new memory costs more than reading."""
    if not spare:
        block = bytearray(size + SLACK_BYTES)
        del block[size:]
        return block
    block = spare.pop()
    try:
        # One byte more at least: whose size cannot change is still looked at by somebody, who keeps it.
        block.extend(bytes(max(size - len(block), 0) + 1))
    except BufferError:
        return bytearray(size)
    del block[size:]
    return block


def _last_row_end(block: Block, quotes: int, start: int) -> int:
    """Return where the last row ends behind `start`, 0 where none does; `quotes` counts those in the block."""
    end = _last_line_end(block, start, len(block))
    # The number of quotes before a line end must be even: go back line by line.
    before = quotes - block.count(QUOTE, end) if quotes else 0
    while end and before % 2:
        earlier = _last_line_end(block, start, end - 1)
        before -= block.count(QUOTE, earlier or start, end)
        end = earlier
    return end


def _last_line_end(block: Block, start: int, stop: int) -> int:
    end = block.rfind(b"\n", start, stop) + 1
    # Lines that end in a lone carriage return; one at the very end may be half of a line end.
    return end or block.rfind(b"\r", start, max(stop - 1, 0)) + 1
