import importlib
import re
from pathlib import Path

import pytest
import yaml

from lakehouse.publish.views import load_views, parse_view

compiler = importlib.import_module("compile")
source_files = importlib.import_module("source_files")


def bundle_of(folder):
    return {
        name: yaml.safe_load(text) for name, text in compiler.compile_bundle(source_files.load_source(folder)).items()
    }


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is no longer in {path.name}; mend the test"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_committed_source_compiles_to_at_least_eight_charts_on_four_tabs():
    source = source_files.load_source()
    bundle = bundle_of(source_files.SOURCE)
    position = bundle["dashboards/education_lakehouse.yaml"]["position"]
    kinds = [node["type"] for node in position.values() if isinstance(node, dict)]
    assert kinds.count("TAB") == 4
    assert kinds.count("CHART") == len(compiler.expected_charts(source)) >= 8
    assert set(compiler.expected_charts(source)) == {
        chart["uuid"] for name, chart in bundle.items() if name.startswith("charts/")
    }


def test_a_tab_that_may_be_empty_says_first_what_fills_it():
    """The demo fine-tunes nothing, so nobody should look for a fault behind these charts."""
    tabs = source_files.load_source().dashboards["education_lakehouse"]["tabs"]
    tuned = next(tab for tab in tabs if tab["title"] == "What was fine-tuned?")
    placed = [name for row in tuned["rows"][1:] for name in row["items"]]
    assert set(placed) == {"classifiers", "classifier_accuracy", "instructed", "instructed_loss"}
    assert "`lakehouse finetune publish NAME`" in tuned["rows"][0]["text"]


def test_refused_submissions_come_first_and_drift_names_the_table():
    charts = source_files.load_source().charts
    assert charts["submissions"].options["order"] == ["is_accepted", "-validated_at"]
    assert charts["drift_heat"].options["down"] == "column_place"


def test_compiling_twice_gives_the_same_bytes():
    first, second = (compiler.compile_bundle(source_files.load_source()) for _ in range(2))
    assert first == second


def test_every_dataset_has_exactly_the_columns_of_its_view():
    views = load_views()
    for dataset in source_files.load_source().datasets.values():
        assert list(dataset.columns) == parse_view(views[f"kpi.{dataset.name}"].sql).named_selects, dataset.file


def test_every_published_view_has_a_dataset():
    assert {f"kpi.{name}" for name in source_files.load_source().datasets} == set(load_views())


def test_the_bundle_holds_no_address_and_no_secret():
    bundle = bundle_of(source_files.SOURCE)
    uri = bundle["databases/lakehouse.yaml"]["sqlalchemy_uri"]
    assert re.fullmatch(r"dremio\+flight://sql-engine\.invalid:32010/", uri)
    assert all("password" not in yaml.safe_dump(content).lower() for content in bundle.values())


def test_every_row_with_charts_fills_twelve_columns():
    position = bundle_of(source_files.SOURCE)["dashboards/education_lakehouse.yaml"]["position"]
    rows = [node for node in position.values() if isinstance(node, dict) and node["type"] == "ROW"]
    assert rows
    for row in rows:
        assert sum(position[child]["meta"]["width"] for child in row["children"]) == 12


def test_everything_is_marked_as_managed_from_outside():
    for name, content in bundle_of(source_files.SOURCE).items():
        if name != "metadata.yaml":
            assert content["is_managed_externally"] is True, name


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("charts/datasets.yaml", "metric: accepted_share", "metric: share", r"charts/datasets\.yaml.*metric 'share'"),
        ("charts/datasets.yaml", "group: layer", "group: lair", r"charts/datasets\.yaml.*column 'lair'"),
        ("charts/datasets.yaml", "order: [level_order", "order: [-rank", r"charts/datasets\.yaml.*column 'rank'"),
        ("charts/models.yaml", '"is_current = 1"', '"current = 1"', r"charts/models\.yaml.*column 'current'"),
        ("charts/models.yaml", "kind: heat", "kind: heap", r"charts/models\.yaml.*kind 'heap'"),
        ("charts/models.yaml", "across: dataset_version", "acros: x", r"charts/models\.yaml.*'acros'"),
        ("charts/models.yaml", "from: drift", "from: draft", r"charts/models\.yaml.*dataset 'draft'"),
        ("datasets/drift.yaml", "time: recorded_at", "time: when", r"datasets/drift\.yaml.*time column 'when'"),
        ("datasets/drift.yaml", "{type: date,", "{type: day,", r"datasets/drift\.yaml.*'day'"),
        ("datasets/drift.yaml", "  drifted: {", "  severity: {", r"datasets/drift\.yaml.*also a column"),
        ("datasets/drift.yaml", "sql: MAX(severity), ", "", r"datasets/drift\.yaml.*lacks sql"),
        ("dashboards/education_lakehouse.yaml", "findings: 12", "findings: 11", r"education_lakehouse.*fills 11 of 12"),
        ("dashboards/education_lakehouse.yaml", "findings: 12", "fundings: 12", r"education_lakehouse.*'fundings'"),
        ("dashboards/education_lakehouse.yaml", "findings: 12", "submissions: 12", r"education_lakehouse.*twice"),
        (
            "dashboards/education_lakehouse.yaml",
            "column: version_number",
            "column: verdict",
            r"filter Model.*'verdict'",
        ),
        ("database.yaml", "name: Education", "nome: x\nname: Education", r"database\.yaml.*'nome'"),
    ],
)
def test_what_does_not_fit_is_refused_by_file_name(source_folder, file, old, new, complaint):
    replace(source_folder / file, old, new)
    with pytest.raises(source_files.SourceError, match=complaint):
        bundle_of(source_folder)


def test_a_file_that_is_not_yaml_is_refused_by_name(source_folder):
    (source_folder / "charts" / "models.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(source_files.SourceError, match=r"charts/models\.yaml: not YAML"):
        bundle_of(source_folder)


def test_filters_spare_the_charts_they_do_not_name():
    source = source_files.load_source()
    dashboard = bundle_of(source_files.SOURCE)["dashboards/education_lakehouse.yaml"]
    numbers = {
        node["meta"]["chartId"]: identifier.removeprefix("CHART-")
        for identifier, node in dashboard["position"].items()
        if isinstance(node, dict) and node["type"] == "CHART"
    }
    wanted = {entry["title"]: set(entry["charts"]) for entry in source.dashboards["education_lakehouse"]["filters"]}
    filters = dashboard["metadata"]["native_filter_configuration"]
    assert 1 <= len(filters) <= 5
    for native in filters:
        acted_on = {name for number, name in numbers.items() if number not in native["scope"]["excluded"]}
        assert acted_on == wanted[native["name"]]


def test_a_chart_that_may_be_empty_says_why_in_its_own_place_and_nowhere_else():
    css = bundle_of(source_files.SOURCE)["dashboards/education_lakehouse.yaml"]["css"]
    charts = [chart for chart in source_files.load_source().charts.values() if "empty" in chart.options]
    assert {"unfinished_trainings", "retrain_decisions", "findings", "rights_log", "classifiers"} <= {
        chart.name for chart in charts
    }
    for chart in charts:
        said = f'[data-test-chart-name="{chart.title}"] .ant-empty-description::after {{ font-size: 14px; '
        assert css.count(f'{said}content: "{chart.options["empty"]}"; }}') == 1


def test_columns_ask_for_less_room_in_a_narrow_window():
    css = bundle_of(source_files.SOURCE)["dashboards/education_lakehouse.yaml"]["css"]
    width = source_files.load_source().charts["findings"].options["widths"]["code"]
    narrow = next(line for line in css.splitlines() if line.startswith("@media") and "What was found" in line)
    assert f"#header-code > div[style] {{ width: {width * 0.75:.0f}px !important; }}" in narrow


def test_tables_have_a_row_of_their_own():
    """Beside another chart their cells are cut on a small screen."""
    source = source_files.load_source()
    for tab in source.dashboards["education_lakehouse"]["tabs"]:
        for row in tab["rows"]:
            tables = [name for name in row.get("items", {}) if source.charts[name].kind == "table"]
            assert not tables or row["items"] == {tables[0]: 12}


def test_filters_stand_above_the_charts_and_take_none_of_their_width():
    dashboard = bundle_of(source_files.SOURCE)["dashboards/education_lakehouse.yaml"]
    assert dashboard["metadata"]["filter_bar_orientation"] == "HORIZONTAL"
