"""The table of models that answer instructions: where each version comes from, what it showed, how it was judged."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.records import RUN

INSTRUCTED_MODELS = TableDefinition(
    name="gold.instructed_models",
    grain="one row per version of the model that answers, held-out rows, and version it was judged against",
    key=("model_version", "evaluation_snapshot", "compared_with"),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version, instructed and a number.", nullable=False),
        Column("evaluation_snapshot", pa.string(), "Hash of the held-out rows.", nullable=False),
        Column("compared_with", pa.string(), "Version that was accepted last, or none.", nullable=False),
        Column("event_key", pa.string(), "Release before it, and the version; orders judgements.", nullable=False),
        Column("base", pa.string(), "Version of the language model, or folder, it was taught from.", nullable=False),
        Column("base_weights_sha256", pa.string(), "SHA-256 of the base's file of weights.", nullable=False),
        Column("table_name", pa.string(), "Table it learned from.", nullable=False),
        Column("table_snapshot", pa.string(), "Iceberg snapshot of that table.", nullable=False),
        Column("dataset_commits", pa.string(), "Commits that it and its base read, as JSON.", nullable=False),
        Column("licence", pa.string(), "SPDX licence expression of the dataset."),
        Column("recipe", pa.string(), "Every hyper-parameter as JSON.", nullable=False),
        Column("train_rows", pa.int64(), "Rows it learned from.", unit="1"),
        Column("weights_sha256", pa.string(), "SHA-256 of its file of weights.", nullable=False),
        Column("response_loss", pa.float64(), "Nats a token of held-out responses.", unit="nat"),
        Column("response_loss_low", pa.float64(), "Lower end of its 95 % interval over groups.", unit="nat"),
        Column("response_loss_high", pa.float64(), "Upper end.", unit="nat"),
        Column("base_response_loss", pa.float64(), "The same by the base.", unit="nat"),
        Column("gain_over_base", pa.float64(), "Nats a token less than the base takes.", unit="nat"),
        Column("gain_over_base_low", pa.float64(), "Lower end of its 95 % interval; it decides.", unit="nat"),
        Column("gain_over_base_high", pa.float64(), "Upper end.", unit="nat"),
        Column("difference", pa.float64(), "Nats a response less than the version before it takes.", unit="nat"),
        Column("low", pa.float64(), "Lower end of the difference's 95 % interval over groups; it decides.", unit="nat"),
        Column("high", pa.float64(), "Upper end.", unit="nat"),
        Column("row_count", pa.int64(), "Held-out rows behind the figures.", unit="1"),
        Column("group_count", pa.int64(), "Groups that these rows belong to.", unit="1"),
        Column("accepted", pa.bool_(), "Whether it may be used.", nullable=False),
        Column("reason", pa.string(), "The numbers behind the verdict.", nullable=False),
        *RUN,
    ),
)
