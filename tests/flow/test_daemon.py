"""Dagster's own daemon on a real instance: an arrival, a decision and the clock each start a run, once per cause."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from dagster_project.settings import machine_environment
from dagster_project.supervisor import _reset_signals
from lakehouse.monitor.retraining import RetrainDecision

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
LOOKS_AFTERWARDS_SECONDS = 15


@contextmanager
def daemon(home):
    environment = machine_environment() | {
        "DAGSTER_HOME": str(home / "dagster"),
        "LAKEHOUSE_HOME": str(home),
        "LAKEHOUSE_STORAGE": "folder",
        "LAKEHOUSE_MODEL_RECIPE": "tiny",
        "LAKEHOUSE_INBOX_SECONDS": "1",
        "LAKEHOUSE_DRIFT_SECONDS": "1",
        "LAKEHOUSE_RETRAIN_CRON": "* * * * *",
    }
    program = Path(sys.executable).with_name("dagster-daemon")
    with (home / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), "run", "-m", "dagster_project.definitions"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_reset_signals,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def runs_tagged(bench, **tags):
    names = {name.replace("__", "/"): value for name, value in tags.items()}
    return [run for run in bench.loop.instance.get_runs() if names.items() <= run.tags.items()]


def runs_in_progress(bench):
    return [run.run_id for run in bench.loop.instance.get_runs() if not run.is_finished]


def until(condition, seconds, home):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s; the daemon said:\n" + (home / "daemon.log").read_text()[-3000:])
        time.sleep(1)


def test_an_arrival_a_decision_and_the_clock_each_start_one_run(bench, apart):
    home = bench.settings.home
    killed = bench.wave(2013)
    apart.run(bench, "ingest", killed, point=3)
    (dead,) = runs_in_progress(bench)
    shutil.rmtree(home / "inbox" / killed)
    key = bench.wave(2014)
    bench.decide(RetrainDecision("college_scorecard@2013", "drift", "retrain", "shifted"))
    with daemon(home):
        until(lambda: any(run.is_success for run in runs_tagged(bench, dagster__sensor_name="inbox_sensor")), 300, home)
        until(lambda: runs_tagged(bench, dagster__sensor_name="drift_sensor"), 200, home)
        until(lambda: runs_tagged(bench, dagster__schedule_name="retrain_schedule"), 200, home)
        time.sleep(LOOKS_AFTERWARDS_SECONDS)
        arrivals = runs_tagged(bench, dagster__sensor_name="inbox_sensor")
        decisions = runs_tagged(bench, dagster__sensor_name="drift_sensor")
        ticks = runs_tagged(bench, dagster__schedule_name="retrain_schedule")
    assert [run.tags["dagster/partition"] for run in arrivals] == [key]
    assert [run.tags["lakehouse/causes"] for run in decisions] == ["college_scorecard@2013"]
    assert bench.loop.instance.get_run_by_id(dead).is_failure, "a killed run did not hold the queue's only place"
    keys = [run.tags["dagster/run_key"] for run in ticks]
    assert len(keys) == len(set(keys))
    assert len(bench.rows("silver.college_scorecard_outcomes")) > 5_000
