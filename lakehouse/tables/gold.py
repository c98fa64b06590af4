"""Gold tables: documents for the language model, results of models, drift, and loads, each with its provenance."""

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.classifiers import CLASSIFIER_RESULTS, CLASSIFIER_VERSIONS
from lakehouse.tables.health import HEALTH
from lakehouse.tables.instructed import INSTRUCTED_RESULTS, INSTRUCTED_VERSIONS
from lakehouse.tables.register import TIMESTAMP

RUN = (
    Column("run_id", pa.string(), "Dagster run that wrote the row.", nullable=False),
    Column("code_commit", pa.string(), "Commit of this project's code.", nullable=False),
    Column("recorded_at", TIMESTAMP, "When the row was written (UTC).", nullable=False),
)

MODEL = (
    Column("model_version", pa.string(), "Version of the language model.", nullable=False),
    Column("evaluation_snapshot", pa.string(), "Hash of the held-out documents it was measured on.", nullable=False),
)

LOADS = TableDefinition(
    name="gold.loads",
    grain="one row per table and dataset version that was loaded",
    key=("table_name", "dataset", "dataset_version"),
    columns=(
        Column("table_name", pa.string(), "Table that received the rows.", nullable=False),
        Column("layer", pa.string(), "bronze, silver or gold.", nullable=False),
        Column("dataset", pa.string(), "Dataset name.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
        Column("row_count", pa.int64(), "Rows written for this version.", unit="1"),
        *RUN,
    ),
)

DOCUMENTS = TableDefinition(
    name="gold.documents",
    grain="one row per document the language model may learn from or be measured on",
    key=("document_id",),
    columns=(
        Column("document_id", pa.string(), "Stable id, dataset/collection/name.", nullable=False),
        Column("dataset", pa.string(), "Dataset it comes from.", nullable=False),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
        Column("title", pa.string(), "Human title."),
        Column("text", pa.large_string(), "The whole text, UTF-8.", nullable=False),
        Column("byte_count", pa.int64(), "Bytes of the text in UTF-8.", unit="byte"),
        Column("licence", pa.string(), "SPDX licence expression."),
        Column("split", pa.string(), "train, validation or test; fixed by a hash of the text.", nullable=False),
    ),
)

MODEL_VERSIONS = TableDefinition(
    name="gold.model_versions",
    grain="one row per trained language model",
    key=("model_version",),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version of the language model.", nullable=False),
        Column("recipe", pa.string(), "Every hyper-parameter as canonical JSON.", nullable=False),
        Column("seed", pa.int64(), "Random seed."),
        Column("parameter_count", pa.int64(), "Trainable parameters.", unit="1"),
        Column("train_tokens", pa.int64(), "Tokens seen in training, repeats counted.", unit="1"),
        Column("train_seconds", pa.float64(), "Wall time of training.", unit="s"),
        Column("device", pa.string(), "cpu, or the name of the GPU."),
        Column(
            "documents_snapshot", pa.string(), "Iceberg snapshot of gold.documents it learned from.", nullable=False
        ),
        Column("cause", pa.string(), "Why it was trained: first, schedule, drift or request."),
        Column("training_key", pa.string(), "Name of its training in gold.training_progress; null in old rows."),
        *RUN,
    ),
)

MEASURED_AT_A_STEP = (
    Column("train_bits_per_byte", pa.float64(), "Loss on the step's batch.", unit="bit/byte"),
    Column("validation_bits_per_byte", pa.float64(), "Loss on validation documents; null between.", unit="bit/byte"),
    Column("tokens_per_second", pa.float64(), "Training speed.", unit="1/s"),
    Column("utilisation", pa.float64(), "Share of the measured matmul rate that the model used (MFU).", unit="1"),
)

TRAINING_PROGRESS = TableDefinition(
    name="gold.training_progress",
    grain="one row per training and step that was recorded while it went on; short trainings have none",
    key=("training_key", "step"),
    owner="team:models",
    columns=(
        Column("training_key", pa.string(), "Hash of recipe, documents and code version.", nullable=False),
        Column("step", pa.int64(), "Optimizer steps done.", nullable=False),
        Column("steps", pa.int64(), "Optimizer steps of the whole training.", nullable=False),
        *MEASURED_AT_A_STEP,
        *RUN,
    ),
)

TUNING_PROGRESS = TableDefinition(
    name="gold.tuning_progress",
    grain="one row per run that tuned a model and step that was told while it went on, one in ten seconds",
    key=("tuning", "step"),
    owner="team:models",
    columns=(
        Column("tuning", pa.string(), "What was tuned, and by which run: NAME/RUN.", nullable=False),
        Column("name", pa.string(), "Name of the classifier, or `instructed`.", nullable=False),
        Column("step", pa.int64(), "Optimizer steps done, those of a killed run before it counted.", nullable=False),
        Column("steps", pa.int64(), "Optimizer steps of the whole tuning.", nullable=False),
        Column("loss", pa.float64(), "Mean loss of the steps since the row before, as the tuning's epochs have it."),
        Column("texts_per_second", pa.float64(), "Texts learned, over the run until then.", unit="1/s"),
        Column("tokens_per_second", pa.float64(), "Their tokens, over the run until then.", unit="1/s"),
        *RUN,
    ),
)

TRAINING_CURVE = TableDefinition(
    name="gold.training_curve",
    grain="one row per model version and recorded training step",
    key=("model_version", "step"),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version of the language model.", nullable=False),
        Column("step", pa.int64(), "Optimizer steps done.", nullable=False),
        *MEASURED_AT_A_STEP,
        *RUN,
    ),
)

TOKEN_SHARES = TableDefinition(
    name="gold.token_shares",
    grain="one row per model version, dataset and licence it learned from",
    key=("model_version", "dataset", "licence"),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version of the language model.", nullable=False),
        Column("dataset", pa.string(), "Dataset of the training documents.", nullable=False),
        Column("licence", pa.string(), "SPDX licence expression of the documents."),
        Column("document_count", pa.int64(), "Training documents.", unit="1"),
        Column("token_count", pa.int64(), "Tokens of those documents, each counted once.", unit="1"),
        Column("token_share", pa.float64(), "Share of all tokens the model learned from, 0 to 1.", unit="1"),
        *RUN,
    ),
)

EVALUATIONS = TableDefinition(
    name="gold.evaluations",
    grain="one row per model version, evaluator, slice and evaluation snapshot",
    key=("model_version", "evaluation_snapshot", "evaluator", "slice"),
    owner="team:models",
    columns=(
        *MODEL,
        Column("evaluator", pa.string(), "gpt, unigram or trigram.", nullable=False),
        Column("slice", pa.string(), "all, or the dataset the documents come from.", nullable=False),
        Column("bits_per_byte", pa.float64(), "Negative log2 likelihood per byte of held-out text.", unit="bit/byte"),
        Column("standard_error", pa.float64(), "Over documents, weighted by bytes.", unit="bit/byte"),
        Column("document_count", pa.int64(), "Held-out documents.", unit="1"),
        Column("byte_count", pa.int64(), "Held-out bytes.", unit="byte"),
        *RUN,
    ),
)

PREDICTIONS = TableDefinition(
    name="gold.predictions",
    grain="one row per model version and held-out passage",
    key=("model_version", "evaluation_snapshot", "passage_id"),
    owner="team:models",
    columns=(
        *MODEL,
        Column("passage_id", pa.string(), "document_id#byte offset.", nullable=False),
        Column("document_id", pa.string(), "Held-out document.", nullable=False),
        Column("dataset", pa.string(), "Dataset of the document.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit of the document.", nullable=False),
        Column("passage", pa.large_string(), "The text that was scored."),
        Column("bits_per_byte", pa.float64(), "On this passage.", unit="bit/byte"),
        Column("next_token", pa.string(), "The token that really follows the passage."),
        Column("top_tokens", pa.string(), "Five likeliest next tokens, best first, as a JSON list."),
        Column("top_probabilities", pa.string(), "Their probabilities, 0 to 1, as a JSON list."),
        Column("next_token_probability", pa.float64(), "Probability given to the real next token.", unit="1"),
        Column("in_top_5", pa.bool_(), "Whether the real next token is among the five."),
        Column("continuation", pa.large_string(), "What the model writes on."),
        *RUN,
    ),
)

PROMOTIONS = TableDefinition(
    name="gold.promotions",
    grain="one row per model version and evaluation snapshot it was judged on",
    key=("model_version", "evaluation_snapshot"),
    owner="team:models",
    columns=(
        *MODEL,
        Column("compared_with", pa.string(), "Version that was current; null for the first model."),
        Column("promoted", pa.bool_(), "Whether it became the current version then.", nullable=False),
        Column("waits", pa.bool_(), "Whether it only waited for a person to agree."),
        Column("difference", pa.float64(), "Candidate minus current; negative is better.", unit="bit/byte"),
        Column("standard_error", pa.float64(), "Of the difference, over documents.", unit="bit/byte"),
        Column("reason", pa.string(), "The numbers behind the decision.", nullable=False),
        *RUN,
    ),
)

MODEL_MEASURES = TableDefinition(
    name="gold.model_measures",
    grain="one row per model version, measure, slice and what it was measured on",
    key=("model_version", "measure", "slice", "measured_on"),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version of the language model.", nullable=False),
        Column(
            "measure",
            pa.string(),
            "bits_per_byte; bits_per_token (bit); calibration_error, blimp_accuracy, arc_accuracy, distinct_2_share, "
            "repeated_4_gram_share (1); cpu_milliseconds_per_token (ms); peak_memory_bytes (byte).",
            nullable=False,
        ),
        Column(
            "slice",
            pa.string(),
            "all, or the part that was measured: a source, a length, a paradigm; or what it stands beside: "
            "held-out text, a published model, guessing.",
            nullable=False,
        ),
        Column(
            "measured_on",
            pa.string(),
            "Evaluation snapshot, or the published test, its size and its hash.",
            nullable=False,
        ),
        Column("value", pa.float64(), "The figure.", nullable=False),
        Column("low", pa.float64(), "Lower end of its 95 % interval; of a latency, the least."),
        Column("high", pa.float64(), "Upper end of its 95 % interval; of a latency, the most."),
        Column("count", pa.int64(), "Documents, tokens, pairs or questions it rests on.", unit="1"),
        *RUN,
    ),
)

MODEL_TESTS = TableDefinition(
    name="gold.model_tests",
    grain="one row per model version, evaluation snapshot and test of models/trials.yaml, or of the file set instead",
    key=("model_version", "evaluation_snapshot", "test"),
    owner="team:models",
    columns=(
        *MODEL,
        Column("test", pa.string(), "Name of the test.", nullable=False),
        Column("measure", pa.string(), "What was measured.", nullable=False),
        Column("value", pa.float64(), "The measure; null when it was no number, which never passes.", unit="1"),
        Column("threshold", pa.float64(), "What the value must keep.", nullable=False, unit="1"),
        Column("comparison", pa.string(), "at_most or at_least.", nullable=False),
        Column("passed", pa.bool_(), "Whether the value keeps the threshold.", nullable=False),
        Column("stops", pa.string(), "What a failure stops: training, promotion or nothing.", nullable=False),
        Column("owner", pa.string(), "Who answers for the threshold.", nullable=False),
        Column("detail", pa.string(), "The worst cases.", nullable=False),
        *RUN,
    ),
)

MODEL_STAGES = TableDefinition(
    name="gold.model_stages",
    grain="one row per decision of a person on a model version; the gate's own decisions are in gold.promotions",
    key=("event_key",),
    owner="team:models",
    columns=(
        Column(
            "event_key", pa.string(), "Release it followed and what happened; sorts in order of time.", nullable=False
        ),
        Column("model_version", pa.string(), "Version of the language model.", nullable=False),
        Column("stage", pa.string(), "current, rolled_back or retired.", nullable=False),
        Column("evaluation_snapshot", pa.string(), "Held-out documents an approval rests on; null otherwise."),
        Column("decided_by", pa.string(), "User of policy.yaml who decided.", nullable=False),
        Column("reason", pa.string(), "Why, in that person's words.", nullable=False),
        *RUN,
    ),
)

MODEL_FORMS = TableDefinition(
    name="gold.model_forms",
    grain="one row per smaller form of a model version, evaluation snapshot and what the gate asked of it",
    key=("form", "evaluation_snapshot", "asked"),
    owner="team:models",
    columns=(
        Column("form", pa.string(), "Name of the form: the version, then how it was made.", nullable=False),
        *MODEL,
        Column("asked", pa.string(), "What the gate asked, as models/forms.yaml had it.", nullable=False),
        Column("accepted", pa.bool_(), "Whether it keeps what was asked.", nullable=False),
        Column("reason", pa.string(), "The numbers behind the decision.", nullable=False),
        Column("weights_sha256", pa.string(), "SHA-256 of its file of weights, or of its graph.", nullable=False),
        Column("size_bytes", pa.int64(), "Bytes of that file.", unit="byte"),
        Column("whole_size_bytes", pa.int64(), "Bytes of the version's own file of weights.", unit="byte"),
        Column("bits_per_byte", pa.float64(), "Bits per byte over all held-out documents.", unit="bit/byte"),
        Column("whole_bits_per_byte", pa.float64(), "The version's own, measured alike.", unit="bit/byte"),
        Column("difference", pa.float64(), "Form minus version; above 0 is a loss.", unit="bit/byte"),
        Column("low", pa.float64(), "Lower end of the difference's paired 95 % interval.", unit="bit/byte"),
        Column("high", pa.float64(), "Upper end; it decides.", unit="bit/byte"),
        Column("document_count", pa.int64(), "Held-out documents both were measured on.", unit="1"),
        Column("tokens_per_cpu_second", pa.float64(), "Tokens read a CPU second, one text at a time.", unit="1/s"),
        Column("whole_tokens_per_cpu_second", pa.float64(), "The version's own, in turns with it.", unit="1/s"),
        Column("peak_memory_bytes", pa.int64(), "Largest resident size of the process that scored it.", unit="byte"),
        Column("whole_peak_memory_bytes", pa.int64(), "Of the process that scored the version.", unit="byte"),
        *RUN,
    ),
)

DRIFT = TableDefinition(
    name="gold.drift",
    grain="one row per dataset table, column and dataset version compared with its predecessor",
    key=("table_name", "column_name", "dataset_version", "measure"),
    owner="team:monitoring",
    columns=(
        Column("table_name", pa.string(), "Silver table.", nullable=False),
        Column("column_name", pa.string(), "Column measured.", nullable=False),
        Column("dataset", pa.string(), "Dataset name.", nullable=False),
        Column("dataset_version", pa.string(), "New version.", nullable=False),
        Column("reference_version", pa.string(), "Version it is compared with.", nullable=False),
        Column("measure", pa.string(), "population_stability_index or missing_share_change.", nullable=False),
        Column("value", pa.float64(), "The measure.", unit="1"),
        Column("threshold", pa.float64(), "Above it the column has drifted.", unit="1"),
        Column("drifted", pa.bool_(), "value > threshold."),
        *RUN,
    ),
)

RETRAIN_DECISIONS = TableDefinition(
    name="gold.retrain_decisions",
    grain="one row per cause that asked for a retraining",
    key=("cause_key",),
    owner="team:monitoring",
    columns=(
        Column("cause_key", pa.string(), "What asked, once: dataset@version, or the schedule's tick.", nullable=False),
        Column("cause", pa.string(), "first, schedule, drift or request.", nullable=False),
        Column("decision", pa.string(), "retrain, or wait with its reason.", nullable=False),
        Column("reason", pa.string(), "The numbers behind the decision."),
        *RUN,
    ),
)

MODEL_QUARANTINES = TableDefinition(
    name="gold.model_quarantines",
    grain="one row per model version and withdrawal that put it in quarantine; a retrained model is a new version",
    key=("model_version", "receipt"),
    owner="team:models",
    columns=(
        Column("model_version", pa.string(), "Version that must not be used again.", nullable=False),
        Column("receipt", pa.string(), "Withdrawal after which it must not.", nullable=False),
        Column("reason", pa.string(), "Why.", nullable=False),
        *RUN,
    ),
)

MAINTENANCE = TableDefinition(
    name="gold.maintenance",
    grain="one row per table and maintenance run that changed something in it",
    key=("run_id", "table_name"),
    owner="team:data",
    columns=(
        Column("table_name", pa.string(), "Table taken care of.", nullable=False),
        Column("data_files_before", pa.int64(), "Files that its rows lay in.", unit="1"),
        Column("data_files_after", pa.int64(), "Files that its rows lie in.", unit="1"),
        Column("data_bytes", pa.int64(), "Bytes of those files.", unit="byte"),
        Column("data_bytes_before", pa.int64(), "Bytes of the data files before; null in old rows.", unit="byte"),
        Column("snapshots_before", pa.int64(), "Snapshots in its metadata.", unit="1"),
        Column("snapshots_after", pa.int64(), "Snapshots in its metadata afterwards.", unit="1"),
        Column("stored_files_before", pa.int64(), "All files in its folder.", unit="1"),
        Column("stored_files_after", pa.int64(), "All files in its folder afterwards.", unit="1"),
        Column("stored_bytes_before", pa.int64(), "Bytes of all files.", unit="byte"),
        Column("stored_bytes_after", pa.int64(), "Bytes of all files afterwards.", unit="byte"),
        Column("branches_dropped", pa.int64(), "Audit branches that nobody was using any more.", unit="1"),
        Column("compactions", pa.int64(), "Groups of small files that were joined.", unit="1"),
        Column("snapshots_expired", pa.int64(), "Old snapshots that can no longer be read.", unit="1"),
        Column("orphan_files", pa.int64(), "Files deleted because nothing needed them.", unit="1"),
        Column("orphan_bytes", pa.int64(), "Bytes of those files.", unit="byte"),
        *RUN,
    ),
)

GOLD = (
    LOADS,
    DOCUMENTS,
    MODEL_VERSIONS,
    TRAINING_PROGRESS,
    TUNING_PROGRESS,
    TRAINING_CURVE,
    TOKEN_SHARES,
    EVALUATIONS,
    PREDICTIONS,
    PROMOTIONS,
    MODEL_MEASURES,
    MODEL_TESTS,
    MODEL_STAGES,
    MODEL_FORMS,
    CLASSIFIER_VERSIONS,
    CLASSIFIER_RESULTS,
    INSTRUCTED_VERSIONS,
    INSTRUCTED_RESULTS,
    DRIFT,
    RETRAIN_DECISIONS,
    MODEL_QUARANTINES,
    *HEALTH,
    MAINTENANCE,
)
