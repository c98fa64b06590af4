"""Turns a chart of the compact source into the parameters that Superset's chart plugins read."""

import json
from typing import Any

from source_files import Chart

COLOURS = "lakehouse"
BAD = "#EE6677"
VIZ_TYPES = {
    "number": "big_number_total",
    "trend": "big_number",
    "line": "echarts_timeseries_line",
    "bar": "echarts_timeseries_bar",
    "heat": "heatmap_v2",
    "table": "table",
}
ROW_LIMIT = 1000


def params(chart: Chart) -> dict[str, Any]:
    """Return the plugin parameters of a chart, without its dataset."""
    makers = {"number": _number, "trend": _trend, "line": _line, "bar": _bar, "heat": _heat, "table": _table}
    own: dict[str, Any] = makers[chart.kind](chart)
    return {"viz_type": VIZ_TYPES[chart.kind], "adhoc_filters": _filters(chart), "color_scheme": COLOURS, **own}


def _filters(chart: Chart) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = [
        {"expressionType": "SQL", "clause": "WHERE", "sqlExpression": condition}
        for condition in chart.options.get("where", [])
    ]
    # The dashboard's period filter acts through a time filter that every chart with a time column carries.
    if chart.dataset.time and chart.kind != "table":
        filters.append(
            {
                "expressionType": "SIMPLE",
                "clause": "WHERE",
                "subject": chart.dataset.time,
                "operator": "TEMPORAL_RANGE",
                "comparator": "No filter",
            }
        )
    return filters


def _format(chart: Chart, metric: str) -> str:
    return chart.dataset.metrics[metric]["format"]


def _number(chart: Chart) -> dict[str, Any]:
    metric = chart.options["metric"]
    return {
        "metric": metric,
        "y_axis_format": _format(chart, metric),
        "header_font_size": 0.4,
        "subtitle": chart.options.get("note", ""),
        "subtitle_font_size": 0.125,
    }


def _trend(chart: Chart) -> dict[str, Any]:
    metric = chart.options["metric"]
    return {
        "metric": metric,
        "x_axis": chart.dataset.time,
        "time_grain_sqla": chart.options["grain"],
        "compare_lag": 1,
        "compare_suffix": chart.options.get("note", ""),
        "show_trend_line": True,
        "start_y_axis_at_zero": False,
        "y_axis_format": _format(chart, metric),
        "time_format": "%Y" if chart.options["grain"] == "P1Y" else "%Y-%m-%d %H:%M",
        "header_font_size": 0.3,
        "subheader_font_size": 0.125,
        "color_picker": {"r": 68, "g": 119, "b": 170, "a": 1},
        "rolling_type": None,
    }


def _axes(chart: Chart) -> dict[str, Any]:
    bounds = chart.options.get("bounds")
    return {
        "metrics": chart.options["metrics"],
        "groupby": [chart.options["group"]] if "group" in chart.options else [],
        "y_axis_format": _format(chart, chart.options["metrics"][0]),
        "y_axis_bounds": bounds or [None, None],
        "truncateYAxis": bounds is not None or chart.kind == "line",
        "x_axis_title": chart.options.get("axis", ""),
        "x_axis_title_margin": 30 if "axis" in chart.options else 0,
        "row_limit": ROW_LIMIT,
        "legendType": "plain",
        "legendOrientation": "top",
        "show_legend": "group" in chart.options or len(chart.options["metrics"]) > 1,
        "rich_tooltip": True,
        "order_desc": True,
        "annotation_layers": [],
    }


def _line(chart: Chart) -> dict[str, Any]:
    by_time = {
        "x_axis": chart.dataset.time,
        "time_grain_sqla": chart.options.get("grain"),
        "x_axis_time_format": chart.options.get("time_format", "smart_date"),
        "tooltipTimeFormat": chart.options.get("time_format", "smart_date"),
    }
    by_number = {"x_axis": chart.options.get("by"), "xAxisForceCategorical": False, "truncateXAxis": True}
    return {
        **_axes(chart),
        **(by_number if "by" in chart.options else by_time),
        # Series with gaps are drawn as points between which no line can go.
        "markerEnabled": True,
        "markerSize": 5,
    }


def _bar(chart: Chart) -> dict[str, Any]:
    upright = bool(chart.options.get("upright"))
    single = len(chart.options["metrics"]) == 1 and "group" not in chart.options
    return {
        **_axes(chart),
        "x_axis": chart.options["by"],
        "xAxisForceCategorical": True,
        "orientation": "vertical" if upright else "horizontal",
        "stack": "Stack" if chart.options.get("stack") else None,
        "show_value": True,
        "x_axis_sort": chart.options["metrics"][0] if single else chart.options["by"],
        "x_axis_sort_asc": upright or single,
        "xAxisLabelRotation": 0,
    }


def _heat(chart: Chart) -> dict[str, Any]:
    return {
        "x_axis": chart.options["across"],
        "groupby": chart.options["down"],
        "metric": chart.options["metric"],
        "row_limit": ROW_LIMIT,
        "sort_x_axis": "alpha_asc",
        "sort_y_axis": "alpha_desc",
        "normalize_across": "heatmap",
        "legend_type": "continuous",
        "linear_color_scheme": "lakehouse_heat",
        "show_legend": True,
        "show_values": True,
        "show_percentage": False,
        # The scale turns red at 1, where a measure passes its threshold.
        "value_bounds": [0, 2],
        "y_axis_format": _format(chart, chart.options["metric"]),
        # The labels have their own room beside it.
        "left_margin": 20,
        "bottom_margin": 60,
        "xscale_interval": 1,
        "yscale_interval": 1,
    }


def _table(chart: Chart) -> dict[str, Any]:
    order = [json.dumps([word.removeprefix("-"), not word.startswith("-")]) for word in chart.options.get("order", [])]
    config: dict[str, dict[str, Any]] = {}
    for name, text in chart.options.get("formats", {}).items():
        config.setdefault(name, {})["d3NumberFormat"] = text
    for name, width in chart.options.get("widths", {}).items():
        config.setdefault(name, {})["columnWidth"] = width
    for name in chart.options["columns"]:
        if chart.dataset.columns[name]["type"] in {"integer", "number"}:
            # Bars behind the numbers would suggest that columns can be compared with each other.
            config.setdefault(name, {})["showCellBars"] = False
    return {
        "query_mode": "raw",
        "all_columns": chart.options["columns"],
        "order_by_cols": order,
        "server_pagination": False,
        "page_length": chart.options.get("page", 10),
        "row_limit": ROW_LIMIT,
        "table_timestamp_format": "%Y-%m-%d %H:%M",
        "include_search": False,
        "show_cell_bars": False,
        "column_config": config,
        "conditional_formatting": [_highlight(name, worse) for name, worse in chart.options.get("bad", {}).items()],
    }


def _highlight(column: str, worse: object) -> dict[str, Any]:
    operator = "containing" if isinstance(worse, str) else ">"
    return {"column": column, "operator": operator, "targetValue": worse, "colorScheme": BAD}
