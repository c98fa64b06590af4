"""Promises of CheckList tests: each kind can pass and can fail, and a file with a mistake is refused by name."""

import dataclasses
import gzip
import json
import random
from pathlib import Path

import pytest
import yaml

from models.classifier_recipe import FinetuneRecipe
from models.classifier_trials import (
    CHANGES,
    SHIPPED,
    ClassifierTrial,
    Example,
    read_classifier_trials,
    read_suite,
    run_classifier_trials,
)
from models.device import choose_device
from models.errors import TrialError
from models.finetune import finetune
from models.labelled import LabelledText, split_of
from tests.unit.models.test_finetune import made

SENTIMENT = Path(__file__).parents[4] / "shared/data/checklist_suites/sentiment_mft.jsonl.gz"
SUBJECTS = SHIPPED.with_name("subject_trials.yaml")


@pytest.fixture(scope="module")
def classifier(checkpoint):
    recipe = FinetuneRecipe(context=24, epochs=2, base_rate=2e-3, head_rate=1e-2, ngram_buckets=512)
    return finetune(made(), checkpoint, recipe, threads=1)


@pytest.fixture
def judged(classifier):
    def judge(**fields):
        trial = ClassifierTrial(name="it", stops="promotion", owner="me", means="why", **{"at_least": 0.9} | fields)
        texts = [each for each in made() if each.split == "test"]
        return run_classifier_trials([trial], classifier, texts, choose_device("float32", threads=1))[0]

    return judge


def test_what_does_not_matter_passes_and_what_does_fails(judged):
    assert judged(kind="invariance", add="and").passed
    swung = judged(kind="invariance", add="court judge vote tax party trial crime jury " * 2)
    assert not swung.passed
    assert "60 texts, not: " in swung.detail


def test_a_direction_passes_one_way_and_fails_the_other(judged):
    words = "river rain fish boat swim wave"
    assert judged(kind="direction", add=words, label="water").passed
    assert not judged(kind="direction", add=words, label="law").passed


def test_examples_with_their_labels_pass_and_with_others_fail(judged):
    right = (Example("river rain fish", "water"), Example("court judge vote", "law"))
    wrong = tuple(dataclasses.replace(each, label="law") for each in right)
    assert judged(kind="functionality", examples=right).value == 1
    failed = judged(kind="functionality", examples=wrong)
    assert (failed.value, failed.passed, failed.stops, failed.owner) == (0.5, False, "promotion", "me")
    assert "river rain fish" in failed.detail


def test_a_label_the_classifier_never_learned_is_named(judged):
    with pytest.raises(TrialError, match=r"tests name the labels \['music'\]"):
        judged(kind="direction", add="song", label="music")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_and_is_the_same_every_time(name):
    text = "Several Rivers carry their Water towards another Country beyond these Mountains. " * 3
    assert CHANGES[name](text) != text
    assert CHANGES[name](text) == CHANGES[name](text)


def test_shipped_files_are_whole_and_owned():
    assert {each.kind for each in read_classifier_trials()} == {"invariance"}
    subjects = read_classifier_trials(SUBJECTS)
    assert {each.kind for each in subjects} == {"direction", "functionality"}
    assert all(each.owner.startswith("team:") and each.means for each in (*read_classifier_trials(), *subjects))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "magic"}, "kind 'magic' is none of"),
        ({"at_least": 1.5}, "no share from 0 to 1"),
        ({"at_least": "half"}, "no share from 0 to 1"),
        ({"stops": "the world"}, "is none of training"),
        ({"owner": " "}, "it has no owner"),
        ({"change": "rot13"}, "give either add, or change"),
        ({"add": "both"}, "give either add, or change"),
        ({"kind": "direction"}, "give add and label"),
        ({"kind": "functionality"}, "it has no examples"),
        ({"colour": "red"}, "is no test"),
        ({"examples": [{"text": "a"}]}, "is no test"),
    ],
)
def test_a_test_with_a_mistake_is_refused_by_name(tmp_path, changed, said):
    whole = {
        "kind": "invariance",
        "change": "lower",
        "at_least": 0.5,
        "stops": "nothing",
        "owner": "me",
        "means": "why",
    }
    (tmp_path / "trials.yaml").write_text(yaml.safe_dump({"mine": whole}))
    assert read_classifier_trials(tmp_path / "trials.yaml")[0].name == "mine"
    (tmp_path / "trials.yaml").write_text(yaml.safe_dump({"mine": whole | changed}))
    with pytest.raises(TrialError, match=f"'mine'.*{said}"):
        read_classifier_trials(tmp_path / "trials.yaml")


def test_a_suite_becomes_one_test_a_name(tmp_path):
    lines = [{"test": "words", "example": "good", "label": 2}, {"test": "words", "example": ["a", "b"], "label": 0}]
    path = tmp_path / "suite.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(each) for each in lines).encode()))
    (suite,) = read_suite(path)
    assert suite.examples == (Example("good", "2"), Example("a b", "0"))


@pytest.mark.parametrize("content", [b"", b"{", b'{"test": "a"}', b'{"test": "a", "example": [1], "label": 1}', b"[]"])
def test_a_broken_suite_is_refused(tmp_path, content):
    (tmp_path / "suite.jsonl").write_bytes(content)
    with pytest.raises(TrialError):
        read_suite(tmp_path / "suite.jsonl")
    with pytest.raises(TrialError, match="cannot read a suite"):
        read_suite(tmp_path / "nowhere.jsonl")


@pytest.mark.skipif(not SENTIMENT.is_file(), reason=f"{SENTIMENT} is not there")
def test_the_sentiment_suite_runs_on_a_classifier_of_sentiment(checkpoint):
    """Taught sentences of two of its tests, it passes these and not the one on change over time, never shown to it."""
    suite = read_suite(SENTIMENT)
    texts = []
    for trial in suite[3:5]:
        for label in ("0", "1", "2"):
            known = sorted({each.text for each in trial.examples if each.label == label})
            some = random.Random(0).sample(known, min(500, len(known)))
            texts += [LabelledText(text, text, label, text, split_of(text)) for text in some]
    recipe = FinetuneRecipe(context=16, epochs=3, base_rate=2e-3, head_rate=1e-2, ngram_buckets=2**12)
    made_so = finetune(texts, checkpoint, recipe, threads=1)
    few = [dataclasses.replace(each, examples=each.examples[::20]) for each in suite]
    taken = {each.trial: each for each in run_classifier_trials(few, made_so, [], choose_device("float32", threads=1))}
    assert len(taken) == 15, "two of the 17 tests have lost their texts"
    assert taken["Sentiment-laden words in context"].passed
    assert not taken["used to, but now"].passed
