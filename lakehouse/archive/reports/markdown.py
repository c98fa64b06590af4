"""The report as Markdown for the page of a run: what refuses it first, then how FAIR it is, the rest after."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakehouse.archive.levels import LEVELS, Level, counted
from lakehouse.archive.reports.groups import contents, next_steps, points, summary, where
from lakehouse.markdown import plain, table

if TYPE_CHECKING:
    from lakehouse.archive.findings import Report

HEADINGS: dict[Level, str] = {"error": "What refuses it", "warning": "Warnings", "note": "Notes"}
ERRORS_IN_A_LINE = 2


def markdown(report: "Report") -> str:
    """Return the whole report as Markdown."""
    lines = [f"**{report.verdict.upper()}** {plain(report.submission)}: {summary(report)}", ""]
    for level in LEVELS:
        lines += _findings(report, level)
    lines += _steps(report)
    lines += _indicators(report)
    return "\n".join([*lines, f"{contents(report)}; rules {report.rules_version[:12]}", ""])


def verdict_line(report: "Report") -> str:
    """Return the verdict in one line: for a refusal its errors, so that nobody needs to look for them."""
    errors = [finding for finding in report.findings if finding.level == "error"]
    if not errors:
        return f"{report.verdict}: {summary(report)}"
    shown = "; ".join(
        f"{e.code} in {where(e)}: {e.message} {e.how_to_fix.rstrip('.')}" for e in errors[:ERRORS_IN_A_LINE]
    )
    more = len(errors) - ERRORS_IN_A_LINE
    return f"{report.verdict}: {shown}" + (f"; and {counted(more, 'more error')}" if more > 0 else "")


def _findings(report: "Report", level: Level) -> Iterator[str]:
    chosen = [finding for finding in report.findings if finding.level == level]
    if not chosen:
        return
    yield f"### {HEADINGS[level]}"
    yield ""
    rows = ([f.code, where(f), f"{f.occurrences:,}", f.message, f.how_to_fix] for f in chosen)
    yield from table(("code", "where", "count", "what", "mend"), rows)
    yield ""


def _steps(report: "Report") -> Iterator[str]:
    steps = next_steps(report)
    if not steps:
        return
    yield "### What raises the FAIR score"
    yield ""
    rows = ([i.indicator, i.priority, f"{i.points:g} of {i.max_points:g}", i.evidence, i.next_action] for i in steps)
    yield from table(("indicator", "priority", "points", "evidence", "next"), rows)
    yield ""


def _indicators(report: "Report") -> Iterator[str]:
    if not report.fair:
        return
    yield "### FAIR points"
    yield ""
    rows = ([p.word, f"{p.reached:g} of {p.possible:g}", f"{len(p.counted_indicators)}"] for p in points(report))
    yield from table(("principle", "points", "indicators counted"), rows)
    yield ""
