"""Promises of counted chances and of training on them."""

import dataclasses

import numpy as np
import pytest
import torch

from models.batches import Packed
from models.config import TINY
from models.counted import Counted
from models.train import train

SIZE, END = 12, 0
DRAW = np.random.default_rng(0)
DOCUMENTS = [np.array([END, *DRAW.zipf(1.6, 60).clip(1, SIZE - 2)]) for _ in range(20)]
WINDOWS = np.stack([tokens[:33] for tokens in DOCUMENTS])
INPUTS, TARGETS = WINDOWS[:, :-1], WINDOWS[:, 1:]
LEARNING = dataclasses.replace(TINY, counted_order=4, backward_heads=2, steps=10)


def counted(documents, order, size=SIZE):
    packed = Packed([np.array(each) for each in documents], ["" for _ in documents], 1)
    return Counted.count(packed, order=order, vocabulary_size=size)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("targets", [None, TARGETS])
def test_chances_are_distributions_whatever_is_left_out(order, targets):
    chances = counted(DOCUMENTS, order).chances(INPUTS, targets)
    assert chances.shape == (INPUTS.size, SIZE)
    assert chances.min() > 0
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-5)


def test_chances_agree_with_the_formula_worked_out_by_hand():
    # Two documents "1 2" and "1 3"; too few counts of counts, so every discount is 0.75.
    chances = counted([[0, 1, 2], [0, 1, 3]], 3, size=5).chances(np.array([[0, 1]]))[1]
    # Distinct tokens before each token: one before 1, 2 and 3, two before the mark. Half a count is spread over all.
    unigram_2 = (1 + 0.1) / (5 + 0.5)
    bigram_12 = (1 - 0.75) / 2 + (2 * 0.75 / 2) * unigram_2
    assert chances[2] == pytest.approx((1 - 0.75) / 2 + (2 * 0.75 / 2) * bigram_12)


def test_a_token_seen_once_after_its_context_is_no_news_of_itself():
    # Without "1 2" only "1 3" is left after "1", and without its kind 2 is only known from the half count.
    chances = counted([[0, 1, 2], [0, 1, 3]], 3, size=5).chances(np.array([[0, 1]]), np.array([[1, 2]]))[1]
    unigram_2 = (1 + 0.1) / (5 + 0.5)
    bigram_12 = 0.75 * unigram_2
    assert chances[2] == pytest.approx(0.75 * bigram_12)


def test_leaving_one_out_tells_what_unseen_text_will_say():
    here, elsewhere = ([np.array([END, *DRAW.zipf(1.3, 400).clip(1, SIZE - 2)]) for _ in range(8)] for _ in range(2))
    chances = counted(here, 5)

    def nats(documents, *, left_out):
        windows = np.stack([tokens[at : at + 41] for tokens in documents for at in range(0, 360, 40)])
        told = chances.chances(windows[:, :-1], windows[:, 1:] if left_out else None)
        return -np.log(np.take_along_axis(told, windows[:, 1:].reshape(-1, 1), axis=1)).mean()

    unseen = nats(elsewhere, left_out=False)
    assert nats(here, left_out=False) < 0.9 * unseen
    assert nats(here, left_out=True) == pytest.approx(unseen, rel=0.05)


def test_no_chance_depends_on_a_later_token():
    other = INPUTS.copy()
    other[:, 20:] = 7
    one, two = (counted(DOCUMENTS, 5).chances(each).reshape(*INPUTS.shape, SIZE) for each in (INPUTS, other))
    np.testing.assert_array_equal(one[:, :20], two[:, :20])


def test_nothing_is_counted_across_documents():
    chances = counted([[0, 1, 2], [0, 3, 4]], 3, size=5)
    after_2, after_mark = chances.chances(np.array([[1, 2, 0]]))[1:]
    assert after_2.argmax() == 0
    assert after_mark[3] == pytest.approx(after_mark[1])


def test_documents_shorter_than_the_order_are_counted_as_far_as_they_go():
    chances = counted([[0, 1]], 6, size=5).chances(np.array([[0, 1, 0, 1, 0, 1, 0, 1]]))
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_training_on_counted_chances_gives_the_same_weights_again(documents, threads):
    one, other = (train(documents, LEARNING, threads=threads).model.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_counted_chances_teach_faster_than_the_text_alone(documents):
    plain = dataclasses.replace(LEARNING, counted_order=0, backward_heads=0)
    slow, fast = (train(documents, recipe, threads=1).curve[-1] for recipe in (plain, LEARNING))
    assert fast.validation_bits_per_byte < slow.validation_bits_per_byte
