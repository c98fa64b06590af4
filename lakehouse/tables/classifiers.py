"""Tables of classifiers: their versions as they were judged, and the figures and tests behind each judgement."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.records import RUN

CLASSIFIER = (
    Column("model_version", pa.string(), "Version of the classifier, its name and a number.", nullable=False),
    Column("evaluation_snapshot", pa.string(), "Hash of the held-out texts it was measured on.", nullable=False),
    Column("judgement", pa.string(), "Version that was in use then, or none, and a hash of the tests.", nullable=False),
)

CLASSIFIER_VERSIONS = TableDefinition(
    name="gold.classifier_versions",
    grain="one row per classifier version, evaluation snapshot, and what it was judged against and by",
    key=("model_version", "evaluation_snapshot", "judgement"),
    owner="team:models",
    columns=(
        *CLASSIFIER,
        Column("event_key", pa.string(), "Release before it, and the version; orders with stages.", nullable=False),
        Column("classifier", pa.string(), "Name in models/classifiers.yaml.", nullable=False),
        Column("base", pa.string(), "Version of the language model it was fine-tuned from.", nullable=False),
        Column("table_name", pa.string(), "Table it learned from.", nullable=False),
        Column("table_snapshot", pa.string(), "Iceberg snapshot of that table.", nullable=False),
        Column("dataset_commits", pa.string(), "DataLad commits of its versions, as a JSON object.", nullable=False),
        Column("licence", pa.string(), "SPDX licence expression of the dataset."),
        Column("recipe", pa.string(), "Every hyper-parameter as JSON.", nullable=False),
        Column("labels", pa.string(), "Labels, as a JSON list.", nullable=False),
        Column("train_texts", pa.int64(), "Texts it learned from.", unit="1"),
        Column("weights_sha256", pa.string(), "SHA-256 of its file of weights.", nullable=False),
        Column("compared_with", pa.string(), "Version that was in use; null for the first."),
        Column("difference", pa.float64(), "Accuracy less that of the version in use.", unit="1"),
        Column("low", pa.float64(), "Lower end of the difference's 95 % interval over groups; it decides.", unit="1"),
        Column("high", pa.float64(), "Upper end.", unit="1"),
        Column("promoted", pa.bool_(), "Whether it came into use then.", nullable=False),
        Column("waits", pa.bool_(), "Whether it only waited for a person to agree.", nullable=False),
        Column("reason", pa.string(), "The numbers behind the decision.", nullable=False),
        *RUN,
    ),
)

CLASSIFIER_RESULTS = TableDefinition(
    name="gold.classifier_results",
    grain="one row per judgement of a classifier version and figure on a slice, or test",
    key=("model_version", "evaluation_snapshot", "judgement", "kind", "name", "slice"),
    owner="team:models",
    columns=(
        *CLASSIFIER,
        Column("kind", pa.string(), "figure or test.", nullable=False),
        Column("name", pa.string(), "Name of the figure or of the test.", nullable=False),
        Column("slice", pa.string(), "all or a label; of a test, its kind.", nullable=False),
        Column("value", pa.float64(), "The figure, or what a test measured; null when it was no number.", unit="1"),
        Column("low", pa.float64(), "Lower end of a figure's 95 % interval over groups.", unit="1"),
        Column("high", pa.float64(), "Upper end.", unit="1"),
        Column("text_count", pa.int64(), "Held-out texts behind a figure.", unit="1"),
        Column("group_count", pa.int64(), "Groups that these texts belong to.", unit="1"),
        Column("comparison", pa.string(), "at_least or at_most, of a test."),
        Column("threshold", pa.float64(), "Of a test, what its value must keep.", unit="1"),
        Column("passed", pa.bool_(), "Whether a test passed."),
        Column("stops", pa.string(), "What a test's failure stops: promotion or nothing."),
        Column("owner", pa.string(), "Who answers for a test's threshold."),
        Column("detail", pa.string(), "How many texts a test took, and some that fail."),
        *RUN,
    ),
)
