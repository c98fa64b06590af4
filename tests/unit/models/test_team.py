"""Promises of processes that train one model together: on the CPU here, where they meet as they would between cards."""

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from models.checkpoint import load
from models.child import run_train
from models.config import TINY
from models.errors import ChildCrashedError
from models.requests import TrainRequest
from models.train import train

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
