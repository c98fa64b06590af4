"""Promises of recipes and training keys."""

import dataclasses
import hashlib
import json

import pytest

from models.config import CHARACTERS, DEMO, GPT2_SMALL, LIBRARY_VERSION, TINY, recipe_from_json, training_key
from models.errors import RecipeError


@pytest.mark.parametrize("recipe", [DEMO, CHARACTERS, TINY, GPT2_SMALL])
def test_a_recipe_comes_back_from_its_json(recipe):
    assert recipe_from_json(recipe.canonical_json()) == recipe


def test_unknown_and_missing_fields_are_refused():
    values = json.loads(TINY.canonical_json())
    with pytest.raises(RecipeError, match="widht"):
        recipe_from_json(json.dumps(values | {"widht": 3}))
    del values["steps"]
    with pytest.raises(RecipeError, match="steps"):
        recipe_from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 33}, "head width"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"matrix_learning_rate": float("nan")}, "matrix_learning_rate=nan"),
        ({"vocabulary_size": 200}, "below 257"),
        ({"precision": "float8"}, "float8"),
        ({"dropout": 1.0}, "below 1"),
        ({"optimizer": "sgd"}, "'sgd' is not muon, bfloat16_muon, adamw"),
        ({"backward_heads": 3}, "above heads=2"),
        ({"accumulate": 9}, "above batch=8"),
        ({"counted_order": 1}, "from 2 to 7"),
        ({"counted_order": 8}, "from 2 to 7"),
        ({"steps": 0, "layers": 0}, "layers=0.*steps=0"),
    ],
)
def test_values_that_cannot_work_are_named(values, words):
    with pytest.raises(RecipeError, match=words):
        dataclasses.replace(TINY, **values)


def test_the_training_key_changes_with_each_of_its_parts():
    key = training_key(TINY, "a" * 64)
    others = {
        training_key(TINY.with_seed(1), "a" * 64),
        training_key(TINY, "b" * 64),
        training_key(TINY, "a" * 64, library_version="other"),
    }
    assert key == training_key(dataclasses.replace(TINY), "a" * 64)
    assert len(others | {key}) == 4


def test_a_recipe_has_the_key_it_had_before_there_were_passes_and_other_optimizers():
    later = {"accumulate", "optimizer"}
    old = {name: value for name, value in dataclasses.asdict(TINY).items() if name not in later}
    parts = json.dumps([json.dumps(old, sort_keys=True, separators=(",", ":")), "a" * 64, LIBRARY_VERSION])
    assert training_key(TINY, "a" * 64) == hashlib.sha256(parts.encode()).hexdigest()
    for other in ({"accumulate": 2}, {"optimizer": "adamw"}):
        assert training_key(dataclasses.replace(TINY, **other), "a" * 64) != training_key(TINY, "a" * 64)
