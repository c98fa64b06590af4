"""The jobs: `ingest` stores a submission, `learn` makes a model, `look_after` and `maintain` watch and tend tables.

`shrink`, `classify` and `instruct` make what is made from a model, and run when somebody asks for it.
"""

from collections.abc import Sequence

import dagster as dg

from assets.classify import CLASSIFIERS
from assets.evaluate import evaluation
from assets.ingest import Wanted, fetch_upload, submission
from assets.instruct import instructed_model
from assets.maintain import maintenance
from assets.monitor import drift, table_health
from assets.publish import release
from assets.retrain import retrain_decisions
from assets.shrink import SMALLER, ShrinkWhich
from assets.store import bronze_tables, documents, silver_tables
from assets.tokenize import tokenizer, tokens
from assets.train import Cause, language_model
from assets.validate import validation_report
from assets.version import dataset_record, dataset_version
from dagster_project.telling import tell_failure, tell_success

ASSETS = (
    submission,
    validation_report,
    dataset_version,
    dataset_record,
    bronze_tables,
    silver_tables,
    documents,
    tokenizer,
    tokens,
    language_model,
    evaluation,
    release,
    drift,
    table_health,
    retrain_decisions,
    maintenance,
    *SMALLER.values(),
    *CLASSIFIERS.values(),
    instructed_model,
)

STORED = (submission, validation_report, dataset_version, dataset_record, bronze_tables, silver_tables)
"""What one submission needs; `ingest` adds what its arrival means for the model."""

ingest = dg.define_asset_job(
    "ingest",
    selection=[*STORED, drift, retrain_decisions],
    hooks={tell_success, tell_failure},
    description="One submission, from the inbox to its tables, and what its arrival means for the model.",
)

learn = dg.define_asset_job(
    "learn",
    selection=[documents, tokenizer, tokens, language_model, evaluation, release, drift, retrain_decisions],
    description="From the published documents to an evaluated model, published when it is better; and what shifted.",
)

maintain = dg.define_asset_job(
    "maintain",
    selection=[maintenance],
    description="Takes care of the published tables: files, snapshots, branches, orphans.",
)

shrink = dg.define_asset_job(
    "shrink",
    selection=[*SMALLER.values()],
    description="Smaller forms of a model version, each measured beside it and judged.",
)

classify = dg.define_asset_job(
    "classify",
    selection=[*CLASSIFIERS.values()],
    description="Classifiers of texts, fine-tuned from the current model, tested, and put to use when they are better.",
)

instruct = dg.define_asset_job(
    "instruct",
    selection=[instructed_model],
    description="A model that answers, taught from the table of instructions that settings name.",
)

look_after = dg.define_asset_job(
    "look_after",
    selection=[table_health],
    description="How the project's own tables keep their promises today.",
)


ALWAYS = (ingest, learn, look_after, maintain, shrink, classify, instruct)
"""The jobs that are there whatever the settings; `collect` needs a bucket for uploads."""


@dg.job(description="One upload, from the bucket to the inbox; `inbox_sensor` takes it from there.")
def collect() -> None:
    """Fetch an upload."""
    fetch_upload()


def collect_config(upload: str) -> dict[str, object]:
    """Return the run configuration that says which upload is fetched."""
    return {"ops": {fetch_upload.name: {"config": Wanted(upload=upload).model_dump()}}}


def learn_config(cause: str) -> dict[str, object]:
    """Return the run configuration that records why a training was asked for."""
    return {"ops": {language_model.key.to_python_identifier(): {"config": Cause(cause=cause).model_dump()}}}


def shrink_config(version: str, names: Sequence[str]) -> dict[str, object]:
    """Return the run configuration that says of which version these forms are made."""
    which = ShrinkWhich(version=version).model_dump()
    return {"ops": {SMALLER[name].key.to_python_identifier(): {"config": which} for name in names}}
