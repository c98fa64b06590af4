"""Findings of one kind together: what the short forms show instead of one line per place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.archive.levels import LEVELS, PRINCIPLES, PRIORITIES, Level, Principle, counted, numbered_row
from lakehouse.percent import percent

if TYPE_CHECKING:
    from lakehouse.archive.findings import FairIndicator, Finding, Report


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one code."""

    code: str
    level: Level
    findings: "tuple[Finding, ...]"

    @property
    def occurrences(self) -> int:
        """How often the fault was met in all places."""
        return sum(finding.occurrences for finding in self.findings)

    @property
    def ways_to_fix(self) -> tuple[str, ...]:
        """What the submitter does, every sentence once."""
        return tuple(dict.fromkeys(finding.how_to_fix for finding in self.findings))


def groups(report: "Report", levels: Sequence[Level] = LEVELS) -> list[Group]:
    """Return the findings of these levels by code, errors first, in the order in which they were found."""
    codes: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.level in levels:
            codes.setdefault(finding.code, []).append(finding)
    found = [Group(code, entries[0].level, tuple(entries)) for code, entries in codes.items()]
    return sorted(found, key=lambda group: LEVELS.index(group.level))


def where(finding: "Finding") -> str:
    """Return the place with the first row, when the finding is about rows."""
    if finding.first_row is None:
        return finding.place
    return f"{finding.place}, row {numbered_row(finding.place, finding.first_row)}"


def summary(report: "Report") -> str:
    """Return how many findings of each level there are, and how FAIR the dataset is, in one line."""
    levels = ", ".join(counted(report.count(level), level) for level in LEVELS)
    return f"{levels}; FAIR score {percent(report.fair_score)}"


def contents(report: "Report") -> str:
    """Return what was judged, in one line."""
    parts = [counted(sum(report.table_rows.values()), "row") + " in " + counted(len(report.table_rows), "table")]
    if report.document_count:
        parts.append(counted(report.document_count, "document"))
    content = f"content {report.content_sha256[:12]}" if report.content_sha256 else "nothing was unpacked"
    return f"{', '.join(parts)}, {counted(report.size_bytes, 'byte')}, {content}"


@dataclass(frozen=True, slots=True)
class Points:
    """The FAIR points of one principle."""

    principle: Principle
    word: str
    reached: float
    possible: float
    indicators: "tuple[FairIndicator, ...]"

    @property
    def counted_indicators(self) -> "tuple[FairIndicator, ...]":
        """The indicators that this folder can meet or miss."""
        return tuple(i for i in self.indicators if i.max_points)


def points(report: "Report") -> list[Points]:
    """Return the FAIR points by principle."""
    found = []
    for principle, word in PRINCIPLES.items():
        chosen = tuple(i for i in report.fair if i.principle == principle)
        reached, possible = sum(i.points for i in chosen), sum(i.max_points for i in chosen)
        found.append(Points(principle, word, reached, possible, chosen))
    return found


def next_steps(report: "Report") -> "list[FairIndicator]":
    """Return the indicators that could gain points, those that gain most first, essential ones before others.

    Of those with the same next action only the first stands.
    """
    lacking = sorted(
        (i for i in report.fair if i.next_action),
        key=lambda i: (i.points - i.max_points, PRIORITIES.index(i.priority)),
    )
    first: dict[str, FairIndicator] = {}
    for indicator in lacking:
        first.setdefault(indicator.next_action, indicator)
    return list(first.values())
