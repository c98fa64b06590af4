"""The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from lakehouse.archive.levels import Level, counted, down_to
from lakehouse.archive.reports.groups import contents, groups, next_steps, points, summary, where
from lakehouse.percent import percent

if TYPE_CHECKING:
    from lakehouse.archive.findings import Report

HEADINGS: dict[Level, str] = {
    "error": "Errors: these refuse it",
    "warning": "Warnings: look at these",
    "note": "Notes: good to know",
}


def html(report: "Report", level: Level = "note", *, then: str = "") -> str:
    """Return the report as an HTML page, with the findings down to a level, and text on what came after it."""
    page = _environment().get_template("page.html.j2")
    return page.render(
        report=report,
        then=then,
        summary=summary(report),
        contents=contents(report),
        levels=[(shown, HEADINGS[shown], groups(report, (shown,))) for shown in down_to(level)],
        points=points(report),
        steps=next_steps(report),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lakehouse.archive.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "where": where, "percent": percent}
    return environment
