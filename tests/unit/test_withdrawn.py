"""A withdrawal that begins and ends while a model learns: what came of it is not used, and work files go."""

import json
import shutil
from types import SimpleNamespace

import pytest

from assets import tuning
from assets.classified_texts import Learnable
from assets.classifying import classifying
from assets.gate import Gate
from assets.publish import candidate
from assets.tuning import tune
from assets.withdrawn import require_not_withdrawn
from lakehouse.archive.withdraw.steps import Steps
from lakehouse.errors import BusyError
from lakehouse.ports import Provenance
from lakehouse.tables.classifiers import CLASSIFIER_VERSIONS
from lakehouse.tables.gold import LOADS, MODEL_VERSIONS
from lakehouse.tables.withdrawals import quarantine, quarantined
from models.classifier_versions import FILES
from models.classifiers import classifier_named
from models.durable import seal
from models.labelled import LabelledText
from models.tuned_requests import TuneAnswer, TunedFigure
from tests.unit.explained_lake import COMMIT, open_lake

ONE = "topics-0001"
LEARNED = {"lessons@1": COMMIT}
HERE = Provenance(run_id="test", code_commit="c" * 40)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def lake(tmp_path):
    made = open_lake(tmp_path)
    made.publish(LOADS, {"dataset": "lessons", "dataset_version": "1", "dataset_commit": COMMIT, "layer": "silver"})
    return made


def learn(lake, record=None):
    folder = lake.workshop.classifiers.root / ONE
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(
            json.dumps({"dataset_commits": LEARNED, "base_version": "gpt-0001", **(record or {})})
        )
    seal(folder, FILES)
    return folder


def made(lake, declared, learnable):
    return tune(lake.house, lake.workshop, classifying(lake.house, lake.workshop, declared, learnable), Gate(), HERE)


def used(lake, *, created=True, commits=LEARNED):
    require_not_withdrawn(lake.house, lake.workshop, ONE, commits, created=created, base="gpt-0001")


def test_what_nobody_withdrew_may_be_used(lake):
    learn(lake)
    used(lake)
    assert quarantined(lake.house.objects) == set()


@pytest.mark.parametrize("what", ["base", "commit", "open"])
def test_what_was_withdrawn_meanwhile_goes_into_quarantine(lake, what):
    folder, commits = learn(lake), dict(LEARNED)
    if what == "base":
        quarantine(lake.house.objects, "gpt-0001", "receipt-1")
    if what == "commit":
        commits = {"lessons@1": "9" * 40}
    if what == "open":
        lake.house.objects.put("withdrawals/w1.plan.json", b"{}")
    with pytest.raises(BusyError, match="not finished" if what == "open" else "so it is not used; run this again"):
        used(lake, created=False, commits=commits)
    assert ONE not in quarantined(lake.house.objects), "the withdrawal itself saw what was there before"
    with pytest.raises(BusyError):
        used(lake, commits=commits)
    assert ONE in quarantined(lake.house.objects)
    assert not (folder / "model.safetensors").exists()


def receipt(lake, commit, **taken):
    """A withdrawal ended that gave `lessons@1` another commit."""
    places = [{"place": "dataset lessons@1", "commit_before": commit, "commit_after": COMMIT, **taken}, {"place": "x"}]
    body = json.dumps({"receipt": {"places": places}, "signature": {}}).encode()
    lake.house.objects.put(f"withdrawals/of-{commit[:1]}.receipt.json", body)


def test_models_of_another_lake_or_of_data_that_only_moved_are_left_alone(lake):
    receipt(lake, "7" * 40, rows_removed={}, cells_emptied={})
    for version, commit in (("gpt-0002", "9" * 40), ("gpt-0003", "7" * 40)):
        lake.keep_model(version, dataset_commits={"lessons@1": commit})
    assert candidate(lake.house, lake.workshop) == "gpt-0003"
    assert quarantined(lake.house.objects) == set()


def test_a_damaged_record_of_an_old_version_stops_no_other(lake):
    lake.keep_model("gpt-0002", dataset_commits={"lessons@1": COMMIT})
    record = lake.workshop.checkpoints.folder("gpt-0001") / "training.json"
    record.chmod(0o644)
    record.write_text("{")
    lake.publish(MODEL_VERSIONS, {"model_version": "gpt-0002"})
    assert candidate(lake.house, lake.workshop) == "gpt-0002"


def test_what_killed_runs_left_goes_into_quarantine_before_anything_is_published(lake, monkeypatch):
    assert candidate(lake.house, lake.workshop) == "gpt-0001"
    lake.keep_model("gpt-0002", dataset_commits={"lessons@1": "9" * 40})
    receipt(lake, "9" * 40, rows_removed={"lessons": 1})
    with pytest.raises(BusyError, match=r"gpt-0002 learned from lessons@1\): such versions are in quarantine now"):
        candidate(lake.house, lake.workshop)
    assert candidate(lake.house, lake.workshop) == "gpt-0001", "which is published, so a withdrawal saw it"
    assert not (lake.workshop.checkpoints.folder("gpt-0002") / "model.safetensors").exists()

    monkeypatch.setattr(tuning, "_ask_again", lambda *given, created: pytest.fail("it is no stray"))
    declared, strange = classifier_named("subject_classifier"), {"gone@1": "8" * 40}
    for commits, ends in ((LEARNED, pytest.fail.Exception), ({"lessons@1": "9" * 40}, BusyError)):
        monkeypatch.setattr(tuning, "_answered", lambda *given: SimpleNamespace(created=True))
        folder = learn(lake, {"table_versions": ["lessons@1"], "dataset_commits": commits | strange})
        with pytest.raises(ends, match=r"it is no stray|topics-0001 learned from lessons@1\)"):
            made(lake, declared, Learnable([], folder, {}))
        assert (ONE in quarantined(lake.house.objects)) is (ends is BusyError), "data of its base are its base's affair"
        shutil.rmtree(folder)


@pytest.mark.parametrize("what", ["withdrawn", "stored"])
def test_a_classifier_is_not_judged_on_a_table_that_changed_while_it_learned(lake, monkeypatch, what):
    read = lake.house.releases.current().pin(LOADS.name).snapshot_id
    given = [LabelledText("1", "a text", "physics", "g", "test")]
    learnable = Learnable(
        given,
        lake.workshop.root / "work" / "classify" / "topics",
        {"table": LOADS.name, "table_snapshot": str(read), "dataset_commits": LEARNED, "licence": ""},
    )
    figure = TunedFigure("gain_over_commonest_label", "all", 0.1, 0.05, 0.2, 60, 12, "e" * 64)

    def child(_verb, request, *_args, **_more):
        assert json.dumps(request)
        assert [path.suffix for path in learnable.folder.iterdir()] == [".parquet"]
        learn(lake)
        if what == "withdrawn":
            quarantine(lake.house.objects, "gpt-0001", "receipt-1")
        else:
            lake.publish(LOADS, {"dataset": "lessons", "dataset_version": "2", "dataset_commit": "8" * 40})
        answer = TuneAnswer(version=ONE, created=True, figures=[figure], trials=[], gain=None)
        return json.loads(json.dumps(answer.as_json()))

    monkeypatch.setattr(tuning, "perform", child)
    with pytest.raises(BusyError, match="run this again"):
        made(lake, classifier_named("subject_classifier"), learnable)
    assert CLASSIFIER_VERSIONS.name not in lake.house.releases.current().tables
    assert (ONE in quarantined(lake.house.objects)) is (what == "withdrawn")
    assert list(learnable.folder.iterdir()) == [], "texts are deleted when the child ends"


@pytest.mark.parametrize(("found", "deleted"), [(True, 1), (False, 0)])
def test_a_removal_of_rows_deletes_work_files_though_no_model_came_of_them(lake, found, deleted):
    left = lake.workshop.root / "work" / "classify" / "topics" / "texts-1.parquet"
    left.parent.mkdir(parents=True)
    left.write_text("rows")
    removal = SimpleNamespace(found=found, mentions=0, whole=False)
    steps = Steps(
        SimpleNamespace(models=lake.workshop),
        SimpleNamespace(versions=[SimpleNamespace(removal=removal)]),
        SimpleNamespace(steps=lambda: {"models": {"quarantined": []}}),
    )
    assert steps._work_files() == {"deleted": deleted}
    assert left.exists() is not found
