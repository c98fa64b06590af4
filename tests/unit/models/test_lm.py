"""Promises of the language model and its optimizer."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.checkpoint import load
from models.config import TINY
from models.head_loss import HeadLoss
from models.lm import LanguageModel, Past, Rotation, documents_apart
from models.optimizer import Muon, optimizers, orthogonalised, schedule

TOKENS = torch.randint(0, TINY.vocabulary_size, (4, 33), generator=torch.Generator().manual_seed(0))


def test_the_first_loss_is_that_of_guessing():
    loss = LanguageModel(TINY).loss(TOKENS[:, :-1], TOKENS[:, 1:]).item()
    assert loss == pytest.approx(math.log(TINY.vocabulary_size), abs=0.05)


def test_one_batch_can_be_learned_by_heart():
    model = LanguageModel(TINY)
    moving = optimizers(model, TINY)
    for _ in range(150):
        loss = model.loss(TOKENS[:, :-1], TOKENS[:, 1:])
        loss.backward()
        for each in moving:
            each.step()
            each.zero_grad()
    assert loss.item() < 0.1


def test_no_position_sees_a_later_one():
    model = LanguageModel(TINY.with_seed(3))
    torch.nn.init.normal_(model.lm_head.weight)
    later = TOKENS[:, :-1].clone()
    later[:, 20:] = 7
    with torch.no_grad():
        assert torch.equal(model(TOKENS[:, :-1])[:, :20], model(later)[:, :20])


def test_documents_of_one_window_do_not_see_each_other():
    model = LanguageModel(TINY.with_seed(3))
    torch.nn.init.normal_(model.lm_head.weight)
    for layer in model.model.layers:
        torch.nn.init.normal_(layer.self_attn.o_proj.weight)
    mark = TINY.vocabulary_size - 1
    window = TOKENS[:1, :32].clone().clamp(max=mark - 1)
    window[0, [9, 20]] = mark  # the end of one document, a whole one, the beginning of a third
    other = window.clone()
    other[0, :9] = 7
    with torch.no_grad(), documents_apart(mark, model):
        joined, changed = model(window), model(other)
        alone = torch.cat([model(window[:, part]) for part in (slice(9), slice(9, 20), slice(20, 32))], dim=1)
    torch.testing.assert_close(joined, alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(joined[:, 9:], changed[:, 9:])
    assert not torch.equal(joined[:, :9], changed[:, :9])
    with torch.no_grad():
        assert not torch.equal(model(window)[:, 9:], model(other)[:, 9:]), "afterwards everything before is seen again"


def test_the_loss_in_parts_equals_the_plain_loss_and_so_do_its_gradients():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(600, 16, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(300, 16, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 300, (600,), generator=generator)
    ours = HeadLoss.apply(x, weight, targets)
    plain = functional.cross_entropy(x @ weight.t(), targets)
    torch.testing.assert_close(ours, plain)
    for one, other in zip(
        torch.autograd.grad(2 * ours, (x, weight)), torch.autograd.grad(2 * plain, (x, weight)), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_loss_against_chances_equals_the_plain_one_and_so_do_its_gradients():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(600, 16, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(300, 16, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 300, (600,), generator=generator)
    chances = torch.rand(600, 300, generator=generator, dtype=torch.float64).softmax(dim=1)
    ours = HeadLoss.apply(x, weight, targets, chances)
    plain = functional.cross_entropy(x @ weight.t(), chances)
    torch.testing.assert_close(ours, plain)
    for one, other in zip(
        torch.autograd.grad(2 * ours, (x, weight)), torch.autograd.grad(2 * plain, (x, weight)), strict=True
    ):
        torch.testing.assert_close(one, other)
    certain = functional.one_hot(targets, 300).double()
    torch.testing.assert_close(HeadLoss.apply(x, weight, targets, certain), HeadLoss.apply(x, weight, targets))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_backward_heads_start_by_looking_one_two_and_three_back(seed):
    recipe = dataclasses.replace(TINY, width=128, heads=4, backward_heads=3, seed=seed)
    model, length = LanguageModel(recipe), TOKENS.shape[1]
    attention = model.model.layers[0].self_attn
    shape = (len(TOKENS), length, recipe.heads, recipe.head_width)
    with torch.no_grad():
        x = model.model.layers[0].input_layernorm(model.model.embed_tokens(TOKENS))
        turn = Rotation(recipe.head_width, length)
        query = turn(attention.q_norm(attention.q_proj(x).view(shape)).transpose(1, 2), 0)
        key = turn(attention.k_norm(attention.k_proj(x).view(shape)).transpose(1, 2), 0)
        seen = (query @ key.mT / recipe.head_width**0.5 + torch.full((length, length), -math.inf).triu(1)).softmax(-1)
    for head, back in enumerate((1, 2, 3)):
        on_it = seen[:, head].diagonal(-back, dim1=1, dim2=2)
        most = seen[:, head, back:].max(dim=-1).values
        assert (on_it == most).double().mean() > 0.95
    content = seen[:, 3].diagonal(-1, dim1=1, dim2=2)
    assert content.mean() < 0.3


def test_backward_heads_see_no_later_position():
    model = LanguageModel(dataclasses.replace(TINY, backward_heads=2))
    torch.nn.init.normal_(model.lm_head.weight)
    torch.nn.init.normal_(model.model.layers[0].self_attn.o_proj.weight)
    later = TOKENS[:, :-1].clone()
    later[:, 20:] = 7
    with torch.no_grad():
        assert torch.equal(model(TOKENS[:, :-1])[:, :20], model(later)[:, :20])


def test_writing_on_token_by_token_gives_the_same_logits(checkpoint):
    model = load(checkpoint).model
    tokens = TOKENS[:, :20]
    with torch.no_grad():
        whole = model(tokens)
        pasts = [Past() for _ in range(TINY.layers)]
        parts = [model(tokens[:, :15], pasts), *(model(tokens[:, at : at + 1], pasts) for at in range(15, 20))]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_transformers_loads_the_checkpoint_with_the_same_logits_and_tokens(checkpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers' own imports, none of ours
        from transformers import AutoModelForCausalLM, AutoTokenizer

        theirs = AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    loaded = load(checkpoint)
    text = "every school of the town: 学校"
    ids = loaded.tokenizer.encode(text)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
    assert tokenizer.decode(ids) == text
    with torch.no_grad():
        torch.testing.assert_close(theirs(TOKENS[:, :-1]).logits, loaded.model(TOKENS[:, :-1]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 24, 8), (2, 8, 24)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.4


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_muon_in_bfloat16_turns_a_matrix_as_it_does_in_float32(shape):
    start, gradient = torch.randn((2, *shape), generator=torch.Generator().manual_seed(2))
    moved = {}
    for dtype in (torch.float32, torch.bfloat16):
        weight = torch.nn.Parameter(start.clone())
        weight.grad = gradient.clone()
        Muon([weight], lr=0.1, momentum=0.95, weight_decay=0.0, dtype=dtype).step()
        moved[dtype] = (weight - start).detach()
        assert weight.dtype is torch.float32
    one, other = moved.values()
    assert not torch.equal(one, other)
    assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


def test_adamw_moves_every_matrix_and_adam_the_rest():
    recipe = dataclasses.replace(TINY, optimizer="adamw", weight_decay=0.1)
    matrices, rest = optimizers(LanguageModel(recipe), recipe)
    assert (type(matrices), type(rest)) == (torch.optim.AdamW, torch.optim.Adam)
    (group,) = matrices.param_groups
    assert (group["lr"], group["weight_decay"]) == (recipe.matrix_learning_rate, recipe.weight_decay)
    assert len(group["params"]) == 7 * recipe.layers
    assert {weight.ndim for weight in group["params"]} == {2}


def test_the_rate_rises_holds_and_falls():
    rates = np.array([schedule(step, TINY) for step in range(TINY.steps)])
    assert rates[0] == 0.25
    assert rates.max() == 1.0
    assert np.all(np.diff(rates[15:]) < 0)
    assert 0 < rates[-1] < 0.1
