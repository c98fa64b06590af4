"""A classifier in the lake that is explained: its rows as they are published, and its folder as it is written."""

import json

from lakehouse.tables.classifiers import CLASSIFIER_RESULTS, CLASSIFIER_VERSIONS
from models.classifier_versions import CLASSIFIER, FILES, TRAINING
from models.durable import seal
from tests.unit.explained_lake import CODE, COMMIT, HELD, Lake

TABLE, VERSION = "silver.lessons_notes", "topics-0001"
JUDGED = {"model_version": VERSION, "evaluation_snapshot": HELD, "judgement": "none:t1", "event_key": "0:0:judged:t"}
TEST = {"kind": "test", "name": "case_does_not_matter", "slice": "invariance", "comparison": "at_least"}


def record(snapshot_id):
    return {
        "trained_at": "2024-05-01T12:00:00+00:00",
        "train_texts": 40,
        "label_counts": {"a/b c": 20, "maths": 20},
        "trainable_parameters": 12,
        "seed": 3,
        "finetuning_key": "k" * 64,
        "run_id": "run-8",
        "code_commit": CODE,
        "device": "cpu",
        "threads": 1,
        "versions": {"torch": "2.0"},
        "packages": {"torch": "2.0"},
        "base_version": "gpt-0001",
        "table": TABLE,
        "table_snapshot": str(snapshot_id),
        "table_versions": ["lessons@1"],
        "dataset_commits": {"lessons@1": COMMIT},
        "licence": "CC-BY-4.0",
        "texts_sha256": "7" * 64,
        "read_as": {"dataset": "lessons", "table": "notes", "text": "said", "label": "topic", "group": None},
    }


def add_classifier(lake: Lake) -> None:
    """Put a classifier to use, which learned from the documents' snapshot as if it were its table's."""
    told = {"base": "gpt-0001", "table_name": TABLE, "table_snapshot": "5", "classifier": "topics", "recipe": "{}"}
    lake.publish(CLASSIFIER_VERSIONS, {**JUDGED, **told, "promoted": True, "reason": "the first"})
    known = {name: JUDGED[name] for name in ("model_version", "evaluation_snapshot", "judgement")}
    counted = {"slice": "all", "value": 0.9, "low": 0.85, "high": 0.94, "text_count": 60, "group_count": 12}
    test = {**known, **TEST, "value": 0.5, "threshold": 0.9, "passed": False, "stops": "promotion"}
    lake.publish(
        CLASSIFIER_RESULTS,
        {**known, "kind": "figure", "name": "accuracy", **counted},
        {**test, "owner": "team:models"},
    )
    folder = lake.workshop.classifiers.root / VERSION
    folder.mkdir(parents=True)
    for name in FILES:
        said = {TRAINING: record(lake.documents_snapshot()), CLASSIFIER: {"recipe": {"method": "lora"}}}.get(name, {})
        (folder / name).write_text(json.dumps(said))
    seal(folder, FILES)
