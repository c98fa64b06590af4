"""`lakehouse submit` says which part of long work goes on, and whoever stops it is told where the copy lies."""

import os
import re
import signal
from contextlib import contextmanager

import pytest

from dagster_project import judging, submitting
from dagster_project.cli import main
from dagster_project.jobs import STORED
from lakehouse.samples import college_scorecard


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Hand in a dataset to an empty lakehouse; return the exit code."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_STORAGE", "folder")
    folder = college_scorecard.write(2009, tmp_path)

    def call():
        with pytest.raises(SystemExit) as ended:
            main(["submit", str(folder)])
        return ended.value.code

    return call


def test_each_part_of_long_work_is_told_on_stderr_and_in_no_log_of_the_run(submit, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(judging, "SILENT_SECONDS", 0.005)
    monkeypatch.setattr(judging, "BEAT_SECONDS", 0.005)
    assert submit() == 0
    told = capfd.readouterr()
    parts = dict.fromkeys(re.findall(r"^submitting \w+, (.*) \.\.\. \d+ s$", told.err, re.MULTILINE))
    assert list(parts)[:3] == ["unpacking and hashing it", "judging it", "copying it into the inbox"]
    assert {submitting.PARTS[asset.op.name] for asset in STORED} <= {*parts}
    assert "submitting" not in told.out
    logs = list((tmp_path / "home" / "dagster" / "storage").glob("*/compute_logs/*.err"))
    assert logs
    assert not [log for log in logs if "submitting" in log.read_text()]


def test_every_step_of_the_job_has_words(submit, monkeypatch):
    said = []

    @contextmanager
    def heard(_):
        yield said.append

    monkeypatch.setattr(submitting, "heartbeat", heard)
    assert submit() == 0
    assert {*said[3:]} == {*submitting.PARTS.values()}


@pytest.mark.parametrize("part", ["judging it", *(submitting.PARTS[name] for name in ("submission", "silver_tables"))])
def test_who_stops_it_is_told_where_the_copy_lies_if_one_does(submit, monkeypatch, capsys, tmp_path, part):
    @contextmanager
    def stopped(_):
        yield lambda said: os.kill(os.getpid(), signal.SIGTERM) if said == part else None

    monkeypatch.setattr(submitting, "heartbeat", stopped)
    assert submit() == 143
    told = capsys.readouterr().err.splitlines()[-1]
    inbox = tmp_path / "home" / "inbox"
    if part == "judging it":
        assert told == "stopped: nothing was handed in"
        assert not inbox.exists() or not list(inbox.iterdir())
    else:
        copy = inbox / "college_scorecard@2009"
        assert copy.is_dir()
        assert f"begins by itself while {copy} lies in the inbox; remove it there to take it back" in told
