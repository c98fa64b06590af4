"""What was asked: one line of JSON for each statement, with who, for what, of which tables and how it ended.

Values are not kept: a statement's literals stand as ``?``.
"""

import json
import logging
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

log = logging.getLogger(__name__)
PREFIX, SUFFIX = "statements-", ".jsonl"
NEWEST = 50_000
"""Statements that are shown in SQL; the files hold all that are kept."""

WAITING = 10_000
BLOCK_BYTES = 65_536
VERDICTS = ("answered", "refused", "denied", "failed", "cancelled", "late", "busy")
SCHEMA_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("asked_at", pa.timestamp("ms")),
    ("user_name", pa.string()),
    ("purpose", pa.string()),
    ("verdict", pa.string()),
    ("reason", pa.string()),
    ("statement", pa.string()),
    ("fingerprint", pa.string()),
    ("tables", pa.string()),
    ("row_count", pa.int64()),
    ("seconds", pa.float64()),
]
SCHEMA = pa.schema(SCHEMA_COLUMNS)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it was asked. `verdict` is one of VERDICTS."""

    asked_at: datetime
    user_name: str
    purpose: str
    verdict: str
    reason: str
    statement: str
    row_count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """A statement without its values, a fingerprint of that, and the tables it names, apart by blanks."""

    statement: str
    fingerprint: str
    tables: str


@dataclass(slots=True)
class StatementLog:
    """Files for each day in one folder, readable by their owner only; those older than `days` are deleted.

    Writing happens in a thread of its own, so that no statement waits for it; `read` takes the values out there too.
    """

    folder: Path
    days: Callable[[], int]
    read: Callable[[str], Read]
    _waiting: "queue.Queue[Statement]" = field(default_factory=lambda: queue.Queue(WAITING), repr=False)
    _writer: threading.Thread | None = None
    _starting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self, statement: Statement) -> None:
        """Keep a statement; waits while too many are still to be written."""
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="statement log", daemon=True)
                self._writer.start()
        self._waiting.put(statement)

    def rows(self) -> pa.Table:
        """Return the newest statements, the newest first, those still waiting included."""
        self._waiting.join()
        lines: list[str] = []
        for file in reversed(self._files()):
            lines = [*file.read_text(encoding="utf-8").split("\n"), *lines]
            if len(lines) >= NEWEST:
                break
        known = [row for line in reversed(lines[-NEWEST:]) if line and (row := _read(line)) is not None]
        return pa.Table.from_pylist(known, schema=SCHEMA)

    def ended_since(self, moment: datetime) -> Counter[str]:
        """Return how many statements ended since a moment (with time zone), by verdict: at most the newest 50,000.

        Statements are written as they end, so only the ends of the files are read.
        """
        self.flush()
        first, counts = moment.astimezone(UTC).replace(tzinfo=None), Counter[str]()
        # One that was asked before midnight stands in that day's file.
        for file in self._files()[-2:]:
            for line in islice(_lines_backwards(file), NEWEST):
                row = _read(line)
                if row is None:
                    continue
                if row["asked_at"] + timedelta(seconds=row["seconds"]) < first:
                    break
                counts[row["verdict"]] += 1
        return counts

    def flush(self) -> None:
        """Return when everything recorded so far is written."""
        self._waiting.join()

    def _write(self) -> None:
        today = ""
        while True:
            statement = self._waiting.get()
            try:
                day = statement.asked_at.astimezone(UTC).date().isoformat()
                if day != today:
                    self._forget()
                    today = day
                self._append(day, statement)
            except Exception:  # a writer that ends would stop every later statement
                log.exception("a statement could not be recorded user=%s", statement.user_name)
            finally:
                self._waiting.task_done()

    def _append(self, day: str, statement: Statement) -> None:
        known = asdict(statement) | asdict(self.read(statement.statement))
        known["asked_at"] = statement.asked_at.astimezone(UTC).isoformat(timespec="milliseconds")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{PREFIX}{day}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(json.dumps(known) + "\n")

    def _forget(self) -> None:
        """Delete the files of days that are not to be kept any more."""
        first = (datetime.now(UTC).date() - timedelta(days=self.days())).isoformat()
        for file in self._files():
            if file.name[len(PREFIX) : -len(SUFFIX)] < first:
                file.unlink(missing_ok=True)
                log.info("statements deleted file=%s", file.name)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{PREFIX}*{SUFFIX}"))


def _lines_backwards(path: Path) -> Iterator[str]:
    """Yield the whole lines of a file, the last one first, reading no further than is asked for."""
    with path.open("rb") as file:
        place, rest = file.seek(0, os.SEEK_END), b""
        ended = False  # what stands after the last line's end is still being written
        while place > 0:
            size = min(BLOCK_BYTES, place)
            place = file.seek(place - size)
            first, *lines = (file.read(size) + rest).split(b"\n")
            if lines and not ended:
                lines.pop()
                ended = True
            yield from (line.decode("utf-8", "replace") for line in reversed(lines) if line)
            rest = first
        if ended and rest:
            yield rest.decode("utf-8", "replace")


def _read(line: str) -> dict[str, Any] | None:
    """Return a recorded statement; None for a line that a crash cut off."""
    try:
        row: dict[str, Any] = json.loads(line)
        row["asked_at"] = datetime.fromisoformat(row["asked_at"]).replace(tzinfo=None)
    except (ValueError, KeyError, TypeError):
        log.warning("a recorded statement cannot be read length=%d", len(line))
        return None
    return row
