"""Promises of fine-tunings that are killed: they go on to the same weights, and never from another run's state."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from dagster_project import finetuning
from dagster_project.finetuning import Asked, trained
from models import tuning
from models.classifier_recipe import FinetuneRecipe
from models.durable import held_alone
from models.errors import CheckpointError, NaNLossError, NothingLearnedError
from models.finetune import finetune, finetuning_key
from models.progress import Learned, tuning_line
from models.resume import STATE, ResumeStore
from models.text_batches import TextBatches
from tests.unit.models.killed_finetuning import recipe, store
from tests.unit.models.test_finetune import made, with_labels
from tests.unit.models.test_resume import same

ROOT = Path(__file__).parents[3]
KILLED = Path(__file__).with_name("killed_finetuning.py")
RECIPE = recipe("full")


@pytest.fixture
def theirs(checkpoint, tmp_path):
    """A base that transformers opens, whose own dropout draws from torch's generator."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(checkpoint / name, folder / name)
    (folder / "config.json").chmod(0o644)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.2}))
    return folder


@pytest.mark.timeout(900)
def test_a_killed_fine_tuning_goes_on_to_the_same_weights_and_losses(checkpoint, tmp_path):
    done = subprocess.run(
        [sys.executable, str(KILLED), str(checkpoint), str(tmp_path), "7"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    whole = finetune(made(), checkpoint, RECIPE, threads=1)
    again = finetune(made(), checkpoint, RECIPE, threads=1, resume=store(tmp_path, checkpoint, "full"))
    assert (whole.training["resumed_at_step"], again.training["resumed_at_step"]) == (0, 7)
    assert untimed(again) == untimed(whole)
    assert same(again.model.state_dict(), whole.model.state_dict())


def test_adapters_and_torchs_own_random_numbers_are_taken_up_too(theirs, tmp_path):
    whole = finetune(made(), theirs, recipe("lora"), threads=1)
    kept = stopped(theirs, tmp_path / "states", "lora")
    torch.rand(3)
    again = finetune(made(), theirs, recipe("lora"), threads=1, resume=kept)
    assert again.training["resumed_at_step"] == 11
    assert untimed(again) == untimed(whole)
    assert same(again.model.state_dict(), whole.model.state_dict())


def untimed(classifier):
    curve = [(each["epoch"], each["loss"], each["validation_accuracy"]) for each in classifier.training["curve"]]
    return curve, classifier.temperature


def stopped(base, root, method):
    """A store of states of a run that an error ended after its first epoch."""
    kept = store(root, base, method)

    def listen(learned):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        finetune(made(), base, recipe(method), threads=1, resume=kept, keep_seconds=0.0, on_epoch=listen)
    return kept


def test_a_spoilt_state_gives_way_to_the_one_before_it(checkpoint, tmp_path):
    kept = stopped(checkpoint, tmp_path / "states", "full")
    spoilt = kept.folder / f"step-{kept.newest_step():08d}" / STATE
    spoilt.chmod(0o644)
    spoilt.write_text("{}")
    assert finetune(made(), checkpoint, RECIPE, threads=1, resume=kept).training["resumed_at_step"] == 10


def test_the_key_of_a_run_tells_texts_base_and_recipe_apart(checkpoint, theirs):
    texts = made()
    keys = {
        finetuning_key(texts, checkpoint, RECIPE),
        finetuning_key(texts[::-1], checkpoint, RECIPE),  # another order is another run
        finetuning_key(texts, theirs, RECIPE),
        finetuning_key(texts, checkpoint, FinetuneRecipe()),
    }
    assert len(keys) == 4
    assert finetuning_key(made(), checkpoint, RECIPE) in keys


def test_batches_are_taken_up_where_they_were_left():
    lengths = [at % 7 + 1 for at in range(23)]
    one, other = (TextBatches(lengths, batch=4, seed=3) for _ in range(2))
    drawn = [next(one).tolist() for _ in range(9)]
    for _ in range(4):
        next(other)
    kept = json.loads(json.dumps(other.state()))
    taken_up = TextBatches(lengths, batch=4, seed=99)
    taken_up.resume(kept)
    assert [next(taken_up).tolist() for _ in range(5)] == drawn[4:]
    assert sorted(at for batch in drawn[:6] for at in batch) == list(range(23))


def test_a_loss_that_turns_into_no_number_keeps_the_last_good_state(checkpoint, tmp_path):
    texts, wild = made(), FinetuneRecipe(context=24, base_rate=1e30, head_rate=1e30, warmup_share=0.9)
    kept = ResumeStore(tmp_path / "states", "k", Learned)
    told = r"of 12 \(epoch 1, rows \d+/\d, .* and 12 more\); the last good state, of step"
    with pytest.raises(NaNLossError, match=told):
        finetune(texts, checkpoint, wild, threads=1, resume=kept, keep_seconds=0.0)
    state = kept.newest()
    assert state is not None
    assert state.step > 0
    assert all(torch.isfinite(each).all() for each in state.tensors.values())


def test_the_command_goes_on_and_leaves_no_states(checkpoint, tmp_path, monkeypatch, capsys):
    texts, out = made(), tmp_path / "subjects"
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "_tell", lambda learned: 1 / (2 - learned.epoch))
        patch.setitem(finetune.__kwdefaults__, "keep_seconds", 0.0)
        with pytest.raises(ZeroDivisionError):
            list(trained(texts, checkpoint, RECIPE, out, Asked(), threads=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".subjects.states"]
    # Only this line: how so small a classifier does in its tests is not what is asked here.
    assert next(trained(texts, checkpoint, RECIPE, out, Asked(), threads=1)).startswith("wrote ")
    assert "going on from step 23 " in capsys.readouterr().err
    assert json.loads((out / "finetuning.json").read_text())["resumed_at_step"] == 23
    assert [path.name for path in tmp_path.iterdir()] == ["subjects"]


def test_a_run_that_learned_nothing_leaves_no_states(checkpoint, tmp_path):
    texts = made()
    shuffled = with_labels(texts, [("law", "water")[at // 3 % 2] for at in range(len(texts))])
    with pytest.raises(NothingLearnedError):
        list(trained(shuffled, checkpoint, RECIPE, tmp_path / "subjects", Asked(), threads=1))
    assert list(tmp_path.iterdir()) == []


def test_two_runs_for_one_folder_are_not_at_work_at_once(checkpoint, tmp_path):
    with (
        held_alone(tmp_path / ".subjects.states"),
        pytest.raises(CheckpointError, match="another run is at work"),
    ):
        list(trained(made(), checkpoint, RECIPE, tmp_path / "subjects", Asked(), threads=1))
    assert list(tmp_path.iterdir()) == []


def test_a_long_tuning_tells_of_a_step_in_ten_seconds_with_the_mean_loss_since(monkeypatch):
    lines, now = [], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told = tuning._Told(lambda step: lines.append(tuning_line(Learned, asdict(step))), 100)
    for step in range(41, 71):  # gone on with: 40 steps were learned before
        now[0] += 1.0
        told.hear(step, float(step), texts=4, tokens=50)
    assert lines == [
        "step 50 of 100: loss 45.5000, 4.0 texts/s, 50 tokens/s, 50 s left",
        "step 60 of 100: loss 55.5000, 4.0 texts/s, 50 tokens/s, 40 s left",
        "step 70 of 100: loss 65.5000, 4.0 texts/s, 50 tokens/s, 30 s left",
    ]
    epoch = Learned(1, 2, 0.5, 0.75, 3.0)
    assert tuning_line(Learned, asdict(epoch)) == str(epoch)
