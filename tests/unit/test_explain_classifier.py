"""From a classifier's answer back to its version, table, dataset commit, licence and the person responsible."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from assets.explain import explain
from assets.tuned_reproduction import recorded_finetuning
from dagster_project import classifier_place
from lakehouse.archive.metadata.lineage_crate import document
from lakehouse.errors import NotReproducibleError, StageError, UntraceableError
from lakehouse.lineage import as_text, walk
from lakehouse.tables.gold import MODEL_QUARANTINES
from models.checkpoint import WEIGHTS
from models.classifier_versions import INSTRUCTED_FILES, TRAINING
from models.config import file_sha256
from models.durable import seal
from models.errors import CheckpointError
from models.instructions import answer_name
from tests.unit.explained_classifier import TABLE, VERSION, record
from tests.unit.explained_lake import COMMIT

OTHER, INSTRUCTED = "topics-0002", "instructed-0001"
ANSWER = f"{VERSION}/a/b c/0123456789ab"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def only(link, kind):
    found = {each.key: each for each in walk(link) if each.kind == kind}
    assert len(found) == 1, sorted(each.name for each in found.values())
    return next(iter(found.values()))


def test_an_answer_leads_to_version_table_licence_commit_and_person(lake):
    chain = explain(lake.sources(), ANSWER)
    assert (chain.kind, chain.facts["label"]) == ("prediction", "a/b c")
    version = only(chain, "classifier version")
    weights = lake.workshop.classifiers.folder(VERSION) / WEIGHTS
    assert (version.name, version.facts["weights sha256"]) == (VERSION, file_sha256(weights))
    assert (version.facts["stage"], version.facts["labels"]) == ("in use", "a/b c, maths")
    assert only(chain, "model version").name == "gpt-0001", "its base"
    (table,) = [each for each in version.parts if each.kind == "Iceberg snapshot"]
    assert table.name.startswith(f"{TABLE}@")
    assert (table.facts["licence"], table.facts["column of the text"]) == ("CC-BY-4.0", "said")
    data = only(table, "dataset version")
    assert (data.name, data.facts["DataLad commit"], data.facts["licence"]) == ("lessons@1", COMMIT, "CC-BY-4.0")
    assert only(table, "person responsible").facts["email"] == "ada@example.org"
    assert "run-8" in {each.name for each in walk(chain) if each.kind == "run"}
    recipe = [each for each in version.parts if each.kind == "recipe"]
    assert [each.facts["method"] for each in recipe] == ["lora"]
    (judged,) = [each for each in version.parts if each.kind == "judgement"]
    shown = {each.kind: each.facts for each in judged.parts}
    assert shown["evaluation"]["accuracy on all"] == "0.9000, 95 % interval 0.8500 to 0.9400, 60 texts of 12 groups"
    assert str(shown["tests"]["case_does_not_matter"]).startswith("FAILED: 0.5, at least 0.9; stops promotion")


def test_an_answer_to_a_question_leads_to_its_version_and_every_chain_can_be_written_as_a_crate(lake):
    folder = lake.workshop.instructed.root / INSTRUCTED
    folder.mkdir(parents=True)
    told = record(lake.documents_snapshot()) | {"rows_sha256": "8" * 64, "recipe": {"method": "full"}}
    for name in INSTRUCTED_FILES:
        (folder / name).write_text(json.dumps(told | {"base_version": "/models/theirs"}))
    seal(folder, INSTRUCTED_FILES)
    name = answer_name(INSTRUCTED, "What is this?", "A bond.")
    chain = explain(lake.sources(), name)
    assert (chain.kind, chain.name) == ("prediction", name)
    assert chain.facts["sha256 of the question begins with"] == hashlib.sha256(b"What is this?").hexdigest()[:12]
    assert "ask it the same again" in chain.facts["whether it did answer so"]
    assert only(chain, "model that answers version").name == INSTRUCTED
    base = only(chain, "checkpoint of a folder")
    assert (base.name, base.gone, "nobody wrote down" in base.unknown) == ("/models/theirs", "", True)
    assert only(chain, "dataset version").facts["licence"] == "CC-BY-4.0"
    for each in (chain, explain(lake.sources(), ANSWER)):
        kinds = {node["name"] for node in document(each, {}, datetime.now(UTC))["@graph"] if "name" in node}
        assert {f"{link.kind} {link.name}" for link in walk(each)} <= kinds
    with pytest.raises(UntraceableError, match="'maths' are no digits of a question"):
        explain(lake.sources(), f"{INSTRUCTED}/maths/0123456789ab")


def test_a_version_whose_record_says_less_is_told_all_the_same(lake):
    folder = lake.workshop.classifiers.folder(VERSION)
    record = json.loads((folder / TRAINING).read_text())
    for name in ("table_versions", "read_as"):
        del record[name]
    (folder / TRAINING).chmod(0o644)
    (folder / TRAINING).write_text(json.dumps(record))
    (table,) = [each for each in walk(explain(lake.sources(), VERSION)) if each.name.startswith(f"{TABLE}@")]
    assert table.facts["licence"] == "CC-BY-4.0"
    with pytest.raises(NotReproducibleError, match="fine-tune again"):
        recorded_finetuning(lake.sources(), VERSION)


def test_a_row_of_a_classifier_leads_to_its_version(lake):
    chain = explain(lake.sources(), f"gold.classifier_versions/{VERSION}")
    assert (chain.kind, only(chain, "classifier version").name) == ("row", VERSION)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (OTHER, "no record of a classifier's version 'topics-0002'; `lakehouse models list`"),
        (f"{OTHER}/maths/0123456789ab", "no record of a classifier's version"),
        (f"{VERSION}/physics/0123456789ab", "topics-0001 never answered 'physics'; it knows the labels a/b c, maths"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(lake, target, why):
    with pytest.raises(UntraceableError, match=why):
        explain(lake.sources(), target)


def test_a_version_that_was_withdrawn_or_altered_or_lost_says_so_and_the_rest_is_told(lake):
    lake.say(MODEL_QUARANTINES, model_version=VERSION, receipt="w1", reason="learned from somebody")
    assert explain(lake.sources(), VERSION).gone == "in quarantine after withdrawal w1: learned from somebody"
    lake.more.clear()
    lake.workshop.classifiers.quarantine(VERSION, {"receipt": "w1"})
    chain = explain(lake.sources(), ANSWER).parts[0]
    assert (chain.gone, chain.facts["texts learned from"]) == ("in quarantine", 40)
    for path in lake.workshop.classifiers.folder(VERSION).iterdir():
        path.unlink()
    lake.workshop.classifiers.folder(VERSION).rmdir()
    chain = explain(lake.sources(), ANSWER).parts[0]
    assert "no classifier 'topics-0001'" in chain.gone
    assert "accuracy on all" in as_text(chain)
    assert only(chain, "model version").name == "gpt-0001"


def test_altered_weights_and_a_base_that_is_gone_are_shown(lake):
    folder = lake.workshop.classifiers.folder(VERSION)
    (folder / WEIGHTS).chmod(0o644)
    (folder / WEIGHTS).write_text("other")
    training = json.loads((folder / TRAINING).read_text()) | {"base_version": "gpt-0007"}
    (folder / TRAINING).chmod(0o644)
    (folder / TRAINING).write_text(json.dumps(training))
    chain = explain(lake.sources(), VERSION)
    assert "SHA-256 differs" in chain.gone
    assert "no record of a model version 'gpt-0007'" in only(chain, "model version").gone


def test_a_classifier_is_found_by_folder_version_or_name(lake, monkeypatch, tmp_path):
    monkeypatch.setattr(classifier_place, "lakehouse", lambda settings: lake.house)
    monkeypatch.setattr(classifier_place, "workshop", lambda settings: lake.workshop)
    monkeypatch.setattr(classifier_place, "read_classifiers", lambda: {"topics": None, "moods": None})
    folder = lake.workshop.classifiers.folder(VERSION)
    for given in (VERSION, "topics"):
        assert classifier_place.place_of(lambda: None, given) == (folder, VERSION)
    for given in (folder, tmp_path / "nowhere"):
        assert classifier_place.place_of(pytest.fail, str(given)) == (given, ""), "no settings are needed"
    with pytest.raises(StageError, match="no version of moods is in use; make one"):
        classifier_place.place_of(lambda: None, "moods")
    with pytest.raises(CheckpointError, match="no classifier 'topics-0002'"):
        classifier_place.place_of(lambda: None, OTHER)
