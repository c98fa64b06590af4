"""Promises of learning on several threads."""

import dataclasses

import pytest
import torch

from models.config import TINY
from models.device import choose_device
from models.lm import LanguageModel
from models.train import train
from models.workers import Workers

TOKENS = torch.randint(0, TINY.vocabulary_size, (5, 33), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _one_thread_after():
    yield
    choose_device("auto", threads=1)


def learn(threads, accumulate=1):
    model = LanguageModel(dataclasses.replace(TINY, accumulate=accumulate))
    torch.nn.init.normal_(model.lm_head.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    with Workers(model, choose_device("float32", threads=threads)) as workers:
        loss = workers.learn(TOKENS[:, :-1], TOKENS[:, 1:])
    return loss, [weight.grad for weight in model.parameters()]


@pytest.mark.parametrize(("threads", "accumulate"), [(2, 1), (3, 1), (8, 1), (1, 2), (1, 5), (2, 2)])
def test_threads_and_passes_change_the_loss_and_the_gradients_by_rounding_only(threads, accumulate):
    loss, gradients = learn(1)
    other_loss, other_gradients = learn(threads, accumulate)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    for one, other in zip(gradients, other_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_same_seed_and_threads_give_the_same_weights(documents, dropout):
    recipe = dataclasses.replace(TINY, dropout=dropout, steps=10)
    one, other = (train(documents, recipe, threads=2).model.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_fault_in_one_thread_ends_the_step():
    model = LanguageModel(TINY)
    with Workers(model, choose_device("float32", threads=2)) as workers, pytest.raises(IndexError):
        workers.learn(TOKENS[:, :-1] + TINY.vocabulary_size, TOKENS[:, 1:])
