"""The report as text for people at a terminal: short, with findings of one kind together, or long."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakehouse.archive.levels import Level, counted, down_to, numbered_row
from lakehouse.archive.reports.groups import Group, contents, groups, next_steps, points, summary, where

if TYPE_CHECKING:
    from lakehouse.archive.findings import FairIndicator, Finding, Report

PLACES_SHOWN = {"error": 10, "warning": 3, "note": 3}
WAYS_SHOWN = 3
STEPS_SHOWN = 3
COMMANDS_SHOWN = 10


def text(report: "Report", level: Level = "note") -> str:
    """Return every finding down to a level with where, what and how to mend it, and every FAIR indicator."""
    lines = [*_head(report), "", *_findings(report, level), *_indicators(report), *_answering(report, "")]
    return "\n".join(lines) + "\n"


def short_text(report: "Report", level: Level = "note", *, key: str = "") -> str:
    """Return the verdict, the findings of one kind together, and what would raise the FAIR score most.

    `key` is that of the submission, where it was handed in: `answering` says what for.
    """
    lines = list(_head(report))
    for group in groups(report, down_to(level)):
        lines += ["", *_group(group)]
    return "\n".join([*lines, "", *_fair_in_short(report), *_answering(report, key)]) + "\n"


def answering(report: "Report", key: str) -> str:
    """Return how somebody answers for what is personal: a command for each finding, as it is typed; else nothing.

    Without the `key` of a submission it was not handed in, and there is nothing yet to answer for.
    """
    return "\n".join(_answering(report, key)).strip()


def _answering(report: "Report", key: str) -> Iterator[str]:
    personal = [finding for finding in report.findings if finding.is_acceptable]
    if not personal:
        return
    yield ""
    yield "ACCEPT  whoever answers for the data may let what is personal stay, by name and with a reason"
    if not key:
        yield "  hand it in first: lakehouse submit; the report on that has the command for each finding"
    for finding in personal[:COMMANDS_SHOWN] if key else ():
        place = f"{finding.code} --place {shlex.quote(finding.place)}"
        yield f"  lakehouse accept {shlex.quote(key)} {place} --by 'YOUR NAME' --reason 'WHY'"
    if key and len(personal) > COMMANDS_SHOWN:
        yield f"  and {counted(len(personal) - COMMANDS_SHOWN, 'more finding')}, told once these are accepted"
    if others := report.count("error") - len(personal):
        yield f"  {counted(others, 'other error')} can only be mended"


def _head(report: "Report") -> Iterator[str]:
    yield f"{report.verdict.upper()}  {report.submission}"
    yield f"  {summary(report)}"
    yield f"  {contents(report)}; rules {report.rules_version[:12]}"


def _group(group: Group) -> Iterator[str]:
    often = f", {counted(len(group.findings), 'place')}" if len(group.findings) > 1 else ""
    yield f"{group.level.upper()} {group.code}{often}"
    together = _together(group)
    most = PLACES_SHOWN[group.level]
    shown, left = together[:most], together[most:]
    for alike in shown:
        yield from _alike(alike, most)
    if left:
        yield f"  and {counted(sum(map(len, left)), 'more place')}; --long lists all"
    for way in group.ways_to_fix[:WAYS_SHOWN]:
        yield f"  mend: {way}"


def _together(group: Group) -> "list[list[Finding]]":
    """Return the findings, those together that say the same of several fields of one file."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in group.findings:
        file, _, field = finding.place.partition(": ")
        said = finding.message.replace(f"'{field}'", "") if field and finding.first_row is None else finding.message
        alike.setdefault((file if said != finding.message else finding.place, said), []).append(finding)
    return list(alike.values())


def _alike(alike: "list[Finding]", most: int) -> Iterator[str]:
    first, *others = alike
    if not others:
        yield f"  {where(first)}"
        yield f"    {first.message}"
        return
    file, fields = first.place.partition(": ")[0], [finding.place.partition(": ")[2] for finding in alike]
    more = f" and {len(fields) - most} more; --long lists all" if len(fields) > most else ""
    yield f"  {file}: {', '.join(fields[:most])}{more}"
    yield f"    {first.message} The same holds for the other {len(others) if others[1:] else 'one'}."


def _fair_in_short(report: "Report") -> Iterator[str]:
    parts = [f"{p.word} {p.reached:g} of {p.possible:g}" for p in points(report) if p.possible]
    yield f"FAIR  {', '.join(parts)}" if parts else "FAIR  nothing could be judged"
    for indicator in next_steps(report)[:STEPS_SHOWN]:
        yield f"  next: {indicator.next_action} ({indicator.indicator}, {indicator.priority})"


def head(report: "Report") -> str:
    """Return the verdict, the counts and what was judged, in three lines."""
    return "\n".join(_head(report)) + "\n"


def _findings(report: "Report", level: Level) -> Iterator[str]:
    for finding in (finding for finding in report.findings if finding.level in down_to(level)):
        yield f"{finding.level.upper()} {finding.code}"
        first = finding.first_row
        row = f", first in row {numbered_row(finding.place, first)}" if first is not None else ""
        yield f"  where: {finding.place}{row}"
        yield f"  what:  {finding.message}"
        yield f"  mend:  {finding.how_to_fix}"
        yield ""


def _indicators(report: "Report") -> Iterator[str]:
    yield "FAIR indicators of the RDA FAIR Data Maturity Model"
    for group in points(report):
        yield f"  {group.word}: {group.reached:g} of {group.possible:g}"
        for indicator in group.indicators:
            yield from _indicator(indicator)


def _indicator(indicator: "FairIndicator") -> Iterator[str]:
    reached = f"{indicator.points:g}/{indicator.max_points:g}" if indicator.max_points else "-"
    metric = f" [{indicator.fuji_metric}]" if indicator.fuji_metric else ""
    yield f"    {indicator.indicator:<13} {indicator.priority:<9} {reached:>4}  {indicator.verdict}{metric}"
    yield f"    {'':<13} {indicator.evidence}"
    if indicator.next_action:
        yield f"    {'':<13} next: {indicator.next_action}"
