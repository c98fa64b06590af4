"""The ONNX graph gives the model's own logits, and anything else is refused by name."""

import dataclasses

import pytest
import torch

from models.checkpoint import load
from models.config import TINY
from models.errors import FormError
from models.onnx_graph import OnnxModel, graph_bytes

TOLERANCE = 1e-5
"""Of logits, absolute: float32 sums in another order; the demo's model was seen to differ by 2e-7."""


@pytest.fixture(scope="module")
def graph(checkpoint):
    return graph_bytes(load(checkpoint).model)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 7), (2, TINY.context), (16, 5)])
def test_the_graph_gives_the_models_logits_at_every_length(checkpoint, graph, shape):
    model = load(checkpoint).model
    run = OnnxModel(graph, model.recipe, threads=1)
    for seed in range(4):
        tokens = torch.randint(0, TINY.vocabulary_size, shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            wanted = model(tokens)
        given = run(tokens)
        assert given.shape == wanted.shape
        assert wanted.abs().max() > 1, "a model that says nothing would agree with anything"
        assert (given - wanted).abs().max().item() < TOLERANCE


def test_the_same_weights_give_the_same_bytes(checkpoint, graph):
    assert graph_bytes(load(checkpoint).model) == graph


def test_other_bytes_and_other_recipes_are_refused(graph):
    with pytest.raises(FormError, match="cannot read this graph"):
        OnnxModel(graph[: len(graph) // 2], TINY, threads=1)
    with pytest.raises(FormError, match=r"recipe\.json does not"):
        OnnxModel(graph, dataclasses.replace(TINY, vocabulary_size=321), threads=1)
