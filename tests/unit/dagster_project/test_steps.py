"""What the demo tells of its steps, of the model it trains, and to whoever asks meanwhile."""

import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from rich.console import Console
from rich.progress import Progress

from dagster_project import bootstrap, demo
from dagster_project.doing import being_done, doing
from dagster_project.local_env import ensure_local
from dagster_project.loop import RunOutcome
from dagster_project.settings import PROJECT, load_settings
from dagster_project.steps import Beside, Steps, TrainingBar, as_markdown, held_out, kept_back
from lakehouse.tables.release import Release
from models.progress import Progress as Told


def steps_on(screen, heard):
    return Steps(2, Console(file=screen, width=200), heard.append)


def test_steps_are_numbered_timed_and_told_elsewhere():
    screen, heard = io.StringIO(), []
    steps = steps_on(screen, heard)
    with steps.step("Starting the storage"):
        steps.tell("half of it")
    with steps.step("Waiting") as told:
        told.append("40.0 s in all")
    assert heard == [
        "step 1 of 2, starting the storage",
        "step 1 of 2, starting the storage (half of it)",
        "step 2 of 2, waiting",
    ]
    assert re.search(r"2/2 Waiting \.\.\.\n  \d+\.\d s; 40\.0 s in all\n", screen.getvalue())
    assert list(steps.seconds) == ["Starting the storage", "Waiting (40.0 s in all)"]


def test_the_table_of_steps_can_be_pasted():
    lines = as_markdown({"one": 1.25, "two": 10.0}, "lakehouse demo", 12.0).splitlines()
    assert re.fullmatch(r"\d+ [A-Z][a-z]+ 20\d\d, \d+ CPUs.*, Python 3\.\d+\.\d+; `lakehouse demo`\. .*", lines[0])
    assert lines[1:] == [
        "",
        "| step | seconds |",
        "|---|--:|",
        "| one | 1.2 |",
        "| two | 10.0 |",
        "| **`lakehouse demo`** | **12.0** |",
    ]


def test_the_demo_announces_as_many_steps_and_submissions_as_there_are(tmp_path, monkeypatch):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    screen, heard = io.StringIO(), []
    monkeypatch.setattr(demo, "console", Console(file=screen, width=200))
    monkeypatch.setattr(demo, "_up", lambda *_: None)
    monkeypatch.setattr(demo, "fill_inbox", lambda _, writers: [key for key, _ in writers])
    monkeypatch.setattr(demo, "_ingest_all", lambda *_: [])
    monkeypatch.setattr(demo, "_learn", lambda *_: "learned")
    quick = [sys.executable, "-c", ""]
    monkeypatch.setattr(demo, "_start_provisioning", lambda *_: Beside(subprocess.Popen(quick)))
    steps = Steps(demo.DEMO_STEPS, demo.console, heard.append)
    assert demo._all_steps(settings, demo.Supervisor(tmp_path), steps) == ["learned"]
    assert len(steps.seconds) == demo.DEMO_STEPS
    keys = [key for key, _ in demo.demo_submissions()]
    assert (
        f"Putting {len(keys)} submissions of {len({key.split('@')[0] for key in keys})} datasets" in screen.getvalue()
    )
    assert len(keys) == 10


def test_pages_can_be_looked_at_while_the_model_trains(tmp_path, monkeypatch):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    screen, order = io.StringIO(), []
    monkeypatch.setattr(demo, "console", Console(file=screen, width=200))
    monkeypatch.setattr(demo, "_up", lambda _supervisor, _settings, *names: order.extend(names))
    monkeypatch.setattr(demo, "fill_inbox", lambda *_: [])
    monkeypatch.setattr(demo, "_ingest_all", lambda *_: order.append("ingest") or [])
    monkeypatch.setattr(demo, "_learn", lambda *_: order.append("learn"))
    monkeypatch.setattr(demo, "_start_provisioning", lambda *_: Beside(subprocess.Popen([sys.executable, "-c", ""])))
    demo._all_steps(settings, demo.Supervisor(tmp_path), Steps(demo.DEMO_STEPS, demo.console, lambda _: None))
    assert order == ["storage", "ingest", "sql", "catalogue", "dagster", "learn", "superset"]
    told = screen.getvalue()
    for address in (f"Dagster at http://127.0.0.1:{settings.dagster_port}", f"{settings.catalogue_port}\n"):
        assert address in told.partition("Training")[0]


def test_what_works_beside_is_timed_to_its_own_end():
    beside = Beside(subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(3)"]))
    assert beside.ended() == 3
    seconds = beside.seconds
    assert seconds > 0
    assert beside.ended() == 3
    assert beside.seconds == seconds


def test_each_figure_of_training_says_what_it_was_measured_on():
    heard = []
    bar = TrainingBar(Console(file=io.StringIO(), force_terminal=True), Progress(disable=True), heard.append)
    bar.hear(Told(100, 200, 1.5, None, 1.0, 1.0))
    assert bar.words(Told(100, 200, 1.5, None, 1.0, 1.0)) == "training, bits per byte: 1.50 on its batch"
    bar.hear(Told(200, 200, 1.14, 1.44, 1.0, 0.0))
    assert (
        bar.progress.tasks[0].description == "training, bits per byte: 1.14 on its batch, 1.44 on validation documents"
    )
    assert heard == ["training step 100 of 200", "training step 200 of 200"]


def test_a_log_gets_lines_of_training_and_no_bar():
    screen = io.StringIO()
    bar = TrainingBar(Console(file=screen), Progress(disable=True))
    bar.hear(Told(200, 200, 1.14, 1.44, 1.0, 0.0))
    assert "step 200/200: train 1.140, validation 1.440 bits per byte" in screen.getvalue()
    assert bar.progress.tasks == []


def scored(model, evaluator, bits, *, snapshot="new", where="all", at=2):
    return {
        "model_version": model,
        "evaluator": evaluator,
        "slice": where,
        "bits_per_byte": bits,
        "evaluation_snapshot": snapshot,
        "document_count": 43,
        "recorded_at": at,
    }


def test_the_score_that_is_told_is_that_of_the_current_model_on_the_newest_test_documents():
    rows = [
        scored("gpt-0002", "gpt", 1.43),
        scored("gpt-0002", "trigram", 1.52),
        scored("gpt-0002", "gpt", 1.60, where="python_docs"),
        scored("gpt-0002", "gpt", 1.30, snapshot="old", at=1),
        scored("gpt-0001", "gpt", 1.50),
    ]
    told = held_out(rows, "gpt-0002")
    assert told.endswith("43 held-out test documents, lower is better: gpt-0002 1.43, trigram 1.52")
    assert held_out(rows, "gpt-0003") == ""


def test_a_version_that_was_judged_and_not_put_to_use_is_told_with_the_reason():
    began = datetime(2026, 11, 28, 19, tzinfo=UTC)

    def judged(model, minutes, reason):
        at = began + timedelta(minutes=minutes)
        return {"model_version": model, "promoted": not reason, "reason": reason, "recorded_at": at}

    waiting = judged("gpt-0002", 5, "waits for `lakehouse models approve gpt-0002`")
    earlier = judged("gpt-0001", -5, "no better")
    assert kept_back([earlier, waiting], began) == f"gpt-0002 is not in use: {waiting['reason']}"
    assert kept_back([earlier], began) == ""
    assert kept_back([waiting, judged("gpt-0003", 6, "")], began) == ""


class TrainsOne:
    """A loop whose training goes well."""

    def learn(self, _cause):
        return RunOutcome("learn", success=True, seconds=1.0, failure=None, exit_code=0)


@pytest.mark.parametrize(
    ("reason", "ends", "told"),
    [
        ("waits for `lakehouse models approve gpt-0001`", 2, "trained gpt-0001 is not in use: waits for"),
        ("", 2, "published"),
        ("", 1, "unchanged"),
    ],
)
def test_a_first_model_that_waits_is_not_called_published_and_neither_is_what_was(monkeypatch, reason, ends, told):
    judged = {"model_version": "gpt-0001", "promoted": not reason, "reason": reason}
    later = datetime.now(UTC) + timedelta(minutes=1)
    rows = pa.Table.from_pylist([{**judged, "recorded_at": later}])
    numbers = iter([1, ends, ends])
    monkeypatch.setattr(demo, "_release", lambda _: Release(number=next(numbers), created_at=later.isoformat()))
    monkeypatch.setattr(demo, "lakehouse", lambda _: None)
    monkeypatch.setattr(demo, "read_released", lambda *_: rows)
    demo.console.file = said = io.StringIO()
    try:
        demo._learn(TrainsOne(), None)
    finally:
        demo.console.file = None
    assert " ".join(said.getvalue().split()).startswith(told)


def test_status_tells_the_work_that_goes_on_and_none_that_was_killed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_STORAGE", "folder")
    settings = ensure_local(load_settings())
    screen = io.StringIO()
    monkeypatch.setattr(demo, "console", Console(file=screen, width=200))
    with doing(tmp_path, "demo") as say:
        assert being_done(tmp_path) == []
        say("step 5 of 7, training (training step 600 of 1,100)")
        assert demo.show_status(settings) == 1
        assert "Being done now: demo: step 5 of 7, training (training step 600 of 1,100), " in screen.getvalue()
        table = screen.getvalue()
        assert "not yet" in table
        assert f":{settings.dagster_port}/asset-groups" in table, "Dagster's first page shows no asset"
        assert "S3 API" not in table, "there is none where all lies in a folder"
        assert bootstrap.tell_status(tmp_path) == 1
        assert "step 5 of 7" in capsys.readouterr().out
        (place,) = (tmp_path / "run").glob("demo.*.progress")
        note = json.loads(place.read_text())
    assert not list((tmp_path / "run").iterdir())
    place.write_text(json.dumps(note | {"born": "1"}))
    (tmp_path / "run" / "demo.1.progress").write_text("{")
    assert being_done(tmp_path) == []
    bootstrap.tell_status(tmp_path)
    assert "nothing is installed yet" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo", "setup"])
def test_a_note_of_work_is_not_taken_for_a_server(tmp_path, name):
    with doing(tmp_path, name) as say:
        say("step 1 of 7")
        assert demo.Supervisor(tmp_path).names() == []


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 0), (16, 2)])
def test_make_status_ends_well_once_it_told_what_is_down(tmp_path, code, ends):
    command = tmp_path / "lakehouse"
    command.write_text(f"#!/bin/sh\nexit {code}\n")
    command.chmod(0o755)
    made = subprocess.run(["make", "status", f"LAKE={command}"], cwd=PROJECT, capture_output=True, check=False)
    assert made.returncode == ends
