"""The register: submissions, what was found and how FAIR they are, written by `validate`; terms, by `store`."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.records import HOLDINGS

TIMESTAMP = pa.timestamp("us", tz="UTC")

SUBMISSION_KEY = (
    Column("submission", pa.string(), "Arrival key, dataset@version.", nullable=False),
    Column("content_sha256", pa.string(), "Hash of the submitted content.", nullable=False),
    Column("rules_version", pa.string(), "Version of the rule set that judged it.", nullable=False),
)

SUBMISSIONS = TableDefinition(
    name="archive.submissions",
    grain="one row per submitted content and rule set that judged it",
    key=("submission", "content_sha256", "rules_version"),
    owner="team:archive",
    columns=(
        *SUBMISSION_KEY,
        Column("dataset", pa.string(), "Dataset name from the description file.", nullable=False),
        Column("dataset_version", pa.string(), "Version label chosen by the submitter.", nullable=False),
        Column("title", pa.string(), "Human title of the dataset."),
        Column("licence", pa.string(), "SPDX licence expression."),
        Column("verdict", pa.string(), "accepted or refused.", nullable=False),
        Column("fair_score", pa.float64(), "Share of FAIR indicator points reached, 0 to 1.", unit="1"),
        Column("error_count", pa.int64(), "Findings of level error.", unit="1"),
        Column("warning_count", pa.int64(), "Findings of level warning.", unit="1"),
        Column("personal_count", pa.int64(), "Values like personal identifiers, in errors and warnings.", unit="1"),
        Column("row_count", pa.int64(), "Rows in all tables plus documents in all text collections.", unit="1"),
        Column("size_bytes", pa.int64(), "Bytes of all submitted files.", unit="byte"),
        Column("validated_at", TIMESTAMP, "When the verdict was given (UTC).", nullable=False),
    ),
)

FINDINGS = TableDefinition(
    name="archive.findings",
    grain="one row per finding code and place of a submission; repeated findings are counted, not repeated",
    key=("submission", "content_sha256", "rules_version", "code", "place"),
    owner="team:archive",
    columns=(
        *SUBMISSION_KEY,
        Column("code", pa.string(), "Stable rule code, e.g. REFERENCE_BROKEN.", nullable=False),
        Column("level", pa.string(), "error, warning or note.", nullable=False),
        Column("place", pa.string(), "File, and column where there is one.", nullable=False),
        Column("occurrences", pa.int64(), "How many rows or files it was found in.", unit="1"),
        Column("first_row", pa.int64(), "First data row, counted from 1; null when not about rows."),
        Column("message", pa.string(), "What is wrong; personal values are masked."),
        Column("how_to_fix", pa.string(), "What the submitter does next."),
        Column("validated_at", TIMESTAMP, "When it was found (UTC).", nullable=False),
    ),
)

FAIR_INDICATORS = TableDefinition(
    name="archive.fair_indicators",
    grain="one row per FAIR indicator of a submission",
    key=("submission", "content_sha256", "rules_version", "indicator"),
    owner="team:archive",
    columns=(
        *SUBMISSION_KEY,
        Column("indicator", pa.string(), "RDA FAIR Data Maturity indicator, e.g. RDA-F2-01M.", nullable=False),
        Column("principle", pa.string(), "F, A, I or R.", nullable=False),
        Column("question", pa.string(), "What the indicator asks."),
        Column("points", pa.float64(), "Points reached.", unit="1"),
        Column("max_points", pa.float64(), "Points possible; 0 when the indicator is not counted.", unit="1"),
        Column("evidence", pa.string(), "What was seen in the submission."),
        Column("next_action", pa.string(), "What would raise the score; empty when full."),
        Column("validated_at", TIMESTAMP, "When it was judged (UTC).", nullable=False),
        Column("priority", pa.string(), "essential, important or useful, as the RDA model says."),
        Column("indicator_verdict", pa.string(), "met, partly met, not met, does not apply, or after publication."),
        Column("fuji_metric", pa.string(), "F-UJI metric that asks the same, e.g. FsF-F2-01M."),
    ),
)

TERMS = TableDefinition(
    name="archive.terms",
    grain="one row per stored dataset version and table, text collection or event log of it",
    key=("dataset", "dataset_version", "part"),
    owner="team:archive",
    columns=(
        Column("dataset", pa.string(), "Dataset name.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
        Column("part", pa.string(), "Table, text collection or event log.", nullable=False),
        Column("part_kind", pa.string(), "table, text or events.", nullable=False),
        Column("licence", pa.string(), "SPDX licence expression of the part."),
        Column("purposes", pa.string(), "Codes of permitted purposes, apart by blanks; empty: the licence decides."),
        Column("forbidden", pa.string(), "Codes of forbidden purposes, apart by blanks."),
        Column("access", pa.string(), "open, registered or restricted.", nullable=False),
        Column("attribution", pa.string(), "The sentence that users must print."),
        Column("conditions", pa.string(), "What else users agree to."),
        Column("retention_until", pa.date32(), "Day after which the data must be gone."),
        Column("consent_basis", pa.string(), "Why personal data may be held."),
        Column("consent_table", pa.string(), "Table that says which subject agreed to which purpose."),
        Column("consent_subject", pa.string(), "Its column of subjects."),
        Column("consent_purpose", pa.string(), "Its column of purposes."),
        Column("consent_given", pa.string(), "Its column that says whether consent was given."),
        Column("hidden_columns", pa.string(), "Direct identifiers and sensitive columns, apart by blanks."),
        Column("subject_columns", pa.string(), "Columns that name a subject of the consent table, apart by blanks."),
        Column("person_columns", pa.string(), "Columns that say which person a row is about, apart by blanks."),
        Column("former_columns", pa.string(), "Columns that had another name before, as former:now apart by blanks."),
        Column("pseudonym_columns", pa.string(), "Columns whose values are pseudonyms in silver, apart by blanks."),
        Column("pseudonym_key", pa.string(), "Fingerprint of the key of these pseudonyms."),
        Column("is_personal", pa.bool_(), "Whether the rows are about people.", nullable=False),
        Column("accumulates", pa.string(), "waves or snapshots.", nullable=False),
        Column("saved_at", TIMESTAMP, "When the version was saved (UTC).", nullable=False),
    ),
)

WITHDRAWALS = TableDefinition(
    name="archive.withdrawals",
    grain="one row per withdrawal and dataset version that was rewritten: the tombstone of a person",
    key=("receipt", "dataset", "dataset_version"),
    owner="team:archive",
    columns=(
        Column("receipt", pa.string(), "Id of the signed receipt.", nullable=False),
        Column("dataset", pa.string(), "Dataset that held the person.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("subject_kind", pa.string(), "Kind of subject, e.g. student.", nullable=False),
        Column("subject_hash", pa.string(), "Keyed hash of the subject.", nullable=False),
        Column("commit_before", pa.string(), "DataLad commit that is gone.", nullable=False),
        Column("commit_after", pa.string(), "DataLad commit that replaced it.", nullable=False),
        Column("content_before", pa.string(), "Content hash before.", nullable=False),
        Column("content_after", pa.string(), "Content hash after; the same where nothing went.", nullable=False),
        Column("rows_removed", pa.int64(), "Rows and statements that went from this version.", unit="1"),
        Column("mentions_masked", pa.int64(), "Places in running text that were masked.", unit="1"),
        Column("withdrawn_by", pa.string(), "Who ran the withdrawal."),
        Column("reason", pa.string(), "Why, in the words of whoever ran it."),
        Column("withdrawn_at", TIMESTAMP, "When it was recorded (UTC).", nullable=False),
    ),
)

ACCEPTANCES = TableDefinition(
    name="archive.acceptances",
    grain="one row per finding of personal data that somebody accepted, for exactly one content",
    key=("content_sha256", "code", "place"),
    owner="team:archive",
    columns=(
        Column("submission", pa.string(), "Arrival key, dataset@version.", nullable=False),
        Column(
            "content_sha256",
            pa.string(),
            "Hash of the content it holds for; other content needs another.",
            nullable=False,
        ),
        Column("code", pa.string(), "Rule code of the accepted finding.", nullable=False),
        Column("place", pa.string(), "File, and column where there is one.", nullable=False),
        Column("accepted_by", pa.string(), "Name of who answers for it.", nullable=False),
        Column("reason", pa.string(), "Why it may be published all the same.", nullable=False),
        Column("accepted_at", TIMESTAMP, "When it was accepted (UTC).", nullable=False),
    ),
)

REGISTER = (SUBMISSIONS, FINDINGS, FAIR_INDICATORS, WITHDRAWALS, ACCEPTANCES, TERMS, *HOLDINGS)
