"""A lake of rows written by hand: two models, one dataset with two versions, and no training at all."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from assets.explain_data import Sources, open_sources
from assets.workshop import Workshop
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import TableDefinition
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.gold import (
    DOCUMENTS,
    EVALUATIONS,
    LOADS,
    MODEL_MEASURES,
    MODEL_QUARANTINES,
    MODEL_TESTS,
    MODEL_VERSIONS,
    PREDICTIONS,
    PROMOTIONS,
    TOKEN_SHARES,
)
from lakehouse.tables.records import RECORDS, TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish
from models.checkpoint import FILES, TRAINING
from models.config import TINY
from models.durable import seal
from models.trials import TrialResult

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
CODE, COMMIT, EARLIER = "c" * 40, "a" * 40, "b" * 40
HELD = "e" * 64
PASSAGE = "lessons/notes/one/part#17"
RUN = {"run_id": "run-7", "code_commit": CODE, "recorded_at": NOW}
PROVENANCE = Provenance(run_id="run-7", code_commit=CODE)
RECORD_SHA = "d" * 64
TOLD = {
    "description": {
        "contact": {"name": "Ada Example", "email": "ada@example.org"},
        "creators": [{"name": "A School", "identifier": "https://ror.org/01234567x"}],
        "publisher": "A Publisher",
    }
}
_SAMPLES = {pa.string(): "x", pa.large_string(): "long text", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): False}


@dataclass
class Archive:
    """Dataset versions, as many as a test says."""

    held: list[DatasetVersion] = field(default_factory=list)

    def versions(self, dataset):
        return [each for each in self.held if each.dataset == dataset]

    def find(self, dataset, version):
        return next((each for each in self.versions(dataset) if each.version == version), None)


def stored(version="1", commit=COMMIT, replaces=()):
    return DatasetVersion("lessons", version, commit, f"v{version}", "f" * 64, NOW, replaces)


@dataclass
class Lake:
    """Tables, objects, checkpoints and dataset versions in one folder."""

    house: Lakehouse
    workshop: Workshop
    archive: Archive
    more: list[tuple[TableDefinition, dict]] = field(default_factory=list)

    def another(self, folder) -> "Lake":
        """The same tables, with models and dataset versions that a test may change."""
        shutil.copytree(self.workshop.root, folder / "models")
        return Lake(self.house, Workshop(folder / "models", TINY), Archive([stored()]))

    def sources(self, missing_code=lambda _: "") -> Sources:
        opened = open_sources(self.house, self.workshop, self.archive, missing_code)
        for table, row in self.more:
            opened.rows(table).append(row)
        return opened

    def say(self, table: TableDefinition, **row: object) -> None:
        """Let a table hold one more row for this test."""
        self.more.append((table, _filled(table, row)))

    def publish(self, table: TableDefinition, *given: dict) -> None:
        """Publish rows; what is not given is made up by type."""
        rows = [_filled(table, row) for row in given]
        write = TableWrite(table, pa.Table.from_pylist(rows, schema=table.arrow_schema()))
        key = f"{table.name}:{json.dumps(given, default=str)}"
        write_audit_publish(self.house, [write], key=key, provenance=PROVENANCE)

    def documents_snapshot(self) -> int:
        return self.house.releases.current().pin(DOCUMENTS.name).snapshot_id

    def keep_model(self, version: str, **more: object) -> None:
        """Write a version's folder: its record, and files whose sums are right."""
        folder = self.workshop.checkpoints.root / version
        folder.mkdir(parents=True)
        training = {
            "recipe": json.loads(TINY.canonical_json()),
            "seed": 0,
            "cause": "first",
            "trained_at": "2024-05-01T12:00:00+00:00",
            "parameter_count": 12,
            "train_tokens": 34,
            "training_key": "k" * 64,
            "code_commit": CODE,
            "run_id": "run-6",
            "device": "cpu",
            "train_seconds": 1.5,
            "versions": {"torch": "2.0"},
            "packages": {"torch": "2.0"},
            "threads": 1,
            "documents_sha256": "0" * 64,
            "documents_snapshot": str(self.documents_snapshot()),
            "dataset_commits": {"lessons@1": COMMIT},
            "trials": [],
            **more,
        }
        for name in FILES:
            (folder / name).write_text(json.dumps(training) if name == TRAINING else name)
        seal(folder, FILES)


def _filled(table: TableDefinition, row: dict) -> dict:
    return {each.name: row.get(each.name, _sample(each)) for each in table.arrow_schema()}


def _sample(each: pa.Field) -> object:
    if each.name in RUN:
        return RUN[each.name]
    if pa.types.is_timestamp(each.type):
        return NOW
    return None if each.nullable else _SAMPLES[each.type]


def open_lake(folder) -> Lake:
    """A lake with documents, a dataset version and its record, and gpt-0001 with a prediction, measured and tested."""
    objects = LocalObjects(folder / "objects")
    house = Lakehouse(IcebergTables.local(folder / "tables"), objects, ReleaseLog(objects))
    lake = Lake(house, Workshop(folder / "models", TINY), Archive([stored()]))
    version = {"dataset": "lessons", "dataset_version": "1", "dataset_commit": COMMIT}
    known = {"model_version": "gpt-0001", "evaluation_snapshot": HELD}
    document = {"document_id": "lessons/notes/one/part", "licence": "CC-BY-4.0", "split": "test", **version}
    lake.publish(DOCUMENTS, {**document, "title": "One"})
    lake.publish(RECORDS, {**version, "record_sha256": RECORD_SHA, "licence": "CC-BY-4.0", "title": "Lessons"})
    objects.put(f"records/lessons/1/{RECORD_SHA[:12]}/record.json", json.dumps(TOLD).encode())
    lake.publish(TERMS, {**version, "part": "notes", "part_kind": "text", "licence": "CC-BY-4.0"})
    lake.publish(LOADS, {**version, "table_name": "silver.lessons_notes", "layer": "silver"})
    lake.publish(PREDICTIONS, {**known, "passage_id": PASSAGE, "document_id": document["document_id"], **version})
    lake.publish(MODEL_VERSIONS, {**known, "documents_snapshot": str(lake.documents_snapshot()), "recipe": "{}"})
    share = {"dataset": "lessons", "licence": "CC-BY-4.0", "token_share": 1.0, "token_count": 9}
    lake.publish(TOKEN_SHARES, {**known, **share})
    lake.publish(EVALUATIONS, {**known, "evaluator": "gpt", "slice": "all", "bits_per_byte": 1.25})
    lake.publish(
        MODEL_MEASURES, {**known, "measure": "bits_per_byte", "slice": "all", "measured_on": HELD, "value": 1.25}
    )
    test = TrialResult("writes_text", "valid_utf8_share", 0.5, 0.9, "at_least", False, "nothing", "team:models", "")
    lake.publish(MODEL_TESTS, {**known, **asdict(test), "test": test.trial})
    lake.publish(PROMOTIONS, {**known, "promoted": True, "reason": "the first"})
    lake.publish(MODEL_QUARANTINES, {"model_version": "gpt-0009", "receipt": "w0", "reason": "learned from somebody"})
    lake.publish(TOMBSTONES, {"dataset": "other", "dataset_version": "1", "reason": "-", "decided_by": "-"})
    lake.keep_model("gpt-0001")
    return lake
