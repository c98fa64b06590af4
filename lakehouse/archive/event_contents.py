"""What was seen of an event log: how many statements, which are at fault, and what looks personal in them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from lakehouse.archive import eds, privacy
from lakehouse.archive.eds import LogDescription
from lakehouse.archive.event_fields import agents, text_at
from lakehouse.archive.event_files import BadStatement, Event, EventBatch, read_events
from lakehouse.errors import SchemaError

MOST_TOLD = 100
WATCHED = {
    "mbox": "E-mail address of a person",
    "name": "Name of a person",
    "account": "Account that names a person",
    "response": "Answer of a learner",
}
"""The parts of statements that can name a person, as columns for the scanner."""


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file of the log: its place in the submission and where it lies."""

    place: str
    path: Path


@dataclass(frozen=True, slots=True)
class ToldFault:
    """A bad statement with its file."""

    place: str
    statement: BadStatement


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    place: str
    row: int


@dataclass(slots=True)
class LogSeen:
    """What one reading of a whole log found; only the first bad statements are kept, all are counted."""

    statements: int = 0
    bad_count: int = 0
    told: list[ToldFault] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, Line] = field(default_factory=dict)
    suspicions: list[tuple[str, privacy.Suspicion]] = field(default_factory=list)

    def note(self, what: str, line: Line) -> None:
        """Count something and remember where it was first."""
        self.counts[what] += 1
        self.firsts.setdefault(what, line)


@dataclass(frozen=True)
class EventContent:
    """One event log: its description, if it has a usable one, and its files."""

    name: str
    description: LogDescription | None
    files: tuple[EventFile, ...]

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.EVENTS_FOLDER}/{self.name}"

    @cached_property
    def seen(self) -> LogSeen:
        """What is in the files, read once; nothing without a description, which names the version to judge by."""
        return _Reader(self).seen()


class _Reader:
    def __init__(self, log: EventContent) -> None:
        self._log = log
        self._seen = LogSeen()
        self._ids: set[int] = set()
        self._scans = {name: privacy.ColumnScan(name, about) for name, about in WATCHED.items()}
        self._scanned = 0

    def seen(self) -> LogSeen:
        """Read all files."""
        for file in self._log.files:
            try:
                for batch in self._batches(file):
                    self._add(file, batch)
            except SchemaError as error:
                self._seen.unreadable[file.place] = str(error)
        for name, scan in self._scans.items():
            self._seen.suspicions.extend((name, suspicion) for suspicion in scan.suspicions())
        return self._seen

    def _batches(self, file: EventFile) -> Iterator[EventBatch]:
        if self._log.description is not None:
            yield from read_events(file.path, self._log.description.xapi_version)

    def _add(self, file: EventFile, batch: EventBatch) -> None:
        self._seen.statements += len(batch.events)
        self._seen.bad_count += len(batch.bad)
        room = MOST_TOLD - len(self._seen.told)
        self._seen.told.extend(ToldFault(file.place, statement) for statement in batch.bad[:room])
        for event in batch.events:
            self._look(event, Line(file.place, event.row))
        self._scan(batch.events)

    def _look(self, event: Event, line: Line) -> None:
        given = text_at(event.statement, "id")
        if given is None:
            self._seen.note("id_missing", line)
        else:
            number = hash(given.lower())
            if number in self._ids:
                self._seen.note("id_repeats", line)
            self._ids.add(number)
        if "timestamp" not in event.statement:
            self._seen.note("time_missing", line)

    def _scan(self, events: list[Event]) -> None:
        columns: dict[str, list[str | None]] = {name: [] for name in WATCHED}
        for event in events:
            for agent in agents(event.statement):
                columns["mbox"].append((text_at(agent, "mbox") or "").removeprefix("mailto:"))
                columns["name"].append(text_at(agent, "name"))
                columns["account"].append(text_at(agent, "account", "name"))
            columns["response"].append(text_at(event.statement, "result", "response"))
        for name, cells in columns.items():
            self._scans[name].add(pa.array(cells, pa.string()), self._scanned)
        self._scanned += len(events)
