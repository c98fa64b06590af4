"""Runs are copied to MLflow whole and once, by the written API; whatever fails there is told and stops nothing."""

import importlib.util
import sys
from pathlib import Path

import pytest
from urllib3 import Timeout

from assets.mirror import NOWHERE, NoMirror, copied, run_of
from dagster_project.settings import load_settings
from dagster_project.wiring import mirror as wired
from lakehouse.adapters.mlflow import VERSION_TAG, MlflowMirror
from lakehouse.errors import MirrorError
from models.requests import EvaluateResult
from models.scores import EvaluationRow

_spec = importlib.util.spec_from_file_location("mlflow_double", Path(__file__).with_name("mlflow_double.py"))
double = importlib.util.module_from_spec(_spec)
sys.modules["mlflow_double"] = double
_spec.loader.exec_module(double)

TRAINING = {
    "recipe": {"layers": 2, "seed": 0, "note": "x" * 700},
    "trained_at": "2026-01-02T03:04:05+00:00",
    "train_seconds": 2.5,
    "documents_snapshot": "7",
    "code_commit": "abc",
    "cause": "first",
    "run_id": "run-1",
    "training_key": "k",
    "dataset_commits": {"letters@1": "c0ffee"},
    "curve": [
        {"step": step, "train_bits_per_byte": 2.0, "validation_bits_per_byte": None if step % 2 else 1.5,
         "tokens_per_second": 9.0}
        for step in range(500)
    ],
}  # fmt: skip
RESULT = EvaluateResult(
    evaluation_snapshot="e",
    rows=[
        EvaluationRow("gpt", "all", 1.25, None, 3, 100),
        EvaluationRow("trigram", "all", 1.5, None, 3, 100),
        EvaluationRow("gpt", "letters", 1.0, None, 3, 100),
    ],
    scores=Path("scores"),
    predictions=Path("predictions"),
    seconds=1.0,
)


@pytest.fixture
def server():
    with double.tracking() as held:
        yield held


def client(server, token=""):
    return MlflowMirror(server.url, "lake", token, timeout=Timeout(connect=10, read=30))


def test_a_run_is_copied_whole_and_once(server):
    run = run_of("gpt-0001", TRAINING, RESULT)
    name = client(server).mirror(run)
    kept = server.runs[name]
    assert (kept["status"], kept["name"]) == ("FINISHED", "gpt-0001")
    assert (kept["end_time"], kept["end_time"] - kept["start_time"]) == (1767323045000, 2500)
    assert kept["params"] == {"layers": "2", "seed": "0", "note": "x" * 500}
    assert kept["tags"]["lakehouse.documents_snapshot"] == "7"
    assert kept["tags"]["lakehouse.datasets"] == "letters@1=c0ffee"
    assert len(kept["metrics"]) == len(run.metrics) == 500 + 250 + 500 + 2, "more than one request takes"
    assert ("validation_bits_per_byte", 1.5, 498) in kept["metrics"]
    assert {each for each in kept["metrics"] if each[0].endswith("m_bits_per_byte")} == {
        ("trigram_bits_per_byte", 1.5, 0)
    }
    assert client(server).mirror(run) == name
    assert len(server.runs) == 1
    assert client(server).mirror(run_of("gpt-0002", TRAINING, RESULT)) != name
    assert len(server.experiments) == 1


def test_a_copy_that_was_cut_short_is_made_anew(server):
    run = run_of("gpt-0001", TRAINING, RESULT)
    server.fail_at = "/runs/log-batch"
    with pytest.raises(MirrorError, match="refused /runs/log-batch with 503 TEMPORARILY_UNAVAILABLE"):
        client(server).mirror(run)
    server.fail_at = ""
    name = client(server).mirror(run)
    assert [each["status"] for each in server.runs.values()] == ["RUNNING", "FINISHED"]
    assert server.runs[name]["tags"][VERSION_TAG] == "gpt-0001"


def test_a_token_is_sent_and_never_told(server):
    server.token = "right-token"
    run = run_of("gpt-0001", TRAINING, RESULT)
    assert client(server, "right-token").mirror(run)
    with pytest.raises(MirrorError, match="401 UNAUTHENTICATED; check LAKEHOUSE_MLFLOW_URL and its token") as caught:
        client(server, "wrong-token").mirror(run)
    assert "wrong-token" not in str(caught.value)
    assert "secret" not in str(caught.value), "what the server says may quote what was sent"
    for url in (server.url, "http://127.0.0.1:9"):  # one that refuses, and a closed port
        named = MlflowMirror(url.replace("//", "//ada:hidden@"), "lake", timeout=Timeout(connect=10, read=30))
        told = copied(named, "gpt-0001", TRAINING, RESULT)
        assert told.startswith(f"not copied: {url} ")
        assert "hidden" not in told
        assert "ada" not in told


def test_what_fails_there_is_told_and_stops_nothing(server):
    server.garbage = True
    assert "does not answer as MLflow does" in copied(client(server), "gpt-0001", TRAINING, RESULT)
    gone = MlflowMirror("http://127.0.0.1:9", "lake", timeout=Timeout(connect=10, read=10))
    assert "not copied: http://127.0.0.1:9 gave no answer" in copied(gone, "gpt-0001", TRAINING, RESULT)


def test_a_record_that_lacks_something_or_an_odd_answer_is_told_and_stops_nothing(server):
    whole = client(server)
    told = copied(whole, "gpt-0001", {name: value for name, value in TRAINING.items() if name != "curve"}, RESULT)
    assert told == "not copied: training.json of gpt-0001 lacks what a copy needs (KeyError: 'curve')"
    assert copied(NoMirror(), "gpt-0001", {}, RESULT) == NOWHERE
    server.odd = {"/runs/search": {"runs": {"a": 1}}}
    assert "has no list of runs" in copied(whole, "gpt-0001", TRAINING, RESULT)


def test_it_is_off_unless_a_server_is_named(server, tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    assert isinstance(wired(settings), NoMirror)
    assert copied(wired(settings), "gpt-0001", TRAINING, RESULT) == NOWHERE
    named = wired(settings.model_copy(update={"mlflow_url": server.url}))
    assert copied(named, "gpt-0001", TRAINING, RESULT) in server.runs
    assert set(server.experiments) == {"education-lakehouse"}


def test_a_deleted_experiment_is_named_and_takes_a_copy_once_it_is_restored(server):
    run = run_of("gpt-0001", TRAINING, RESULT)
    first = client(server).mirror(run)
    server.deleted.add("lake")
    with pytest.raises(MirrorError, match=r"experiment .lake. is deleted at http://127"):
        client(server).mirror(run)
    server.deleted.clear()
    assert client(server).mirror(run) == first


def test_a_figure_that_is_no_number_is_told_and_nothing_is_sent(server):
    curve = [{"step": 1, "train_bits_per_byte": float("nan")}]
    told = copied(client(server), "gpt-0001", {**TRAINING, "curve": curve}, RESULT)
    assert told == "not copied: train_bits_per_byte of gpt-0001 are no finite numbers; nothing was sent"
    assert server.asked == []
