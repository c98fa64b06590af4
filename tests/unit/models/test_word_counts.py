"""Counted words as the least that a classifier must tell: what they tell is what the written rule gives."""

import math

import numpy as np
import pytest
import torch

from models.classifier_trials import read_classifier_trials, run_classifier_trials
from models.device import choose_device
from models.labelled import LabelledText, of_split
from models.tuned_requests import TunedFigure
from models.word_counts import told_by_words
from tests.unit.models.test_finetune import made


def labelled(*said, split="train"):
    return [LabelledText(str(at), text, label, str(at), split) for at, (text, label) in enumerate(said)]


def test_words_that_belong_to_a_label_tell_it_and_those_of_all_labels_do_not():
    learned = labelled(
        ("the tide and the shore", "water"),
        ("the shore of the river", "water"),
        ("the court and the judge", "law"),
        ("the judge of the court", "law"),
    )
    held = labelled(("A SHORE, the the the", ""), ("the judge's words", ""), ("never seen anywhere", ""), ("a b", ""))
    told = told_by_words(learned, held)
    assert told[:2] == ["water", "law"]
    assert set(told) <= {"water", "law"}, "unknown words and none at all get a label, too"


def test_where_there_is_nothing_to_count_the_commonest_label_is_told():
    wordless = labelled(("1", "b"), ("?", "b"), ("", "a"))
    assert told_by_words(wordless, labelled(("any words", ""), ("2", ""))) == ["b", "b"]
    spoken = labelled(("some words", "b"), ("more words", "b"), ("others still", "a"))
    assert told_by_words(spoken, labelled(("?", ""))) == ["b"], "no known word at all"
    assert told_by_words(spoken, []) == []


def test_of_too_many_words_those_in_most_texts_are_counted(monkeypatch):
    from models import word_counts

    monkeypatch.setattr(word_counts, "MOST_NUMBERS", 4)
    learned = labelled(("shore once", "water"), ("shore", "water"), ("judge", "law"), ("judge then", "law"))
    assert told_by_words(learned, labelled(("shore", ""), ("judge", ""))) == ["water", "law"]
    assert word_counts._kept({"a": 1, "shore": 2, "judge": 2}, 2) == ["judge", "shore"]


def test_the_table_of_weights_is_the_minimum_of_the_written_loss():
    """Against the loss written out plainly over a dense table: at a minimum no small change makes it smaller."""
    from models import word_counts

    draw = np.random.default_rng(0)
    words = [f"word{at}" for at in range(12)]
    learned = labelled(*[(" ".join(draw.choice(words, 6)), "ab"[at % 2]) for at in range(30)])
    counts = [word_counts._counted(each.text) for each in learned]
    place = {word: at for at, word in enumerate(words)}
    seen = [sum(word in each for each in counts) for word in words]
    rarity = np.array([math.log((1 + 30) / (1 + each)) + 1 for each in seen])
    bags = word_counts._bags(counts, place, rarity)
    true = torch.tensor([at % 2 for at in range(30)])
    weights, shift = (each.numpy() for each in word_counts._learned(bags, true, 12, 2))
    dense = np.array([[each[word] for word in words] for each in counts]) * rarity
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)

    def loss(weights, shift):
        logits = dense @ weights + shift
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        return -np.log(chances[np.arange(30), true.numpy()]).sum() + 0.5 * (weights**2).sum()

    least = loss(weights, shift)
    for _ in range(50):
        assert loss(weights + draw.normal(0, 0.02, weights.shape), shift + draw.normal(0, 0.02, 2)) > least


def test_the_same_texts_give_the_same_labels():
    texts = made()
    learned, held = of_split(texts, "train"), of_split(texts, "test")
    told = told_by_words(learned, held)
    assert told == told_by_words(learned, held)
    assert np.mean([one == each.label for one, each in zip(told, held, strict=True)]) > 0.9


@pytest.mark.parametrize(("high", "passed"), [(0.02, True), (0.0, True), (-0.01, False)])
def test_a_classifier_fails_only_where_counted_words_are_surely_better(tmp_path, high, passed):
    file = tmp_path / "trials.yaml"
    file.write_text("words: {kind: word_counts, at_least: 1, stops: promotion, owner: me, means: why}\n")
    trials = read_classifier_trials(file)
    gain = TunedFigure("gain_over_counted_words", "all", high - 0.03, high - 0.06, high, 60, 12, "e" * 64)
    texts, device = of_split(made(), "test"), choose_device("float32", threads=1)
    (taken,) = run_classifier_trials(trials, Nobody(), texts, device, beside_words=gain)
    assert (taken.passed, taken.value) == (passed, pytest.approx(1 + min(0.0, high)))
    assert taken.detail.endswith("on 60 texts of 12 groups")
    assert run_classifier_trials(trials, Nobody(), texts, device) == [], "not taken where nobody counted"


class Nobody:
    """A classifier that this test never asks."""

    labels = ("law", "water")
