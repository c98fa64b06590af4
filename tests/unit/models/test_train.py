"""Promises of training."""

import dataclasses

import pytest
import torch

from models.config import TINY
from models.documents import documents_from
from models.errors import NaNLossError, NoDocumentsError, RecipeError
from models.lm import LanguageModel
from models.train import train
from tests.unit.models.conftest import rows, table


def weights(trained):
    return trained.model.state_dict()


def same(one, other):
    return all(torch.equal(weights(one)[name], weights(other)[name]) for name in weights(one))


def test_the_same_seed_gives_the_same_weights(documents, trained):
    again = train(documents, TINY, threads=1)
    assert same(trained, again)


def test_another_seed_gives_other_weights(documents, trained):
    assert not same(trained, train(documents, dataclasses.replace(TINY, seed=1, steps=1), threads=1))


def test_dropout_is_seeded_too(documents):
    recipe = dataclasses.replace(TINY, dropout=0.2, steps=4)
    assert same(*(train(documents, recipe, threads=1) for _ in range(2)))


def test_training_learns_and_reports_its_curve(documents):
    seen = []
    trained = train(documents, TINY, on_progress=seen.append, threads=1)
    assert seen == trained.curve
    assert [progress.step for progress in seen] == [1, 10, 20, 30]
    assert [progress.validation_bits_per_byte is None for progress in seen] == [True, False, False, False]
    assert seen[-1].validation_bits_per_byte < seen[1].validation_bits_per_byte
    assert seen[-1].train_bits_per_byte < 0.75 * seen[0].train_bits_per_byte
    assert seen[-1].seconds_left == 0
    assert all(progress.tokens_per_second > 0 for progress in seen)
    assert trained.train_tokens == 30 * TINY.tokens_per_step


def test_held_out_documents_change_nothing_that_is_learned(trained):
    made = rows()
    for row in made:
        if row["split"] != "train":
            row["text"] = "zzz " * 50 + row["document_id"]
    assert same(trained, train(documents_from(table(made)), TINY, threads=1))


def test_no_document_is_learned_from_in_sight_of_another(documents, monkeypatch):
    """Each loss of training, and of its validation, is asked while documents are kept apart."""
    marks, loss = [], LanguageModel.loss

    def noted(self, *given, **named):
        marks.append(self.mark)
        return loss(self, *given, **named)

    monkeypatch.setattr(LanguageModel, "loss", noted)
    trained = train(documents, dataclasses.replace(TINY, steps=2, validate_every=1), threads=1)
    assert set(marks) == {trained.tokenizer.end_of_text}
    assert len(marks) > 2
    assert trained.model.mark is None


def test_without_validation_documents_the_curve_has_no_validation_number():
    trained = train(documents_from(table(rows(validation_count=0))), dataclasses.replace(TINY, steps=2), threads=1)
    assert trained.curve[-1].validation_bits_per_byte is None


@pytest.mark.parametrize("made", [[], rows(train_count=0)])
def test_no_training_document_is_an_error(made):
    with pytest.raises(NoDocumentsError, match="split 'train'"):
        train(documents_from(table(made)), TINY, threads=1)


def test_one_short_document_is_an_error():
    one = [{"document_id": "a", "dataset": "d", "text": "short", "split": "train"}]
    with pytest.raises(NoDocumentsError, match="do not fill one window"):
        train(documents_from(table(one)), TINY, threads=1)


def test_one_long_document_with_nul_bytes_is_enough():
    one = [{"document_id": "a", "dataset": "d", "text": "the school\0 of the town " * 40, "split": "train"}]
    assert train(documents_from(table(one)), dataclasses.replace(TINY, steps=2), threads=1).curve[-1].step == 2


def test_a_vocabulary_larger_than_the_text_is_refused_with_what_was_found():
    one = [{"document_id": "a", "dataset": "d", "text": "the school of the town " * 40, "split": "train"}]
    with pytest.raises(RecipeError, match=r"vocabulary_size=5,000 is more than the 920 bytes of .* in which \d+ diff"):
        train(documents_from(table(one)), dataclasses.replace(TINY, vocabulary_size=5000), threads=1)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(documents):
    wild = dataclasses.replace(TINY, matrix_learning_rate=3e37, embedding_learning_rate=3e37)
    with pytest.raises(NaNLossError, match=r"at step \d+ of 30 \(epoch 0, first tokens \[.*documents train/"):
        train(documents, wild, threads=1)
