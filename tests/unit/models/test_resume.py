"""Promises of runs that are killed or spoilt: they go on to the same weights, and never from half a state."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import train as training
from models.config import TINY
from models.durable import SUMS
from models.errors import NaNLossError
from models.progress import Progress
from models.resume import STATE, TENSORS, ResumeStore
from models.train import train

ROOT = Path(__file__).parents[3]
KILLED = Path(__file__).with_name("killed_training.py")
RECIPE = dataclasses.replace(TINY, dropout=0.1)  # so that random numbers must be taken up too


class Stopped(Exception):
    pass


def stopped_after(step):
    def listen(progress):
        if progress.step >= step:
            raise Stopped

    return listen


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one) and one.keys() == other.keys()


@pytest.fixture(scope="module")
def whole(documents):
    return train(documents, RECIPE, threads=1)


@pytest.fixture
def stopped(documents, tmp_path):
    """The states of a run that was stopped after its second one."""
    store = ResumeStore(tmp_path / "resume", "k" * 64, Progress)
    with pytest.raises(Stopped):
        train(documents, RECIPE, threads=1, resume=store, on_progress=stopped_after(30))
    assert [path.name for path in sorted(store.folder.iterdir())] == ["step-00000010", "step-00000020"]
    return store


def untimed(curve):
    return [(each.step, each.train_bits_per_byte, each.validation_bits_per_byte) for each in curve]


def test_a_stopped_run_goes_on_to_the_same_weights_and_losses(documents, stopped, whole):
    again = train(documents, RECIPE, threads=1, resume=stopped)
    assert again.resumed_at == 20
    assert same(again.model.state_dict(), whole.model.state_dict())
    assert untimed(again.curve) == untimed(whole.curve)


@pytest.mark.parametrize("optimizer", ["bfloat16_muon", "adamw"])
def test_every_optimizer_goes_on_where_it_was_stopped(documents, whole, tmp_path, optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    wanted, store = train(documents, recipe, threads=1), ResumeStore(tmp_path, "k", Progress)
    with pytest.raises(Stopped):
        train(documents, recipe, threads=1, resume=store, on_progress=stopped_after(30))
    again = train(documents, recipe, threads=1, resume=store)
    assert again.resumed_at == 20
    assert same(again.model.state_dict(), wanted.model.state_dict())
    assert not same(wanted.model.state_dict(), whole.model.state_dict())
    assert wanted.curve[-1].train_bits_per_byte < wanted.curve[0].train_bits_per_byte - 1


def test_keeping_states_changes_nothing_that_is_learned(documents, whole, tmp_path):
    kept = train(documents, RECIPE, threads=1, resume=ResumeStore(tmp_path, "k", Progress))
    assert same(kept.model.state_dict(), whole.model.state_dict())


@pytest.mark.parametrize("name", [TENSORS, STATE, SUMS])
def test_a_spoilt_state_gives_way_to_the_one_before_it(documents, stopped, whole, name):
    path = stopped.folder / "step-00000020" / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-7])
    again = train(documents, RECIPE, threads=1, resume=stopped)
    assert again.resumed_at == 10
    assert same(again.model.state_dict(), whole.model.state_dict())


def test_threads_are_those_the_run_began_with(documents, tmp_path):
    other = dataclasses.replace(RECIPE, steps=20)
    wanted = train(documents, other, threads=2)
    store = ResumeStore(tmp_path, "k", Progress)
    with pytest.raises(Stopped):
        train(documents, other, threads=2, resume=store, on_progress=stopped_after(20))
    again = train(documents, other, threads=1, resume=store)
    assert again.device.threads == 2
    assert same(again.model.state_dict(), wanted.model.state_dict())


def test_a_state_of_another_library_is_left_aside(documents, stopped, whole, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "0.0.1")
    again = train(documents, RECIPE, threads=1, resume=stopped)
    assert again.resumed_at == 0
    assert same(again.model.state_dict(), whole.model.state_dict())


def test_states_of_another_run_are_never_taken_up_and_are_dropped(documents, stopped):
    other = ResumeStore(stopped.root, "other", Progress)
    assert other.newest() is None
    assert not stopped.folder.exists()


def test_a_loss_that_turns_into_no_number_keeps_the_last_good_state(documents, tmp_path, monkeypatch):
    def rises(step, recipe):
        return 3e37 if step > 22 else 1.0

    monkeypatch.setattr(training, "schedule", rises)
    store = ResumeStore(tmp_path / "resume", "k", Progress)
    with pytest.raises(NaNLossError, match=r"at step 2\d of 30 .*documents train/.*the last good state, of step 20,"):
        train(documents, RECIPE, threads=1, resume=store)
    state = store.newest()
    assert state.step == 20
    assert all(torch.isfinite(each).all() for name, each in state.tensors.items() if name.startswith("model."))


def test_weights_that_are_no_numbers_are_never_kept(documents, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "schedule", lambda step, recipe: float("inf") if step == 19 else 1.0)
    store = ResumeStore(tmp_path / "resume", "k", Progress)
    with pytest.raises(NaNLossError, match=r"after step 20 of 30 these weights .*of step 10,"):
        train(documents, RECIPE, threads=1, resume=store)
    assert store.newest().step == 10


@pytest.mark.timeout(900)
def test_a_kill_at_any_touch_of_a_state_leaves_a_good_one_from_which_the_weights_are_the_same(documents_file, tmp_path):
    done = subprocess.run(
        [sys.executable, str(KILLED), str(documents_file), str(tmp_path)],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["points"] > 50
    assert told["good"] == told["points"], "the state before, or the new one, whichever was named last"
    assert (told["killed"], told["equal"]) == (3, 3)
    assert sorted(told["resumed_at"]) == told["resumed_at"]
    assert set(told["resumed_at"]) <= {0, 2, 4}
    assert told["resumed_at"][-1] > 0
