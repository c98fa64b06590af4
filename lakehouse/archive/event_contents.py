"""What was seen of an event log: how many statements, which are at fault, and what looks personal in them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lakehouse.archive import eds, privacy
from lakehouse.archive.eds import LogDescription
from lakehouse.archive.event_fields import agents, text_at
from lakehouse.archive.event_files import BadStatement, Event, EventBatch, read_events
from lakehouse.archive.xapi_shape import XapiVersion
from lakehouse.errors import SchemaError

MOST_TOLD = 100


class Watched(NamedTuple):
    """A part of statements as a column for the scanner: its name there, and what it holds."""

    name: str
    about: str


OTHERS = "other parts"
# An account is a name in some system: called by its own name it would be one at a bank.
WATCHED = {
    "mbox": Watched("mbox", "E-mail address of a person"),
    "name": Watched("name", "Name of a person"),
    "account": Watched("actor", "What a system names a person by, of which names are some"),
    "response": Watched("response", "Answer of a learner"),
    OTHERS: Watched("part", "Anything else that a statement says"),
}
"""What is searched for persons, by the name that reports give it."""
# What says when and by which rules, and numbers made for the statement itself.
OWN = frozenset({"id", "timestamp", "stored", "version", "objectType"})
# Activities, verbs and extensions are called by addresses on the web.
EVERYWHERE = frozenset({"url"})
OF_AGENTS = frozenset({"objectType", "mbox", "mbox_sha1sum", "name", "account"})
IN_RESULT = frozenset({"response"})
EXTENSIONS = "extensions"
"""Whose names, and all names below, are the sender's own; other names are the specification's, or languages."""


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
    xapi_version: XapiVersion | None = None

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.EVENTS_FOLDER}/{self.name}"

    @cached_property
    def seen(self) -> LogSeen:
        """What is in the files, read once; nothing where no version of xAPI is named to judge by."""
        return _Reader(self).seen()


class _Reader:
    def __init__(self, log: EventContent) -> None:
        self._log = log
        self._seen = LogSeen()
        self._ids: set[int] = set()
        self._scans = {name: privacy.ColumnScan(*watched) for name, watched in WATCHED.items()}
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
            found = scan.suspicions()
            self._seen.suspicions.extend((name, one) for one in found if name != OTHERS or one.kind not in EVERYWHERE)
        return self._seen

    def _batches(self, file: EventFile) -> Iterator[EventBatch]:
        if self._log.xapi_version is not None:
            yield from read_events(file.path, self._log.xapi_version)

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
        others: list[int] = []
        for number, event in enumerate(events):
            for agent in agents(event.statement):
                columns["mbox"].append((text_at(agent, "mbox") or "").removeprefix("mailto:"))
                columns["name"].append(text_at(agent, "name"))
                columns["account"].append(text_at(agent, "account", "name"))
            columns["response"].append(text_at(event.statement, "result", "response"))
            columns[OTHERS].extend(_other_parts(event.statement))
            others.extend([number] * (len(columns[OTHERS]) - len(others)))
        for name, cells in columns.items():
            # By the share of statements: how wordy these are otherwise says nothing of whom they name.
            after = np.array(others, np.int64) if name == OTHERS else None
            self._scans[name].add(pa.array(cells, pa.string()), self._scanned, after)
        self._scanned += len(events)


def _other_parts(statement: Mapping[str, object]) -> Iterator[str]:
    """Yield what no other watched part of a statement holds: every text and number, and every name of an extension."""
    looked_at = {id(agent) for agent in agents(statement)}
    # By a list of its own, for what is nested too deeply for functions that call themselves.
    pending: list[tuple[object, bool]] = [(value, False) for name, value in statement.items() if name not in OWN]
    while pending:
        value, named_freely = pending.pop()
        if isinstance(value, dict):
            if named_freely:
                yield from value
            answered = value is statement.get("result") and isinstance(value.get("response"), str)
            skipped = OF_AGENTS if id(value) in looked_at else IN_RESULT if answered else ()
            inside = ((name, one) for name, one in value.items() if name not in skipped)
            pending.extend((one, named_freely or name == EXTENSIONS) for name, one in inside)
        elif isinstance(value, list):
            pending.extend((one, named_freely) for one in value)
        elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield str(value)
