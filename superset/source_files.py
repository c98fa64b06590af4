"""Reads the compact dashboard source and refuses what does not fit together, naming the file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).with_name("source")
COLUMN_TYPES = {
    "text": "CHARACTER VARYING",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


class SourceError(Exception):
    """The dashboard source is wrong; the message names the file, the word and what is allowed."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One view: its time column, its columns (name to type and label) and its metrics (name to definition)."""

    name: str
    file: str
    time: str | None
    columns: dict[str, dict[str, str]]
    metrics: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: its kind, title, dataset, and the other words of its entry as `options`."""

    name: str
    file: str
    kind: str
    title: str
    dataset: Dataset
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that is compiled into one bundle."""

    database: dict[str, str]
    datasets: dict[str, Dataset]
    charts: dict[str, Chart]
    dashboards: dict[str, dict[str, Any]]


OPTIONS = {
    "number": {"metric", "note", "where"},
    "trend": {"metric", "note", "where", "grain"},
    "line": {"metrics", "group", "grain", "by", "where", "bounds", "time_format", "axis"},
    "bar": {"metrics", "by", "group", "where", "stack", "upright", "bounds", "axis"},
    "heat": {"metric", "across", "down", "where"},
    "table": {"columns", "order", "where", "page", "formats", "widths", "bad"},
}
COMMON = {"kind", "title", "from"}
EVERY_KIND = {"empty"}
METRIC_KEYS = {"title", "sql", "format", "means"}


def load_source(folder: Path = SOURCE) -> Source:
    """Read and check the whole folder; raise SourceError for the first thing that does not fit."""
    database = _mapping(folder / "database.yaml", folder)
    datasets = {}
    for path in sorted((folder / "datasets").glob("*.yaml")):
        dataset = _dataset(path, folder)
        datasets[dataset.name] = dataset
    charts: dict[str, Chart] = {}
    for path in sorted((folder / "charts").glob("*.yaml")):
        for name, entry in _mapping(path, folder).items():
            file = str(path.relative_to(folder))
            if name in charts:
                raise SourceError(f"{file}: chart {name!r} is already in {charts[name].file}; rename one")
            charts[name] = _chart(file, name, entry, datasets)
    dashboards = {path.stem: _mapping(path, folder) for path in sorted((folder / "dashboards").glob("*.yaml"))}
    return Source(database, datasets, charts, dashboards)


def known(file: str, what: str, word: str, allowed: set[str] | dict[str, Any]) -> str:
    """Return the word, or raise SourceError that lists what is allowed."""
    if word not in allowed:
        raise SourceError(f"{file}: unknown {what} {word!r}; there are {', '.join(sorted(allowed))}")
    return word


def _mapping(path: Path, folder: Path) -> dict[str, Any]:
    file = str(path.relative_to(folder))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SourceError(f"{file}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{file}: holds {type(content).__name__}; write a mapping")
    return content


def _dataset(path: Path, folder: Path) -> Dataset:
    file = str(path.relative_to(folder))
    content = _mapping(path, folder)
    for word in content:
        known(file, "word", word, {"view", "time", "columns", "metrics"})
    columns, metrics = content["columns"], content.get("metrics") or {}
    for name, column in columns.items():
        known(file, f"type of column {name}:", column["type"], COLUMN_TYPES)
    for name, metric in metrics.items():
        if missing := METRIC_KEYS - set(metric):
            raise SourceError(f"{file}: metric {name!r} lacks {', '.join(sorted(missing))}")
        if name in columns:
            # Superset then sorts by the metric where the column was meant, and the statement fails.
            raise SourceError(f"{file}: metric {name!r} is also a column; rename the metric")
    if content.get("time"):
        known(file, "time column", content["time"], columns)
    return Dataset(content["view"], file, content.get("time"), columns, metrics)


def _chart(file: str, name: str, entry: dict[str, Any], datasets: dict[str, Dataset]) -> Chart:
    if missing := COMMON - set(entry):
        raise SourceError(f"{file}: chart {name!r} lacks {', '.join(sorted(missing))}")
    place = f"{file}: chart {name}"
    kind = known(place, "kind", entry["kind"], OPTIONS)
    dataset = datasets[known(place, "dataset", entry["from"], datasets)]
    options = {word: value for word, value in entry.items() if word not in COMMON}
    for word in options:
        known(place, f"word for a {kind}", word, OPTIONS[kind] | EVERY_KIND)
    metrics = [options["metric"]] if "metric" in options else options.get("metrics", [])
    for metric in metrics:
        known(place, "metric", metric, dataset.metrics)
    for column in _columns_named(options):
        known(place, "column", column, dataset.columns)
    return Chart(name, file, kind, entry["title"], dataset, options)


def _columns_named(options: dict[str, Any]) -> list[str]:
    single = [options[word] for word in ("by", "group", "across", "down") if word in options]
    listed = [*options.get("columns", []), *(word.removeprefix("-") for word in options.get("order", []))]
    keyed = [name for word in ("formats", "widths", "bad") for name in options.get(word, {})]
    filtered = [condition.split()[0] for condition in options.get("where", [])]
    return [*single, *listed, *keyed, *filtered]
