"""A student starts from its teacher, learns what it predicts, and does so alike every time."""

import dataclasses

import pytest
import torch

from models.batches import pack
from models.checkpoint import load
from models.device import choose_device
from models.distil import distil, started, student_recipe
from models.documents import of_split
from models.evaluate import bits_by_document
from models.forms import form_named

FORM = dataclasses.replace(form_named("distilled"), steps=12)


@pytest.fixture(scope="module")
def packed(documents, checkpoint):
    return pack(of_split(documents, "train"), load(checkpoint).tokenizer)


def test_the_student_has_its_share_of_the_layers_and_its_teachers_tables(checkpoint):
    teacher = load(checkpoint).model
    student = started(teacher, student_recipe(teacher.recipe, FORM))
    assert len(student.model.layers) == teacher.recipe.layers // 2
    assert torch.equal(student.lm_head.weight, teacher.lm_head.weight)
    whole = started(teacher, dataclasses.replace(student_recipe(teacher.recipe, FORM), layers=teacher.recipe.layers))
    tokens = torch.arange(10)[None]
    assert torch.equal(whole(tokens), teacher(tokens)), "with every layer kept it is the teacher"


def test_teaching_brings_the_student_nearer_and_is_repeatable(checkpoint, packed, documents):
    device, loaded = choose_device("float32", threads=1), load(checkpoint)
    held = pack(of_split(documents, "test"), loaded.tokenizer)

    def bits(model):
        return bits_by_document(model, held, context=loaded.recipe.context, device=device).sum()

    untaught = started(loaded.model, student_recipe(loaded.recipe, FORM))
    taught, again = (distil(loaded.model, packed, FORM, device) for _ in range(2))
    assert bits(taught) < bits(untaught)
    for name, weight in taught.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
