"""Checks of event logs: statements against the specification, their ids and times, and persons in them."""

from collections.abc import Iterator

from lakehouse.archive import eds, privacy
from lakehouse.archive.checks import DATASET, EVENT, Hit, named, text
from lakehouse.archive.contents import Contents
from lakehouse.archive.event_contents import EventContent
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.rulebook import Parameters


@named(EVENT)
def empty_log(log: EventContent, _parameters: Parameters) -> Iterator[Hit]:
    """A log without a statement."""
    if log.description and not log.seen.statements and not log.seen.bad_count and not log.seen.unreadable:
        yield Hit(log.folder)


@named(EVENT)
def unreadable_log(log: EventContent, _parameters: Parameters) -> Iterator[Hit]:
    """Files that cannot be unpacked."""
    for place, reason in log.seen.unreadable.items():
        yield Hit(place, facts={"reason": reason})


@named(EVENT)
def bad_statements(log: EventContent, _parameters: Parameters) -> Iterator[Hit]:
    """Statements that break a requirement: one hit each, with its line, up to a hundred."""
    for told in log.seen.told:
        first, *more = told.statement.faults
        facts: dict[str, str | int | float] = {
            "part": first.path or "the statement",
            "requirement": first.requirement,
            "reason": first.message,
            "others": f" and {len(more)} more" if more else "",
        }
        yield Hit(f"{told.place}: line {told.statement.row}", 1, told.statement.row, facts)


@named(EVENT)
def more_bad_statements(log: EventContent, _parameters: Parameters) -> Iterator[Hit]:
    """Bad statements beyond those told one by one."""
    rest = log.seen.bad_count - len(log.seen.told)
    if rest:
        yield Hit(log.folder, rest, facts={"statements": log.seen.statements + log.seen.bad_count})


@named(EVENT)
def counted_statements(log: EventContent, parameters: Parameters) -> Iterator[Hit]:
    """Statements that were counted while reading, by what was met: `id_missing`, `id_repeats`, `time_missing`."""
    what = text(parameters, "what")
    if count := log.seen.counts[what]:
        first = log.seen.firsts[what]
        yield Hit(first.place, count, first.row)


@named(EVENT)
def personal_events(log: EventContent, parameters: Parameters) -> Iterator[Hit]:
    """Parts of statements that hold personal identifiers: `certain` above the kind's threshold, else below it."""
    certain = text(parameters, "certainty") == "certain"
    for part, suspicion in log.seen.suspicions:
        if suspicion.personal == certain:
            kind = identifiers()[suspicion.kind].title
            facts: dict[str, str | int | float] = {"part": part, "kind": kind, "example": suspicion.example}
            yield Hit(f"{log.folder}: {privacy.shown_name(part)}", suspicion.count, None, facts)


@named(DATASET)
def actors_undeclared(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Logs whose actors are no kind of subject of the dataset: nobody could withdraw from them."""
    if submission.dataset is None:
        return
    named_places = {place for kind in submission.dataset.subjects.values() for place in kind.identifiers}
    for name in submission.events:
        if f"{eds.EVENTS_FOLDER}/{name}.actor" not in named_places:
            yield Hit(f"{eds.DESCRIPTION_FILE}: subjects", facts={"log": name})
