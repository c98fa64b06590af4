"""The register of what the archive holds: records of dataset versions, their identifiers, and what was removed."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition

TIMESTAMP = pa.timestamp("us", tz="UTC")

RUN = (
    Column("run_id", pa.string(), "Run that wrote the row.", nullable=False),
    Column("code_commit", pa.string(), "Commit of this project's code.", nullable=False),
    Column("recorded_at", TIMESTAMP, "When the row was written (UTC).", nullable=False),
)

RECORDS = TableDefinition(
    name="archive.records",
    grain="one row per record of a dataset version; the one recorded last counts",
    key=("dataset", "dataset_version", "record_sha256"),
    owner="team:archive",
    columns=(
        Column("dataset", pa.string(), "Dataset name.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("record_sha256", pa.string(), "Hash of all files of the record.", nullable=False),
        Column("sequence", pa.int64(), "Place among the dataset's versions, counted from 1.", nullable=False),
        Column("previous_version", pa.string(), "Version label before this one; null for the first."),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
        Column("content_sha256", pa.string(), "Hash of the submitted content.", nullable=False),
        Column("saved_at", TIMESTAMP, "When the version was saved (UTC).", nullable=False),
        Column("dataset_identifier", pa.string(), "Identifier of the dataset.", nullable=False),
        Column("version_identifier", pa.string(), "Identifier of this version.", nullable=False),
        Column("title", pa.string(), "Human title.", nullable=False),
        Column("description", pa.string(), "What the dataset is.", nullable=False),
        Column("keywords", pa.string(), "Keywords as a JSON list.", nullable=False),
        Column("creators", pa.string(), "Names of the creators as a JSON list.", nullable=False),
        Column("publisher", pa.string(), "Who published it."),
        Column("licence", pa.string(), "SPDX licence expression."),
        Column("language", pa.string(), "Language of the dataset."),
        Column("first_year", pa.int64(), "First year the data speak of."),
        Column("last_year", pa.int64(), "Last year the data speak of."),
        Column("access", pa.string(), "open, registered or restricted.", nullable=False),
        Column("personal", pa.bool_(), "Whether it holds personal data, as declared or as found.", nullable=False),
        Column("fair_score", pa.float64(), "Share of FAIR indicator points reached, 0 to 1.", unit="1"),
        Column("row_count", pa.int64(), "Rows of all tables plus documents and events.", unit="1"),
        Column("size_bytes", pa.int64(), "Bytes of all files.", unit="byte"),
        Column("file_count", pa.int64(), "Files.", unit="1"),
        Column("variables", pa.string(), "Names of tables and columns, for searching."),
        *RUN,
    ),
)

IDENTIFIERS = TableDefinition(
    name="archive.identifiers",
    grain="one row per persistent identifier",
    key=("identifier",),
    owner="team:archive",
    columns=(
        Column("identifier", pa.string(), "The identifier as it is cited, e.g. ark:99999/d1....", nullable=False),
        Column("scheme", pa.string(), "ARK or DOI.", nullable=False),
        Column("dataset", pa.string(), "Dataset it names.", nullable=False),
        Column("dataset_version", pa.string(), "Version it names; null for the dataset as a whole."),
        *RUN,
    ),
)

TOMBSTONES = TableDefinition(
    name="archive.tombstones",
    grain="one row per dataset version whose data were removed",
    key=("dataset", "dataset_version"),
    owner="team:archive",
    columns=(
        Column("dataset", pa.string(), "Dataset name.", nullable=False),
        Column("dataset_version", pa.string(), "Version whose data are gone.", nullable=False),
        Column("reason", pa.string(), "Why the data were removed.", nullable=False),
        Column("decided_by", pa.string(), "Who decided it.", nullable=False),
        Column("removed_at", TIMESTAMP, "When the data were removed (UTC).", nullable=False),
        *RUN,
    ),
)

HOLDINGS = (RECORDS, IDENTIFIERS, TOMBSTONES)
