"""Two runs of training compared: the same to the last bit on the CPU, or every difference is named."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from assets.reproduction import Attempt, compared, train_again
from dagster_project.settings import machine_environment
from models.agreement import (
    answers_finding,
    curve_finding,
    epochs_finding,
    figure_findings,
    share_findings,
    tokenizer_finding,
    weights_finding,
)
from models.checkpoint import FILES, TRAINING, WEIGHTS
from models.child import Place
from models.classifier_versions import CLASSIFIER
from models.durable import read_json, seal
from models.errors import CheckpointError
from models.surroundings import differences
from tests.unit.models.conftest import rows, table

GPU = "A Graphics Card"


def attempt(checkpoint, work, **changed):
    training = read_json(checkpoint / TRAINING)
    training["recipe"] |= changed
    work.mkdir()
    pq.write_table(table(rows()), work / "documents.parquet")
    return Attempt("gpt-0001", training, work, Place(environment=machine_environment()))


def altered(checkpoint, folder):
    """A copy of a checkpoint whose first weight is another by a thousandth."""
    shutil.copytree(checkpoint, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    weights = load_file(folder / WEIGHTS)
    name = sorted(weights)[0]
    weights[name] = weights[name].copy()
    weights[name].flat[0] += 0.001
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    seal(folder, FILES)
    return folder, name


def test_another_seed_is_named(checkpoint, tmp_path):
    other, steps = attempt(checkpoint, tmp_path / "other", seed=1), []
    findings = list(compared(other, checkpoint, train_again(other, steps.append)))
    assert steps[-1].step == steps[-1].steps
    assert {each.what: each.agreed for each in findings} == {"tokenizer": True, "weights": False, "curve": False}
    assert "weights differ: " in findings[1].detail
    assert "losses differ, first at step " in findings[2].detail


def test_a_run_agrees_with_itself(checkpoint, tmp_path):
    same = attempt(checkpoint, tmp_path / "same")
    findings = list(compared(same, checkpoint, checkpoint))
    assert [(each.what, each.agreed) for each in findings] == [(w, True) for w in ("tokenizer", "weights", "curve")]


def test_a_changed_weight_is_named(checkpoint, tmp_path):
    folder, name = altered(checkpoint, tmp_path / "altered")
    found = weights_finding(checkpoint, folder, device="cpu")
    assert not found.agreed
    assert f"1 of {len(load_file(checkpoint / WEIGHTS))} weights differ: {name} by up to 0.001" in found.detail
    assert str(found).startswith("DIFFERS  weights: ")
    assert tokenizer_finding(checkpoint, folder).agreed
    # A GPU adds in another order each time: there the curve and the figures decide.
    assert weights_finding(checkpoint, folder, device=GPU).agreed


def test_a_model_of_another_shape_is_named_on_every_device(checkpoint, tmp_path):
    folder, name = altered(checkpoint, tmp_path / "other")
    weights = load_file(folder / WEIGHTS)
    del weights[name]
    save_file(weights, folder / WEIGHTS)
    assert "other shapes" in weights_finding(checkpoint, folder, device=GPU).detail
    (folder / WEIGHTS).write_text("no weights")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        weights_finding(checkpoint, folder, device="cpu")


@pytest.mark.parametrize(("device", "change", "agrees"), [("cpu", 1e-9, False), (GPU, 0.005, True), (GPU, 0.05, False)])
def test_a_curve_agrees_within_what_the_device_promises(device, change, agrees):
    point = {"step": 1, "train_bits_per_byte": 2.0, "validation_bits_per_byte": None}
    moved = point | {"train_bits_per_byte": 2.0 + change}
    assert curve_finding({"device": device, "curve": [point]}, {"curve": [moved]}).agreed is agrees
    assert not curve_finding({"device": device, "curve": [point]}, {"curve": [point, point | {"step": 2}]}).agreed
    nothing = point | {"train_bits_per_byte": float("nan")}
    assert not curve_finding({"device": device, "curve": [point]}, {"curve": [nothing]}).agreed


@pytest.mark.parametrize(("device", "change", "agrees"), [("cpu", 1e-5, False), (GPU, 0.005, True), (GPU, 0.05, False)])
def test_figures_agree_within_what_the_device_promises(device, change, agrees):
    one = {"evaluator": "gpt", "slice": "all", "bits_per_byte": 1.25}
    (found,) = figure_findings([one], [one | {"bits_per_byte": 1.25 + change}], device=device)
    assert found.agreed is agrees
    assert ("not within" in found.detail) is not agrees
    missing = figure_findings([one], [one | {"slice": "other"}], device=device)
    assert [each.agreed for each in missing] == [False, False]


def test_surroundings_that_differ_are_told():
    recorded = {
        "device": "cpu",
        "platform": "Linux",
        "processor": "one",
        "threads": 2,
        "packages": {"torch": "2.0", "gone": "1"},
        "versions": {"python": "3.11"},
    }
    here = recorded | {"cpu_capability": "AVX2", "cores": 2}
    assert list(differences(here, here)) == []
    changed = here | {"processor": "other", "cores": 1, "packages": {"torch": "2.1"}}
    told = list(differences(recorded, changed))
    assert told == [
        "processor was one, here it is other",
        "cpu_capability was not recorded; here it is AVX2",
        "it ran on 2 threads, here are 1 cores; as many threads share them",
        "gone was 1, here it is not installed",
        "torch was 2.0, here it is 2.1",
    ]


def epochs(**last):
    first = {"epoch": 1, "epochs": 2, "loss": 0.5, "validation_accuracy": 0.75, "cpu_seconds": 1.0}
    return {"device": "cpu", "curve": [first, first | {"epoch": 2} | last]}


def test_epochs_of_a_fine_tuning_are_compared_exactly_on_the_cpu_and_seconds_are_not():
    assert epochs_finding(epochs(), epochs(cpu_seconds=9.0)).agreed
    found = epochs_finding(epochs(), epochs(loss=0.5000001))
    assert (found.agreed, "first at epoch 2, loss: 0.500000 then, 0.500000 now" in found.detail) == (False, True)
    assert not epochs_finding(epochs(), {"curve": epochs()["curve"][:1]}).agreed
    assert epochs_finding(epochs() | {"device": GPU}, epochs(loss=0.51)).agreed
    assert not epochs_finding(epochs() | {"device": GPU}, epochs(loss=float("nan"))).agreed


@pytest.mark.parametrize(
    ("device", "changed", "agreed"),
    [
        ("cpu", {}, True),
        ("cpu", {"temperature": 1.0001}, False),
        (GPU, {"temperature": 1.04}, True),
        (GPU, {"temperature": 1.06}, False),
        (GPU, {"labels": ["b", "a"]}, False),
    ],
)
def test_what_a_classifier_says_of_itself_is_compared(tmp_path, device, changed, agreed):
    said = {"labels": ["a", "b"], "temperature": 1.0, "recipe": {"seed": 0}}
    for name, values in (("then", said), ("now", said | changed)):
        (tmp_path / name).mkdir()
        (tmp_path / name / CLASSIFIER).write_text(json.dumps(values))
    assert answers_finding(tmp_path / "then", tmp_path / "now", device=device).agreed is agreed


def test_figures_of_a_classifier_are_compared_one_by_one():
    then = [{"name": "accuracy", "slice": "all", "value": 0.8}, {"name": "recall", "slice": "label: a", "value": 0.7}]
    now = [{"name": "accuracy", "slice": "all", "value": 0.81}, {"name": "macro_f1", "slice": "all", "value": 0.7}]
    assert [each.agreed for each in share_findings(then, then, device="cpu")] == [True, True]
    found = {each.what: each for each in share_findings(then, now, device="cpu")}
    assert {name: each.agreed for name, each in found.items()} == dict.fromkeys(found, False)
    assert found["accuracy on all"].detail == "0.800000 recorded, 0.810000 now, not within 1e-06"
    assert (found["macro_f1 on all"].detail, found["recall on label: a"].detail) == (
        "only measured now",
        "only recorded",
    )
    assert share_findings(then[:1], now[:1], device=GPU)[0].agreed
