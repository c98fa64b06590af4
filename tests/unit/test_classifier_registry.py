"""Which version of a classifier is in use, by judgements and decisions written by hand, and what a withdrawal does."""

import json
import re
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest

from assets import archiving, tuned_approval
from assets.classified_texts import Learnable
from assets.retiring import retire_tuned
from assets.tuned_approval import approve_tuned, today_of
from assets.tuned_registry import (
    current_tuned,
    judgement_name,
    judgement_of,
    roll_back_tuned,
    standing,
)
from assets.tuning import require_fit
from lakehouse.errors import ApprovalError, PurposeError, StageError, UnfitModelError
from lakehouse.masking import Mask
from lakehouse.ports import Provenance
from lakehouse.tables.classifiers import CLASSIFIER_VERSIONS
from lakehouse.tables.withdrawals import quarantine
from models.classifier_versions import FILES, ClassifierVersions, is_classifier
from models.classifiers import classifier_named, read_classifiers
from models.durable import seal, verify
from models.errors import CheckpointError, LabelsError, RecipeError
from models.labelled import LabelledText, snapshot
from models.tuned_requests import TuneAnswer, TunedFigure, TunedGain, tune_answer
from tests.unit.explained_lake import COMMIT, NOW, open_lake

NAME, ONE, TWO, THREE = "topics", "topics-0001", "topics-0002", "topics-0003"
TEXTS = [LabelledText("1", "a text", "x", "g", "train"), LabelledText("2", "another", "y", "h", "test")]
RECORD = {
    "dataset_commits": {"lessons@1": COMMIT}, "texts_sha256": snapshot(TEXTS), "trained_at": "2024-05-01",
    "base_version": "gpt-0001", "seed": 0, "train_texts": 1, "table": "silver.notes", "table_snapshot": "5",
    "device": "cpu", "licence": "CC-BY-4.0", "label_counts": {"x": 1, "y": 0}, "code_commit": "c" * 40,
}  # fmt: skip
HERE = Provenance(run_id="test", code_commit="c" * 40)
TESTS = classifier_named("subject_classifier").trials
LEAST = SimpleNamespace(gain="gain_over_commonest_label", against="always naming the commonest label")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def lake(tmp_path):
    return open_lake(tmp_path)


def judged(lake, version, *, at, promoted=False, waits=False, compared_with=None):
    folder = lake.workshop.classifiers.root / version
    if not folder.is_dir():
        folder.mkdir(parents=True)
        told = json.dumps(RECORD | {"finetuning_key": version})
        for name in FILES:
            (folder / name).write_text(told)
        seal(folder, FILES)
    known = {"model_version": version, "evaluation_snapshot": "e" * 64, "classifier": NAME, "base": "gpt-0001"}
    how = {"promoted": promoted, "waits": waits, "compared_with": compared_with, "reason": f"as {version} is"}
    order = {"event_key": f"{lake.house.releases.current().number:010d}:0:judged:{version}"}
    when = {"recorded_at": NOW + timedelta(hours=at), "judgement": judgement_name(compared_with, TESTS)}
    lake.publish(CLASSIFIER_VERSIONS, {**known, **how, **order, **when})


@pytest.fixture
def today(monkeypatch):
    """What is read when a person approves: the texts of today, by the tests of today; a test may change both."""
    found = SimpleNamespace(texts=TEXTS, trials=TESTS, error=None)

    def texts_of(*_given):
        if found.error is not None:
            raise found.error
        return Learnable(found.texts, None, {})

    monkeypatch.setattr(tuned_approval, "texts_of", texts_of)
    monkeypatch.setattr(
        tuned_approval, "classifier_named", lambda name: SimpleNamespace(name=name, trials=found.trials)
    )
    return found


def approve(lake, version):
    today = today_of(None, lake.house, lake.workshop, None, None, None)
    return decide(lake, partial(approve_tuned, today=today), version)


def decide(lake, what, version):
    return what(lake.house, lake.workshop, version, by="ada", reason="read it", provenance=HERE)


def test_the_newest_that_was_put_to_use_is_in_use_until_a_person_rolls_back(lake):
    assert current_tuned(lake.house, NAME) is None
    judged(lake, ONE, at=1, promoted=True)
    judged(lake, TWO, at=2, promoted=True, compared_with=ONE)
    judged(lake, THREE, at=3, compared_with=TWO)
    assert current_tuned(lake.house, NAME) == TWO
    assert current_tuned(lake.house, "other") is None
    for version in (TWO, THREE):
        with pytest.raises(StageError, match="in use already or never was"):
            decide(lake, roll_back_tuned, version)
    with pytest.raises(StageError, match="topics-0002 is in use; run `lakehouse models rollback topics-0001` first"):
        decide(lake, retire_tuned, TWO)
    decide(lake, roll_back_tuned, ONE)
    assert current_tuned(lake.house, NAME) == ONE
    _, page = decide(lake, retire_tuned, TWO)
    told = page.read_text()
    assert "Retired by ada: read it" in told
    assert re.search(r"^Written on 20\d\d-\d\d-\d\d \d\d:\d\d UTC, before", told, re.MULTILINE)
    assert "- learned from lessons@1, commit " + COMMIT in told
    assert "1 texts of silver.notes, snapshot 5, under CC-BY-4.0" in told
    assert ": came into use: as topics-0002 is" in told
    assert "rolled back by ada: read it" in told
    assert "It was never measured." in told
    with pytest.raises(StageError, match="retired already"):
        decide(lake, retire_tuned, TWO)
    assert standing(lake.house) == {ONE: "in use", TWO: "retired", THREE: "rejected"}
    assert "`lakehouse models restore topics-0002` brings them back. The version is not chosen again." in told
    assert lake.workshop.classifiers.find(NAME, TWO) == TWO, "so it is not made anew"
    with pytest.raises(CheckpointError, match="topics-0002 is retired and its files lie in the archive"):
        verify(lake.workshop.classifiers.folder(TWO), FILES)
    verify(lake.workshop.restore(TWO), FILES)
    decide(lake, retire_tuned, TWO)  # again, after somebody looked at it
    decide(lake, retire_tuned, ONE)
    assert current_tuned(lake.house, NAME) is None, "none was in use before it that may be used again"


def test_a_judgement_is_of_texts_of_the_version_in_use_and_of_tests(lake, tmp_path):
    judged(lake, ONE, at=1, promoted=True)
    judged(lake, TWO, at=2, compared_with=ONE)
    assert judgement_of(lake.house, TWO, "e" * 64, ONE, TESTS).reason == "as topics-0002 is"
    assert judgement_of(lake.house, TWO, "f" * 64, ONE, TESTS) is None
    assert judgement_of(lake.house, TWO, "e" * 64, None, TESTS) is None, "the version in use was withdrawn"
    assert judgement_of(lake.house, ONE, "e" * 64, ONE, TESTS).promoted, "it is in use by this judgement"
    tightened = tmp_path / "trials.yaml"
    tightened.write_text(TESTS[0].read_text() + "\n# a higher threshold\n")
    assert judgement_of(lake.house, TWO, "e" * 64, ONE, (tightened, *TESTS[1:])) is None
    assert judgement_of(lake.house, ONE, "e" * 64, ONE, (tightened, *TESTS[1:])) is None


def test_releases_say_which_came_later_and_not_clocks(lake):
    judged(lake, ONE, at=9, promoted=True)
    judged(lake, TWO, at=2, promoted=True, compared_with=ONE)
    assert (current_tuned(lake.house, NAME), standing(lake.house)) == (TWO, {ONE: "replaced", TWO: "in use"})


def test_a_person_puts_a_waiting_version_to_use_unless_another_came_first(lake, today):
    judged(lake, ONE, at=1, waits=True)
    assert (current_tuned(lake.house, NAME), standing(lake.house)) == (None, {ONE: "waits for approval"})
    with pytest.raises(ApprovalError, match="waits for no approval"):
        approve(lake, TWO)
    approve(lake, ONE)
    assert current_tuned(lake.house, NAME) == ONE
    judged(lake, TWO, at=2, waits=True)
    with pytest.raises(ApprovalError, match="was judged against none, and topics-0001 is in use"):
        approve(lake, TWO)
    judged(lake, TWO, at=1, waits=True, compared_with=ONE)  # by a machine whose clock is behind
    approve(lake, TWO)
    assert current_tuned(lake.house, NAME) == TWO


def test_terms_texts_and_tests_are_asked_again_before_a_version_comes_into_use(lake, today):
    judged(lake, ONE, at=1, waits=True)
    for change, kind, why in (
        ({"error": PurposeError("lessons does not permit model_training")}, PurposeError, "does not permit"),
        ({"texts": TEXTS[:1]}, ApprovalError, "topics-0001 learned from other texts than those of today; run"),
        ({"trials": TESTS[:1]}, ApprovalError, "by other tests than those of today; run `lakehouse finetune publish"),
    ):
        before = dict(vars(today))
        vars(today).update(change)
        with pytest.raises(kind, match=why):
            approve(lake, ONE)
        vars(today).update(before)
        assert current_tuned(lake.house, NAME) is None
    approve(lake, ONE)
    assert current_tuned(lake.house, NAME) == ONE


def test_a_version_that_is_cut_is_not_put_to_use(lake, today):
    judged(lake, ONE, at=1, waits=True)
    weights = lake.workshop.classifiers.folder(ONE) / FILES[0]
    weights.chmod(0o644)
    weights.write_text("{")
    with pytest.raises(CheckpointError, match="is not what was written"):
        approve(lake, ONE)
    assert current_tuned(lake.house, NAME) is None


def test_a_retirement_that_is_killed_is_finished_and_a_damaged_version_stays_where_it_is(lake, monkeypatch):
    judged(lake, ONE, at=1)
    judged(lake, TWO, at=2)
    monkeypatch.setattr(archiving, "strip", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        decide(lake, retire_tuned, ONE)
    monkeypatch.undo()
    before = lake.house.releases.current().number
    decide(lake, retire_tuned, ONE)
    assert lake.house.releases.current().number == before, "it was decided already"
    assert sorted(path.name for path in lake.workshop.classifiers.folder(ONE).iterdir()) == [
        "SHA256SUMS", "archived.json", "finetuning.json"
    ]  # fmt: skip

    weights = lake.workshop.classifiers.folder(TWO) / FILES[0]
    weights.chmod(0o644)
    weights.write_text("{")
    _, page = decide(lake, retire_tuned, TWO)
    assert "Its files were not archived, for they are not what was written" in page.read_text()
    assert weights.is_file()


def test_a_withdrawal_reaches_what_is_archived(lake):
    judged(lake, ONE, at=1)
    decide(lake, retire_tuned, ONE)
    assert lake.workshop.learned_from(ONE) == {"lessons@1": COMMIT}, "so a withdrawal finds it"
    assert [path.name for path in (lake.workshop.root / "archive").iterdir()] == ["topics-0001.tar.zst"]
    lake.workshop.quarantine(ONE, Mask(()), "receipt-1")
    assert not list((lake.workshop.root / "archive").iterdir())
    with pytest.raises(CheckpointError, match="is not in the archive"):
        lake.workshop.restore(ONE)


def test_a_withdrawal_finds_classifiers_and_destroys_what_they_learned(lake):
    judged(lake, ONE, at=1, promoted=True)
    judged(lake, TWO, at=2, promoted=True, compared_with=ONE)
    assert lake.workshop.versions() == ["gpt-0001", ONE, TWO]
    assert lake.workshop.learned_from(TWO) == {"lessons@1": COMMIT}
    quarantine(lake.house.objects, TWO, "receipt-1")
    assert lake.workshop.quarantine(TWO, Mask(()), "receipt-1") is True
    assert current_tuned(lake.house, NAME) == ONE
    store = lake.workshop.classifiers
    assert not (lake.workshop.root / "archive").exists()
    assert sorted(path.name for path in store.folder(TWO).iterdir()) == [
        "SHA256SUMS",
        "finetuning.json",
        "quarantine.json",
    ]
    assert store.find(NAME, TWO) is None
    assert store.find(NAME, ONE) == ONE
    assert store.next_folder(NAME).name == THREE
    assert lake.workshop.checkpoints.usable() == ["gpt-0001"]


def answer(low):
    figure = TunedFigure("gain_over_commonest_label", "all", 0.1, low, 0.2, 60, 12, "e" * 64)
    return TuneAnswer(
        version=ONE, created=True, figures=[figure], trials=[], gain=TunedGain("accuracy", 0.1, 0.02, 0.2, 9, 3)
    )


def test_no_path_leads_around_the_commonest_label():
    require_fit(LEAST, answer(0.01))
    for low in (0.0, -0.1, None):
        with pytest.raises(UnfitModelError, match="over always naming the commonest label"):
            require_fit(LEAST, answer(low))


def test_an_answer_comes_back_as_it_was_sent():
    sent = answer(0.01)
    assert tune_answer(json.loads(json.dumps(sent.as_json()))) == sent
    assert sent.gain.wins
    assert not TunedGain("accuracy", 0.1, -0.01, 0.2, 9, 3).wins
    assert "accuracy +0.1000 [+0.0200, +0.2000]" in sent.gain.reason


def test_names_of_versions_are_told_apart(tmp_path):
    assert [is_classifier(each) for each in ("topics-0001", "gpt-0001", "gpt-0001-int8", "topics", "../x-0001")] == [
        True, False, False, False, False,
    ]  # fmt: skip
    with pytest.raises(CheckpointError, match=r"no classifier '\.\./x-0001'"):
        ClassifierVersions(tmp_path).folder("../x-0001")


DECLARED = "topics: {means: Topics., dataset: d, table: t, text: x, label: y, owner: 'team:models'"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (DECLARED + ", colour: red}", LabelsError, "colour"),
        (DECLARED.replace("label: y, ", "") + "}", LabelsError, "label"),
        (DECLARED.replace("Topics.", "' '") + "}", LabelsError, "means is empty"),
        (DECLARED + ", group: x}", LabelsError, "it names x twice"),
        (DECLARED.replace("topics:", "to-pics:") + "}", LabelsError, "letters of ASCII, digits and _"),
        (DECLARED.replace("topics:", "étude:") + "}", LabelsError, "letters of ASCII, digits and _"),
        (DECLARED.replace("topics:", "gpt:") + "}", LabelsError, "and not gpt"),
        (DECLARED + ", recipe: {epochs: 0}}", RecipeError, "classifier 'topics'.*epochs=0"),
        ("topics: 3", LabelsError, "is none"),
    ],
)
def test_a_classifier_that_cannot_work_is_refused(tmp_path, text, kind, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(kind, match=said):
        read_classifiers(tmp_path / "mine.yaml")


def test_classifiers_are_asked_for_by_name():
    assert classifier_named("subject_classifier").label == "subject"
    with pytest.raises(LabelsError, match="names no classifier 'mood'; it names subject_classifier"):
        classifier_named("mood")
