"""One file of an event log: xAPI statements as JSON lines, read in batches so that a log of any length fits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lakehouse.archive.json_rows import TWICE, TwiceError, once
from lakehouse.archive.packed import opened, plain_name
from lakehouse.archive.xapi import StatementFault, faults
from lakehouse.archive.xapi_shape import XapiVersion

BATCH_LINES = 2_000
LONGEST_LINE_BYTES = 1 << 20
NOT_READ = "JSON"


@dataclass(frozen=True, slots=True)
class Event:
    """A statement that follows the specification, its text as submitted and its line, counted from 1."""

    row: int
    text: str
    statement: dict[str, object]


@dataclass(frozen=True, slots=True)
class BadStatement:
    """A line that is no statement; the requirement is `JSON` where it could not even be read."""

    row: int
    faults: tuple[StatementFault, ...]


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Some lines of a log: the good ones and the bad ones."""

    events: list[Event] = field(default_factory=list)
    bad: list[BadStatement] = field(default_factory=list)


def is_event_file(name: str) -> bool:
    """Say whether a file of that name holds statements."""
    return plain_name(name).endswith(".jsonl")


def event_files(folder: Path) -> list[Path]:
    """Return the files of a log's folder that hold statements, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and is_event_file(path.name))


def read_events(path: Path, version: XapiVersion) -> Iterator[EventBatch]:
    """Yield the statements of a file in batches; empty lines are skipped.

    Raises:
        SchemaError: the file is packed, and broken or packed too densely.
    """
    batch = EventBatch()
    with opened(path) as stream:
        for row, line in _lines(stream):
            _add(batch, row, line, version)
            if len(batch.events) + len(batch.bad) >= BATCH_LINES:
                yield batch
                batch = EventBatch()
    yield batch


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of every line; None for one that is too long to be read."""
    row = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        row += 1
        if len(line) > LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE_BYTES)
            yield row, None
        else:
            yield row, line


def _add(batch: EventBatch, row: int, line: bytes | None, version: XapiVersion) -> None:
    if line is not None and not line.strip():
        return
    text, value, reason = _parsed(line)
    if reason:
        batch.bad.append(BadStatement(row, (StatementFault("", NOT_READ, reason),)))
    elif found := faults(value, version):
        batch.bad.append(BadStatement(row, tuple(found)))
    elif isinstance(value, dict):
        batch.events.append(Event(row, text, value))


def _parsed(line: bytes | None) -> tuple[str, object, str]:
    if line is None:
        return "", None, f"is longer than {LONGEST_LINE_BYTES:,} bytes"
    try:
        text = line.decode("utf-8-sig").strip()
        value = DECODER.decode(text)
        # Half of a surrogate pair passes JSON, and no UTF-8 text can hold it.
        json.dumps(value, ensure_ascii=False).encode() if "\\u" in text else b""
    except UnicodeDecodeError:
        return "", None, "is not UTF-8"
    except UnicodeEncodeError:
        return "", None, "has half of a surrogate pair, which no UTF-8 text can hold"
    except TwiceError:
        return "", None, f"has {TWICE}"
    except (ValueError, RecursionError):
        return "", None, "is not JSON"
    return text, value, ""


def _no_constant(name: str) -> object:
    raise ValueError(name)


DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=once)
