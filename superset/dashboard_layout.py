"""Places charts on the 12 columns of a dashboard and describes its filters."""

from typing import Any

from source_files import Chart, Source, SourceError, known

COLUMNS = 12


def dashboard_charts(dashboard: dict[str, Any]) -> list[str]:
    """Return the names of the charts on a dashboard, in reading order."""
    return [name for tab in dashboard["tabs"] for row in tab["rows"] for name in row.get("items", {})]


def position(name: str, dashboard: dict[str, Any], source: Source, uuids: dict[str, str]) -> dict[str, Any]:
    """Return the layout tree; refuse unknown charts, charts placed twice and rows that do not fill 12 columns."""
    placed = dashboard_charts(dashboard)
    for chart in placed:
        known(f"dashboards/{name}.yaml", "chart", chart, source.charts)
        if placed.count(chart) > 1:
            raise SourceError(f"dashboards/{name}.yaml: chart {chart!r} is placed twice")
    tree: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["TABS-main"], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": dashboard["title"]}},
        "TABS-main": {
            "type": "TABS",
            "id": "TABS-main",
            "meta": {},
            "children": [],
            "parents": ["ROOT_ID", "GRID_ID"],
        },
    }
    numbers = {chart: number for number, chart in enumerate(placed, start=1)}
    for tab_number, tab in enumerate(dashboard["tabs"], start=1):
        tab_id = f"TAB-{tab_number}"
        parents = ["ROOT_ID", "GRID_ID", "TABS-main"]
        tree["TABS-main"]["children"].append(tab_id)
        tree[tab_id] = {"type": "TAB", "id": tab_id, "meta": {"text": tab["title"]}, "children": [], "parents": parents}
        for row_number, row in enumerate(tab["rows"], start=1):
            row_id = f"ROW-{tab_number}-{row_number}"
            tree[tab_id]["children"].append(row_id)
            tree |= _row(row_id, [*parents, tab_id], row, name, source.charts, numbers, uuids)
    return tree


def _row(
    row_id: str,
    parents: list[str],
    row: dict[str, Any],
    dashboard: str,
    charts: dict[str, Chart],
    numbers: dict[str, int],
    uuids: dict[str, str],
) -> dict[str, Any]:
    items: dict[str, int] = row.get("items", {})
    nodes: dict[str, Any] = {}
    if "text" in row:
        node = f"MARKDOWN-{row_id}"
        meta = {"width": COLUMNS, "height": row["height"], "code": row["text"]}
        nodes[node] = {"type": "MARKDOWN", "id": node, "children": [], "parents": [*parents, row_id], "meta": meta}
    elif sum(items.values()) != COLUMNS:
        raise SourceError(f"dashboards/{dashboard}.yaml: row {row_id} fills {sum(items.values())} of {COLUMNS} columns")
    for chart, width in items.items():
        node = f"CHART-{chart}"
        meta = {
            "chartId": numbers[chart],
            "uuid": uuids[chart],
            "width": width,
            "height": row["height"],
            "sliceName": charts[chart].title,
        }
        nodes[node] = {"type": "CHART", "id": node, "children": [], "parents": [*parents, row_id], "meta": meta}
    meta = {"background": "BACKGROUND_TRANSPARENT"}
    nodes[row_id] = {"type": "ROW", "id": row_id, "children": list(nodes), "parents": parents, "meta": meta}
    return nodes


def filters(name: str, dashboard: dict[str, Any], source: Source, uuids: dict[str, str]) -> list[dict[str, Any]]:
    """Return the native filters; each acts on the charts it names, which must have its column."""
    placed = dashboard_charts(dashboard)
    numbers = {chart: number for number, chart in enumerate(placed, start=1)}
    result = []
    for entry in dashboard.get("filters", []):
        file = f"dashboards/{name}.yaml: filter {entry['title']}"
        column = entry.get("time") or entry["column"]
        for chart in entry["charts"]:
            known(file, "chart", chart, set(placed))
            known(f"{file} on chart {chart}", "column", column, source.charts[chart].dataset.columns)
        excluded = [number for chart, number in numbers.items() if chart not in entry["charts"]]
        common = {
            "id": f"NATIVE_FILTER-{column}",
            "type": "NATIVE_FILTER",
            "name": entry["title"],
            "description": entry.get("means", ""),
            "cascadeParentIds": [],
            "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
        }
        own = _period_filter() if "time" in entry else _value_filter(file, entry, source, uuids)
        result.append({**common, **own})
    return result


def _period_filter() -> dict[str, Any]:
    mask = {"extraFormData": {"time_range": "No filter"}, "filterState": {"value": "No filter"}}
    return {"filterType": "filter_time", "targets": [{}], "controlValues": {}, "defaultDataMask": mask}


def _value_filter(file: str, entry: dict[str, Any], source: Source, uuids: dict[str, str]) -> dict[str, Any]:
    dataset = source.datasets[known(file, "dataset", entry["from"], source.datasets)]
    column = known(file, "column", entry["column"], dataset.columns)
    return {
        "filterType": "filter_select",
        "targets": [{"column": {"name": column}, "datasetUuid": uuids[f"dataset:{dataset.name}"]}],
        "controlValues": {"multiSelect": True, "enableEmptyFilter": False, "searchAllOptions": False},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    }
