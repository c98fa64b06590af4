"""Promises of the baselines."""

import numpy as np
import pytest

from models.baselines import Trigram, Unigram
from models.batches import Packed

SIZE, END = 12, 0
DRAW = np.random.default_rng(0)
DOCUMENTS = [np.array([END, *DRAW.zipf(1.6, 60).clip(1, SIZE - 2)]) for _ in range(20)]
PACKED = Packed(documents=DOCUMENTS, names=[str(at) for at in range(20)], byte_count=1)


@pytest.mark.parametrize("context", [(END, END), (1, 1), (2, 5), (11, 11), (1, 11)])
def test_the_trigram_is_a_distribution_after_any_context(context):
    trigram = Trigram.fit(PACKED, vocabulary_size=SIZE, end_of_text=END)
    first, second = context
    chances = trigram.probability((first * SIZE + second) * SIZE + np.arange(SIZE))
    assert chances.min() > 0
    assert chances.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_unigram_is_a_distribution():
    unigram = Unigram.fit(PACKED, vocabulary_size=SIZE)
    assert unigram.share.min() > 0
    assert unigram.share.sum() == pytest.approx(1.0)


def test_the_trigram_agrees_with_the_formula_worked_out_by_hand():
    # Two documents "1 2" and "1 3"; too few counts of counts, so every discount is 0.75.
    packed = Packed(documents=[np.array([0, 1, 2]), np.array([0, 1, 3])], names=["a", "b"], byte_count=1)
    trigram = Trigram.fit(packed, vocabulary_size=5, end_of_text=0)
    # Distinct pairs that end in each token: 01 | 12 | 13 | 20, 30, so 5 in all.
    unigram_2 = (1 - 0.75) / 5 + (4 * 0.75 / 5) / 5
    # Distinct tokens before "1 2" are one, of "1 ." two; both followers were discounted.
    bigram_12 = (1 - 0.75) / 2 + (2 * 0.75 / 2) * unigram_2
    trigram_012 = (1 - 0.75) / 2 + (2 * 0.75 / 2) * bigram_12
    assert trigram.probabilities(np.array([0, 1, 2]))[1] == pytest.approx(trigram_012)


def test_every_token_but_the_opening_mark_gets_one_probability():
    trigram = Trigram.fit(PACKED, vocabulary_size=SIZE, end_of_text=END)
    unigram = Unigram.fit(PACKED, vocabulary_size=SIZE)
    for baseline in (trigram, unigram):
        assert baseline.probabilities(DOCUMENTS[0]).shape == (60,)


def test_repeated_training_text_is_nearly_certain():
    packed = Packed(documents=[np.array([0, *[1, 2, 3, 4] * 50])] * 30, names=["a"] * 30, byte_count=1)
    trigram = Trigram.fit(packed, vocabulary_size=SIZE, end_of_text=END)
    assert trigram.probabilities(np.array([0, 1, 2, 3, 4, 1]))[1:].min() > 0.95


def test_no_token_is_impossible_even_where_discounts_come_out_odd():
    counts = [1] * 1 + [2] * 9 + [3] * 1 + [4] * 9 + [5] * 5
    tokens = np.concatenate([[0], *([at % (SIZE - 2) + 1, at // 3 % 9 + 1] * count for at, count in enumerate(counts))])
    trigram = Trigram.fit(Packed([tokens], ["a"], 1), vocabulary_size=SIZE, end_of_text=END)
    assert trigram.probability(np.arange(SIZE**3)).min() > 0
