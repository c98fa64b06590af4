"""Promises of fine-tuning: two made-up subjects, a base of a few thousand weights."""

import json
import os
import pickle
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from models.classified import evaluate_classifier
from models.classifier import fitted_temperature, softmax
from models.classifier_recipe import FinetuneRecipe, read_finetune_recipe
from models.classifier_store import FILES, load_classifier, save_classifier
from models.device import choose_device
from models.durable import SUMS
from models.errors import CheckpointError, LabelsError, NaNLossError, NothingLearnedError, RecipeError
from models.finetune import finetune
from models.labelled import LabelledText

WORDS = {
    "water": ["river", "rain", "fish", "boat", "swim", "wave", "sea", "lake"],
    "law": ["court", "judge", "vote", "tax", "party", "trial", "crime", "jury"],
}
COMMON = ["the", "of", "a", "in", "and", "to", "one", "that", "with", "for", "school", "student"]
RECIPE = FinetuneRecipe(context=24, epochs=2, base_rate=2e-3, head_rate=1e-2, ngram_buckets=512)


def made(groups=60, *, seed=0):
    draw, found = random.Random(seed), []
    for at in range(groups):
        label = ("water", "law")[at % 2]
        split = ("test", "test", "validation", "validation", *["train"] * 6)[at % 10]
        for each in range(5):
            words = [draw.choice(WORDS[label] if draw.random() < 0.4 else COMMON) for _ in range(15)]
            found.append(LabelledText(f"{at}/{each}", " ".join(words), label, f"chapter {at}", split))
    return found


def with_labels(texts, labels):
    return [
        LabelledText(each.text_id, each.text, label, each.group, each.split)
        for each, label in zip(texts, labels, strict=True)
    ]


@pytest.fixture(scope="module")
def texts():
    return made()


@pytest.fixture(scope="module")
def cpu():
    return choose_device("float32", threads=1)


@pytest.fixture(scope="module")
def classifier(texts, checkpoint):
    return finetune(texts, checkpoint, RECIPE, threads=1)


@pytest.fixture
def kept(classifier, tmp_path):
    save_classifier(classifier, tmp_path / "kept")
    return tmp_path / "kept"


def writable(folder):
    for path in folder.iterdir():
        path.chmod(0o644)


def figure(figures, name):
    return next(each for each in figures if (each.name, each.slice) == (name, "all"))


def test_a_classifier_tells_texts_it_never_saw(classifier, texts, cpu):
    held = [each for each in texts if each.split == "test"]
    figures = evaluate_classifier(classifier, held, cpu)
    assert figure(figures, "accuracy").value > 0.9
    assert figure(figures, "macro_f1").value > 0.9
    gain = figure(figures, "gain_over_commonest_label")
    assert gain.low > 0.2
    assert gain.group_count == 12
    assert gain.text_count == 60
    assert {each.slice for each in figures} == {"all", "label: law", "label: water"}


@pytest.mark.parametrize(("method", "epochs", "rate"), [("lora", 4, 1e-2), ("head", 12, 5e-2)])
def test_adapters_and_a_head_alone_learn_too(texts, checkpoint, cpu, method, epochs, rate):
    recipe = FinetuneRecipe(method=method, context=24, epochs=epochs, base_rate=rate, head_rate=rate)
    made_so = finetune(texts, checkpoint, recipe, threads=1)
    held = [each for each in texts if each.split == "test"]
    assert figure(evaluate_classifier(made_so, held, cpu), "gain_over_commonest_label").low > 0


def test_adapters_move_fewer_weights_and_leave_the_base_its_shape(texts, checkpoint, classifier, tmp_path, cpu):
    recipe = FinetuneRecipe(method="lora", context=24, epochs=3, base_rate=1e-2, head_rate=1e-2, lora_rank=2)
    adapted = finetune(texts, checkpoint, recipe, threads=1)
    assert adapted.training["trainable_parameters"] < classifier.training["trainable_parameters"] / 4
    encoder = {name for name in classifier.model.state_dict() if name.startswith("encoder")}
    assert {name for name in adapted.model.state_dict() if name.startswith("encoder")} == encoder
    save_classifier(adapted, tmp_path / "adapted")
    asked = [each.text for each in texts[:20]]
    assert np.array_equal(load_classifier(tmp_path / "adapted").chances(asked, cpu), adapted.chances(asked, cpu))


def test_the_same_seed_gives_the_same_weights(texts, checkpoint, classifier):
    again = finetune(texts, checkpoint, RECIPE, threads=1)
    for name, weight in classifier.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name


def test_a_kept_classifier_answers_the_same(kept, classifier, texts, cpu):
    loaded = load_classifier(kept)
    asked = [each.text for each in texts[:30]]
    assert np.array_equal(loaded.chances(asked, cpu), classifier.chances(asked, cpu))
    assert loaded.labels == ("law", "water")
    assert loaded.recipe == RECIPE
    assert loaded.training["label_counts"] == {"law": 90, "water": 90}


def test_an_answer_does_not_depend_on_the_texts_beside_it(classifier, texts, cpu):
    asked = [each.text for each in texts[:40]]
    alone = np.concatenate([classifier.chances([each], cpu) for each in asked])
    assert np.allclose(classifier.chances(asked, cpu), alone, atol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\0", "学校", "word " * 10_000])
def test_any_text_gets_probabilities_that_sum_to_one(classifier, text, cpu):
    chances = classifier.chances([text], cpu)
    assert chances.shape == (1, 2)
    assert chances.sum() == pytest.approx(1)
    assert np.isfinite(chances).all()


def test_shuffled_labels_are_noticed(texts, checkpoint):
    labels = [each.label for each in texts]
    random.Random(3).shuffle(labels)
    with pytest.raises(NothingLearnedError, match="nothing was learned and nothing written"):
        finetune(with_labels(texts, labels), checkpoint, RECIPE, threads=1)


def test_one_label_is_refused(texts, checkpoint):
    with pytest.raises(LabelsError, match="all training texts have the label 'law'"):
        finetune(with_labels(texts, ["law"] * len(texts)), checkpoint, RECIPE, threads=1)


def test_a_label_that_was_never_learned_is_named(classifier, texts, cpu):
    with pytest.raises(LabelsError, match=r"never learned the labels \['music'\]"):
        evaluate_classifier(classifier, with_labels(texts, ["music"] * len(texts)), cpu)
    with pytest.raises(LabelsError, match="no text to measure on"):
        evaluate_classifier(classifier, [], cpu)


def test_a_rate_that_is_far_too_high_stops_with_the_step(texts, checkpoint):
    with pytest.raises(NaNLossError, match="step"):
        finetune(texts, checkpoint, FinetuneRecipe(context=24, base_rate=1e30, head_rate=1e30), threads=1)


def test_no_file_is_overwritten_and_none_half_written(kept, classifier):
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(CheckpointError, match="is there already"):
        save_classifier(classifier, kept)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_only_what_a_killed_run_for_the_same_name_left_is_removed(classifier, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".kept.writing-{ended.pid}-abcd1234"
    others = [
        f".writing-{ended.pid}-mine",
        ".writing-notes",
        ".kept.writing-notes",
        f".other.writing-{ended.pid}-abcd1234",
    ]
    for folder in (left, *(tmp_path / name for name in others)):
        folder.mkdir()
    save_classifier(classifier, tmp_path / "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "kept"])


def test_a_resample_without_a_label_is_averaged_over_the_others(classifier, texts, cpu):
    # One group alone has the label water, and every text is told right: no resample may say less than 1.
    right = [each for each in texts if classifier.labels[classifier.chances([each.text], cpu).argmax()] == each.label]
    law, water = ([each for each in right if each.label == label] for label in ("law", "water"))
    figures = evaluate_classifier(classifier, [*law, *(each for each in water if each.group == water[0].group)], cpu)
    assert (figure(figures, "macro_f1").value, figure(figures, "macro_f1").low) == (1, 1)
    alone = evaluate_classifier(classifier, law, cpu)
    assert (figure(alone, "macro_f1").value, figure(alone, "macro_f1").low) == (1, 1)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_missing_is_refused(kept, name):
    writable(kept)
    content = (kept / name).read_bytes()
    (kept / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="is not what was written"):
        load_classifier(kept)
    (kept / name).unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_classifier(kept)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def resummed(folder):
    import hashlib

    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    (folder / SUMS).write_text("".join(lines))


def test_a_renamed_pickle_is_refused_and_not_run(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writable(kept)
    (kept / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    resummed(kept)
    with pytest.raises(CheckpointError, match="no safetensors file"):
        load_classifier(kept)
    assert not (tmp_path / "exploded").exists()


def test_weights_of_another_shape_are_refused(kept):
    writable(kept)
    values = json.loads((kept / "classifier.json").read_text())
    (kept / "classifier.json").write_text(json.dumps(values | {"labels": ["a", "b", "c"]}))
    resummed(kept)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_classifier(kept)


def test_a_folder_that_is_no_checkpoint_is_refused(texts, tmp_path, checkpoint):
    with pytest.raises(CheckpointError, match="neither recipe"):
        finetune(texts, tmp_path, RECIPE, threads=1)
    shutil.copytree(checkpoint, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").chmod(0o644)
    (tmp_path / "cut" / "model.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="is not what was written"):
        finetune(texts, tmp_path / "cut", RECIPE, threads=1)


def without(path, name):
    """Write a safetensors file again without one tensor."""
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    del weights[name]
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_folder_that_transformers_opens_is_a_base_too(texts, checkpoint, tmp_path, cpu, method):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(checkpoint / name, theirs / name)
    recipe = FinetuneRecipe(method=method, context=24, epochs=2, base_rate=2e-3, head_rate=1e-2, ngram_buckets=512)
    made_so = finetune(texts, theirs, recipe, threads=1)
    save_classifier(made_so, tmp_path / "kept")
    asked = [each.text for each in texts[:20]]
    assert np.array_equal(load_classifier(tmp_path / "kept").chances(asked, cpu), made_so.chances(asked, cpu))
    with pytest.raises(RecipeError, match="more than the 32 positions"):
        finetune(texts, theirs, FinetuneRecipe(context=64), threads=1)
    (theirs / "model.safetensors").chmod(0o644)
    without(theirs / "model.safetensors", "model.layers.1.mlp.up_proj.weight")
    with pytest.raises(CheckpointError, match=r"lacks the weights layers\.1\.mlp\.up_proj\.weight"):
        finetune(texts, theirs, recipe, threads=1)
    (theirs / "model.safetensors").unlink()
    (theirs / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="transformers cannot open"):
        finetune(texts, theirs, recipe, threads=1)


def test_the_temperature_makes_sureness_honest():
    draw = np.random.default_rng(0)
    true_N = draw.integers(0, 2, 4000)
    logits_NL = np.stack([np.where(true_N == 0, 1.0, -1.0), np.where(true_N == 1, 1.0, -1.0)], 1)
    flipped = draw.random(4000) < 0.2
    logits_NL[flipped] *= -1
    fitted = fitted_temperature(logits_NL * 10, true_N)
    assert softmax(logits_NL * 10 / fitted).max(axis=1).mean() == pytest.approx(1 - flipped.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"epochs": 0}', "epochs=0 is not a positive whole number"),
        ('{"dropout": 1}', "dropout=1 is not a number of at least 0 and below 1"),
        ('{"method": "magic"}', "method='magic' is none of full, lora, head"),
        ('{"batch": true}', "batch=True"),
        ('{"layers": 3}', "its fields are method, context"),
        ("[]", "holds no JSON object"),
        ("{", "cannot read a recipe"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(tmp_path, text, said):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(RecipeError, match=said):
        read_finetune_recipe(tmp_path / "recipe.json")
