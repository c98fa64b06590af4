"""Promises of evaluation."""

import math

import numpy as np
import pytest
import torch

from models.baselines import Unigram
from models.batches import Packed
from models.checkpoint import Loaded, load
from models.config import TINY
from models.device import choose_device
from models.documents import documents_from, evaluation_snapshot, of_split
from models.errors import NoDocumentsError
from models.evaluate import baseline_bits, evaluate, model_bits, sliding_windows
from models.lm import LanguageModel
from tests.unit.models.conftest import rows, table


@pytest.mark.parametrize("context", [4, 5, 32])
@pytest.mark.parametrize("length", [1, 2, 4, 5, 6, 7, 31, 32, 33, 34, 48, 49, 100, 1000])
def test_each_token_after_the_mark_is_scored_exactly_once(context, length):
    scored = np.zeros(length, dtype=int)
    for window in sliding_windows([length], context=context):
        assert window.end - window.start <= context + 1
        assert window.first_target > window.start
        assert window.first_target - window.start >= min(context // 2, window.first_target)
        scored[window.first_target : window.end] += 1
    assert scored[0] == 0
    assert np.all(scored[1:] == 1)


def test_windows_and_padding_give_what_one_document_at_a_time_gives(checkpoint):
    loaded = load(checkpoint)
    draw = np.random.default_rng(0)
    lengths = (2, 20, 33, 34, 90)
    tokens = [np.array([loaded.tokenizer.end_of_text, *draw.integers(0, 256, length - 1)]) for length in lengths]
    device = choose_device("float32", threads=1)
    together = model_bits(loaded, Packed(tokens, list("abcde"), 1), device=device, batch=3)
    alone = [model_bits(loaded, Packed([one], ["a"], 1), device=device)[0] for one in tokens]
    np.testing.assert_allclose(together, alone, rtol=1e-6)
    with torch.no_grad():
        log_chances = loaded.model(torch.from_numpy(tokens[2][None, :-1])).log_softmax(-1)[0]
    by_hand = -sum(log_chances[at, token].item() for at, token in enumerate(tokens[2][1:])) / math.log(2)
    assert together[2] == pytest.approx(by_hand, rel=1e-5)


def test_a_model_that_only_guesses_needs_the_bits_of_the_vocabulary(trained):
    guessing = Loaded(LanguageModel(TINY), trained.tokenizer, TINY, {})
    packed = Packed([np.array([0, 5, 6, 7])], ["a"], 3)
    bits = model_bits(guessing, packed, device=choose_device("float32", threads=1))
    assert bits[0] == pytest.approx(3 * math.log2(TINY.vocabulary_size), rel=1e-5)


def test_bits_of_a_unigram_worked_out_by_hand():
    # Counts with one added: 2, 3, 1, 1, 1 of 8.
    unigram = Unigram.fit(Packed([np.array([0, 1, 1])], ["a"], 2), vocabulary_size=5)
    bits = baseline_bits(unigram, Packed([np.array([0, 1, 2]), np.array([0, 0])], ["b", "c"], 3))
    np.testing.assert_allclose(bits, [-math.log2(3 / 8) - math.log2(1 / 8), -math.log2(2 / 8)])


def test_rows_cover_every_evaluator_slice_and_byte(checkpoint, documents):
    held = of_split(documents, "test")
    evaluation = evaluate(load(checkpoint), documents, threads=1)
    by_key = {(row.evaluator, row.slice): row for row in evaluation.rows}
    assert set(by_key) == {
        (who, part) for who in ("gpt", "unigram", "trigram") for part in ("all", "letters", "numbers")
    }
    for who in ("gpt", "unigram", "trigram"):
        assert by_key[who, "all"].byte_count == sum(len(each.text.encode()) for each in held)
        assert by_key[who, "all"].document_count == 8
        assert by_key[who, "letters"].byte_count + by_key[who, "numbers"].byte_count == by_key[who, "all"].byte_count
    assert evaluation.evaluation_snapshot == evaluation_snapshot(held)
    assert by_key["gpt", "all"].bits_per_byte < by_key["unigram", "all"].bits_per_byte


def test_an_evaluation_repeats_exactly(checkpoint, documents):
    one, two = (evaluate(load(checkpoint), documents, threads=1) for _ in range(2))
    assert one == two


def test_no_held_out_document_is_an_error(checkpoint):
    with pytest.raises(NoDocumentsError, match="split 'test'"):
        evaluate(load(checkpoint), documents_from(table(rows(test_count=0))), threads=1)
