"""Promises of the child process."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models import measures, verbs
from models.checkpoint import CheckpointStore
from models.child import LOG, run_evaluate, run_train
from models.config import TINY
from models.errors import ChildCrashedError, NoDocumentsError
from models.requests import EvaluateRequest, TrainRequest, write_request
from models.scores import better, read_scores
from tests.unit.models import known_folder
from tests.unit.models.conftest import rows, table
from tests.waiting import is_running

ROOT = Path(__file__).parents[3]
ENDLESS = dataclasses.replace(TINY, steps=1_000_000, record_every=1)


def request(documents_file, tmp_path, *, recipe=TINY, name="train"):
    return TrainRequest(
        documents=documents_file,
        recipe=recipe,
        checkpoints=tmp_path / "checkpoints",
        work=tmp_path / name,
        documents_snapshot="42",
        dataset_commits={"letters": "c0ffee"},
        code_commit="abc",
        cause="first",
        threads=1,
    )


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def children_of(process_id):
    listed = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(each) for each in listed.split()]


def test_training_then_evaluating_in_child_processes(documents_file, tmp_path):
    seen = []
    result = run_train(request(documents_file, tmp_path), on_progress=seen.append)
    assert result.created
    assert result.model_version == "gpt-0001"
    assert seen == result.curve
    assert result.training["documents_snapshot"] == "42"
    assert result.training["dataset_commits"] == {"letters": "c0ffee"}

    again = run_train(request(documents_file, tmp_path, name="again"), on_progress=seen.append)
    assert not again.created
    assert again.model_version == "gpt-0001"
    assert not (tmp_path / "again" / LOG).exists()

    known_folder.blimp(tmp_path / "known" / "blimp", {"one_island": [("a new school", "a school new")] * 9})
    measured = run_evaluate(
        EvaluateRequest(
            documents=documents_file,
            checkpoint=result.folder,
            work=tmp_path / "evaluate",
            threads=1,
            known_tests=tmp_path / "known",
            known_tests_most=4,
        )
    )
    assert len(measured.rows) == 9
    assert {each.count for each in measured.measures if each.measure == "blimp_accuracy"} == {4}
    assert pq.read_table(measured.predictions).num_rows == 8
    scores = read_scores(measured.scores)
    assert not better(scores, scores).wins


def test_peak_memory_is_taken_before_published_tests_are_read(checkpoint, documents_file, tmp_path, monkeypatch):
    order = []
    read, peak = verbs.read_known_tests, measures.peak_bytes
    monkeypatch.setattr(verbs, "read_known_tests", lambda *given, **more: order.append("tests") or read(*given, **more))
    monkeypatch.setattr(measures, "peak_bytes", lambda: order.append("peak") or peak())
    known_folder.blimp(tmp_path / "known" / "blimp", {"one_island": [("a new school", "a school new")] * 9})
    asked = EvaluateRequest(
        documents=documents_file,
        checkpoint=checkpoint,
        work=tmp_path / "work",
        threads=1,
        known_tests=tmp_path / "known",
    )
    asked.work.mkdir()
    write_request(tmp_path / "request.json", asked)
    verbs.run_evaluate(tmp_path / "request.json")
    assert order == ["peak", "tests"]


def test_errors_of_the_child_reach_the_parent_by_name(tmp_path):
    pq.write_table(table(rows(train_count=0)), tmp_path / "documents.parquet")
    with pytest.raises(NoDocumentsError, match="split 'train'"):
        run_train(request(tmp_path / "documents.parquet", tmp_path))


def test_a_killed_child_is_named_leaves_no_checkpoint_and_the_next_run_works(documents_file, tmp_path):
    killed = threading.Event()

    def kill(_):
        if not killed.is_set():
            os.kill(children_of(os.getpid())[-1], signal.SIGKILL)
            killed.set()

    with pytest.raises(ChildCrashedError, match=r"(?s)signal SIGKILL.*training device=cpu"):
        run_train(request(documents_file, tmp_path, recipe=ENDLESS), on_progress=kill)
    assert CheckpointStore(tmp_path / "checkpoints").versions() == []
    assert run_train(request(documents_file, tmp_path)).model_version == "gpt-0001"


def test_a_failing_callback_ends_the_child(documents_file, tmp_path):
    pids = []

    def fail(_):
        # The test process may have other children, such as a server that other tests share.
        pids.extend(pid for pid in children_of(os.getpid()) if b"models.child" in command_of(pid))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_train(request(documents_file, tmp_path, recipe=ENDLESS), on_progress=fail)
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


PARENT = """
import json, os, sys
from pathlib import Path
from models.child import run_train
from models.requests import read_train_request

def show(_):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    print(children, "torch" in sys.modules, "transformers" in sys.modules, flush=True)

run_train(read_train_request(Path(sys.argv[1])), on_progress=show)
"""


def test_the_child_dies_with_its_parent_which_never_loads_torch(documents_file, tmp_path):
    asked = vars(request(documents_file, tmp_path, recipe=ENDLESS))
    values = {key: str(value) if isinstance(value, Path) else value for key, value in asked.items()}
    (tmp_path / "asked.json").write_text(json.dumps(values | {"recipe": ENDLESS.canonical_json()}))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "asked.json")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with parent:
        child, torch_loaded, transformers_loaded = parent.stdout.readline().split()
        parent.kill()
    assert (torch_loaded, transformers_loaded) == ("False", "False")
    deadline = time.monotonic() + 60
    while is_running(int(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(child))
