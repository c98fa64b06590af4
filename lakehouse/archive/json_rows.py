"""Lines of JSON: one object a line, as the rows of a table, with every value as the text it was written in."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.archive.batches import MOST_COLUMNS, BadRow, Batch, Piece, numbered
from lakehouse.archive.csv_blocks import Block, blocks
from lakehouse.archive.encoding import refuse_other_encodings, unfit
from lakehouse.archive.packed import opened
from lakehouse.errors import SchemaError

# Python objects take many times the room of their text.
BLOCK_BYTES = 1 << 20
TWICE = "a key that comes twice"


class TwiceError(ValueError):
    """A JSON object that has a key twice."""


def line_blocks(path: Path) -> Iterator[tuple[int, Block]]:
    """Yield the unpacked file in blocks of whole lines, each with the byte it begins at."""
    offset = 0
    with opened(path) as stream:
        for block in blocks(stream, path.name, quoted=False, block_bytes=BLOCK_BYTES):
            yield offset, block
            offset += len(block)


def lines(block: Block, path: Path, offset: int) -> list[str]:
    """Return a block's lines as text.

    Raises:
        EncodingError: the bytes are not UTF-8.
    """
    refuse_other_encodings(block, path, offset)
    text = block.decode("utf-8-sig" if offset == 0 else "utf-8")
    return text.removesuffix("\n").split("\n")


def json_pieces(path: Path) -> Iterator[Piece]:
    """Yield the file's blocks of lines; a piece raises EncodingError where its bytes are not UTF-8."""
    for offset, block in line_blocks(path):
        yield partial(_read_block, block, path, offset)


def _read_block(block: Block, path: Path, offset: int) -> Batch:
    rows: list[dict[str, str]] = []
    bad: list[BadRow] = []
    skipped: set[int] = set()
    found = lines(block, path, offset)
    for number, line in enumerate(found, start=1):
        row = _row(line) if line.strip() else None
        if isinstance(row, dict):
            rows.append(row)
            continue
        skipped.add(number)
        if row is not None:
            bad.append(BadRow(number, row))
    header = tuple(dict.fromkeys(name for row in rows for name in row))
    if len(header) > MOST_COLUMNS:
        raise SchemaError(f"{path.name} has more than {MOST_COLUMNS:,} columns; write one row per value")
    columns = {name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in header}
    return Batch(header, columns, numbered(len(found), skipped), len(found), bad=tuple(bad))


def read_object(line: str) -> dict[str, Any] | str:
    """Return a line's JSON object with numbers as their text, or why it is none."""
    try:
        value = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=once)
    except TwiceError:
        return TWICE
    except (ValueError, RecursionError):
        return "not JSON"
    return value if isinstance(value, dict) else "not a JSON object"


class _Number(str):
    """A number's text."""

    __slots__ = ()


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; raise TwiceError for a name that comes twice, of which only the last would be seen."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TwiceError
    return found


def _row(line: str) -> dict[str, str] | str:
    found = read_object(line)
    if isinstance(found, str):
        return found
    row: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, list | dict):
            return "a list or an object where one value belongs"
        row[name] = _cell(value)
    return unfit((*row, *row.values())) or row


def _cell(value: str | bool | None) -> str:  # noqa: FBT001 - JSON has truth values
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value is not None else ""
