"""Tables of the model that answers: its versions as they were judged, and figures and tests, as of classifiers."""

import dataclasses

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.classifiers import CLASSIFIER_RESULTS, CLASSIFIER_VERSIONS

_VERSION = Column("model_version", pa.string(), "Version, instructed and a number.", nullable=False)
_ROWS = Column("evaluation_snapshot", pa.string(), "Hash of the held-out rows it was measured on.", nullable=False)
_OTHER = {
    each.name: each
    for each in (
        _VERSION,
        _ROWS,
        Column(
            "base", pa.string(), "Language model, checkpoint of the hub, or folder it learned from.", nullable=False
        ),
        Column("dataset_commits", pa.string(), "Commits that it and its base read, as JSON.", nullable=False),
        Column("train_texts", pa.int64(), "Rows it learned from.", unit="1"),
        Column("difference", pa.float64(), "Nats a response less than the version in use takes.", unit="nat"),
        Column("low", pa.float64(), "Lower end of the difference's 95 % interval over groups; it decides.", unit="nat"),
        Column("high", pa.float64(), "Upper end.", unit="nat"),
    )
}
_OWN = (
    Column("base_weights_sha256", pa.string(), "SHA-256 of the base's weights.", nullable=False),
    Column("base_licence", pa.string(), "Licence that the model card of a base of the hub names."),
)
_RESULTS = {
    each.name: each
    for each in (
        _VERSION,
        _ROWS,
        Column("slice", pa.string(), "all, short or long responses; of a test, its kind.", nullable=False),
        Column("value", pa.float64(), "Nats a token of a loss or gain, perplexity, or a test's share of rows."),
        Column("low", pa.float64(), "Lower end of a figure's 95 % interval over groups."),
        Column("high", pa.float64(), "Upper end."),
        Column("text_count", pa.int64(), "Held-out rows behind a figure.", unit="1"),
        Column("group_count", pa.int64(), "Groups that these rows belong to.", unit="1"),
        Column("detail", pa.string(), "How many rows a test took."),
    )
}


def _like(table: TableDefinition, name: str, grain: str, other: dict[str, Column], *own: Column) -> TableDefinition:
    """The columns of a table of classifiers, with what they mean here."""
    kept = [other.get(each.name, each) for each in table.columns if each.name not in ("classifier", "labels")]
    at = next((place for place, each in enumerate(kept) if each.name == "table_name"), 0)
    return dataclasses.replace(table, name=name, grain=grain, columns=(*kept[:at], *own, *kept[at:]))


INSTRUCTED_VERSIONS = _like(
    CLASSIFIER_VERSIONS,
    "gold.instructed_versions",
    "one row per version of the model that answers, evaluation snapshot, and what it was judged against and by",
    _OTHER,
    *_OWN,
)
INSTRUCTED_RESULTS = _like(
    CLASSIFIER_RESULTS,
    "gold.instructed_results",
    "one row per judgement of a version of the model that answers and figure on a slice, or test",
    _RESULTS,
)
