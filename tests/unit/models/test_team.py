"""Promises of processes that train one model together: on the CPU here, where they meet as they would between cards."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from models import team
from models.checkpoint import load
from models.child import run_train
from models.config import TINY
from models.errors import ChildCrashedError
from models.requests import TrainRequest
from models.train import train
from tests.unit.models.team_gradients import learned

ROOT = Path(__file__).parents[3]
PASSES = 2
RECIPE = dataclasses.replace(TINY, steps=12, record_every=4, validate_every=4)


def request(documents_file, tmp_path, recipe):
    return TrainRequest(
        documents=documents_file,
        recipe=recipe,
        checkpoints=tmp_path / "checkpoints",
        work=tmp_path / "work",
        documents_snapshot="42",
        threads=1,
        processes=2,
    )


def other_process(tmp_path):
    """Return the process that trains along, once it is there."""
    name = str(tmp_path / "work").encode()
    while True:
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            words = each.read_bytes()
            if b"models.teammate" in words and name in words:
                return int(each.parent.name)
        time.sleep(0.05)


def test_two_processes_learn_what_one_does_and_go_on_where_they_were_killed(documents, documents_file, tmp_path):
    asked = request(documents_file, tmp_path, dataclasses.replace(RECIPE, accumulate=2))
    killed, other = threading.Event(), []

    def kill(progress):
        if progress.step == 1:
            other.append(other_process(tmp_path))  # looked for early: four short steps after the eighth all is over
        if progress.step == 8:
            os.kill(other[0], signal.SIGKILL)
            killed.set()

    with pytest.raises(ChildCrashedError, match="process 1 of 2 ended with -9"):
        run_train(asked, on_progress=kill)
    assert killed.is_set()
    result = run_train(asked)
    assert result.training["processes"] == 2
    assert result.training["resumed_at_step"] in (4, 8)
    alone = train(documents, RECIPE, threads=1).model.state_dict()
    together = load(result.folder).model.state_dict()
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, atol=2e-3, rtol=1e-2)
    assert not list((tmp_path / "work").glob("meeting-*"))


def test_a_step_of_two_processes_has_the_gradients_of_one(tmp_path):
    meeting = tmp_path / "meeting"
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.models.team_gradients", str(meeting), str(PASSES)], cwd=ROOT
    )
    try:
        with team.joined(meeting, 0, 2) as together:
            loss, gradients = learned(together, PASSES)
        assert other.wait(240) == 0
    finally:
        other.kill()
        other.wait()
    alone_loss, alone = learned(team.ALONE, 1)
    assert loss == pytest.approx(alone_loss, rel=1e-6)
    assert max(each.abs().max() for each in alone.values()) > 1e-2  # far above what rounding may change
    for name, gradient in alone.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-6, rtol=1e-4)


def waiting():
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_one_that_cannot_be_started_leaves_neither_the_others_nor_a_file(tmp_path, monkeypatch):
    started = []

    def start(request, meeting, rank, size):
        if rank == 2:
            raise OSError("no more processes")
        meeting.touch()
        started.append(waiting())
        return started[0]

    monkeypatch.setattr(team, "_start", start)
    with pytest.raises(OSError, match="no more"), team.leading(tmp_path / "request.json", 3).meet():
        pytest.fail("nobody was met")
    assert started[0].returncode == -signal.SIGKILL
    assert started[0].stdin.closed
    assert not list(tmp_path.iterdir())


def test_a_leader_that_gives_up_leaves_neither_the_others_nor_a_file(tmp_path, monkeypatch):
    made = {1: subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], stdin=subprocess.PIPE), 2: waiting()}
    monkeypatch.setattr(team, "_start", lambda request, meeting, rank, size: made[rank])
    monkeypatch.setattr(team, "_GRACE_S", 0.01)
    seen, over = [], threading.Event()

    def abort():
        seen.append(([each.returncode for each in made.values()], list(tmp_path.iterdir())))
        over.set()

    monkeypatch.setattr(os, "abort", abort)
    (tmp_path / "meeting-of-a-killed-run").touch()
    others = team._Others(tmp_path / "request.json", 3)
    others.start()
    try:
        others.meeting.touch()
        assert over.wait(120)
    finally:
        others.end()
    assert seen[0] == ([3, -signal.SIGKILL], [])
