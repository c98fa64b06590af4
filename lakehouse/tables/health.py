"""Tables about the health of tables: how each promise was kept, and which rows were set aside."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.records import RUN

EXPECTATION_RESULTS = TableDefinition(
    name="gold.expectation_results",
    grain="one row per promise of a table and run that judged it; of dataset tables once per dataset version",
    key=("table_name", "dataset_version", "code", "run_id"),
    columns=(
        Column("table_name", pa.string(), "Table that makes the promise.", nullable=False),
        Column("dataset", pa.string(), "Dataset of the table; null for the project's own."),
        Column("dataset_version", pa.string(), "Version label that was judged; null for the project's own tables."),
        Column("dataset_commit", pa.string(), "DataLad commit that was judged."),
        Column("code", pa.string(), "Stable code of the promise, e.g. EARNINGS_THERE.", nullable=False),
        Column("promise", pa.string(), "The promise as a sentence.", nullable=False),
        Column("severity", pa.string(), "error, quarantine or warning.", nullable=False),
        Column("kept", pa.bool_(), "Whether it was kept.", nullable=False),
        Column("row_count", pa.int64(), "Rows that were judged.", unit="1"),
        Column("unexpected_count", pa.int64(), "Rows that break a promise about single rows.", unit="1"),
        Column("observed", pa.float64(), "Share of rows that keep it, or the measure itself; null without values."),
        Column("blocked", pa.bool_(), "Whether nothing was published because of it.", nullable=False),
        Column("owner", pa.string(), "Who answers when it is broken.", nullable=False),
        Column("reason", pa.string(), "Why the promise is made.", nullable=False),
        Column("expectations_version", pa.string(), "Hash of all expectations that were in force.", nullable=False),
        *RUN,
    ),
)

ROWS_ASIDE = TableDefinition(
    name="gold.rows_aside",
    grain="one row per submitted row that stays in bronze and was kept out of silver",
    key=("table_name", "dataset_version", "source_file", "row_number"),
    columns=(
        Column("table_name", pa.string(), "Silver table it was kept out of.", nullable=False),
        Column("dataset", pa.string(), "Dataset of the table.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
        Column("source_file", pa.string(), "File of the submission, `_source_file` in bronze.", nullable=False),
        Column("row_number", pa.int64(), "Data row in that file, `_row_number` in bronze.", nullable=False),
        Column("code", pa.string(), "Promise it breaks.", nullable=False),
        *RUN,
    ),
)

HEALTH = (EXPECTATION_RESULTS, ROWS_ASIDE)
