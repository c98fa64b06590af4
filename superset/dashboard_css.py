"""What the dashboard's own style sheet adds: tables that wrap, and what a chart says while it is empty by rights."""

import json
from collections.abc import Iterator
from typing import Any

from dashboard_layout import dashboard_charts
from source_files import Chart, Source

# Names of tables and codes have no spaces, so a table would be wider than its chart, which cuts what is on the right.
WRAPPED = "[data-test-chart-id] td:not(.dt-metric) { overflow-wrap: anywhere; }"
# In the window of a small laptop ten columns fit with smaller letters only, and in less room than the charts ask for.
NARROW, NARROWER = "@media (max-width: 1200px)", 0.75
SMALL = f"{NARROW} {{ [data-test-chart-id] :is(td, th) {{ font-size: 11px; padding: 4px; }} }}"


def style_sheet(dashboard: dict[str, Any], source: Source) -> str:
    """Return the style sheet of a dashboard."""
    placed = set(dashboard_charts(dashboard))
    charts = [chart for chart in source.charts.values() if chart.name in placed]
    return "\n".join([WRAPPED, SMALL, *(rule for chart in charts for rule in _rules(chart))])


def _rules(chart: Chart) -> Iterator[str]:
    """Yield the rules of one chart, which Superset names by its title."""
    here = f"[data-test-chart-name={_quoted(chart.title)}]"
    if "empty" in chart.options:
        # In place of Superset's own words, which say that there is nothing, but not whether that is a fault.
        yield f"{here} .ant-empty-description {{ font-size: 0; }}"
        yield f"{here} .ant-empty-description::after {{ font-size: 14px; content: {_quoted(chart.options['empty'])}; }}"
    widths = chart.options.get("widths", {})
    if widths:
        less = " ".join(
            f"{here} #header-{column} > div[style] {{ width: {width * NARROWER:.0f}px !important; }}"
            for column, width in widths.items()
        )
        yield f"{NARROW} {{ {less} }}"


def _quoted(text: str) -> str:
    """Return a text as a string of CSS, which is written as one of JSON is."""
    return json.dumps(text, ensure_ascii=False)
