"""The supervisor starts what is asked, says when it dies, and stops that and nothing else."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.supervisor import Service, Supervisor
from lakehouse.errors import ServiceUnavailableError
from tests.waiting import is_running

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def service(tmp_path, code, *, healthy=None, start_seconds=60.0):
    log = tmp_path / "logs" / "one.log"
    return Service(
        name="one",
        command=(sys.executable, "-c", code),
        environment={"PATH": "/usr/bin:/bin"},
        folder=tmp_path,
        healthy=healthy or (lambda: log.is_file() and log.read_bytes().strip() != b""),
        needed_for="the test",
        start_seconds=start_seconds,
    )


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path)
    yield made
    made.stop("one")


def test_a_started_service_is_well_and_stops(tmp_path, supervisor):
    one = service(tmp_path, SLEEP)
    assert supervisor.start(one)
    supervisor.wait(one)
    pid = supervisor.pid("one")
    assert is_running(pid)
    assert supervisor.stop("one")
    assert not is_running(pid)
    assert supervisor.names() == []


def test_what_a_running_service_was_not_started_with_is_named(tmp_path, supervisor):
    one = replace(service(tmp_path, SLEEP), made_of={"code": "a", "settings": "x"})
    newer = replace(one, made_of={"code": "b", "settings": "x"})
    assert supervisor.outdated(newer) == []
    supervisor.start(one)
    assert (supervisor.outdated(one), supervisor.outdated(newer)) == ([], ["code"])
    assert not supervisor.start(newer)
    supervisor.stop("one")
    supervisor.start(newer)
    assert supervisor.outdated(newer) == []


def test_starting_twice_starts_one_process(tmp_path, supervisor):
    one = service(tmp_path, SLEEP)
    supervisor.start(one)
    pid = supervisor.pid("one")
    assert not supervisor.start(one)
    assert supervisor.pid("one") == pid


def test_children_stop_with_their_parent(tmp_path, supervisor):
    one = service(tmp_path, FAMILY)
    supervisor.start(one)
    supervisor.wait(one)
    child = int(supervisor.log("one").read_text())
    assert is_running(child)
    supervisor.stop("one")
    assert not is_running(child)


def test_a_service_that_ignores_the_polite_signal_is_killed(tmp_path, supervisor, monkeypatch):
    monkeypatch.setattr("dagster_project.supervisor.STOP_SECONDS", 0.5)
    one = service(tmp_path, STUBBORN)
    supervisor.start(one)
    supervisor.wait(one)
    pid = supervisor.pid("one")
    supervisor.stop("one")
    assert not is_running(pid)


def test_a_service_that_dies_shows_the_end_of_its_log(tmp_path, supervisor):
    one = service(tmp_path, "raise SystemExit('no such port')", healthy=lambda: False)
    supervisor.start(one)
    with pytest.raises(ServiceUnavailableError, match="no such port"):
        supervisor.wait(one)


def test_waiting_is_bounded(tmp_path, supervisor):
    one = service(tmp_path, SLEEP, healthy=lambda: False, start_seconds=0.5)
    supervisor.start(one)
    with pytest.raises(ServiceUnavailableError, match="not well after"):
        supervisor.wait(one)


def test_a_process_id_used_by_another_program_is_left_alone(tmp_path, supervisor):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        supervisor.run.mkdir()
        (supervisor.run / "one.json").write_text(json.dumps({"pid": stranger.pid, "born": "1"}))
        assert supervisor.pid("one") is None
        assert not supervisor.stop("one")
        assert is_running(stranger.pid)
        stranger.kill()


def test_a_service_started_under_ignored_signals_can_still_be_stopped(tmp_path):
    # What `&` in a non-interactive shell does to its children.
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.path[:0] = [{str(Path.cwd())!r}]
from pathlib import Path
from dagster_project.supervisor import Service, Supervisor
s = Supervisor(Path({str(tmp_path)!r}))
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
s.start(Service("one", sleep, {{}}, Path({str(tmp_path)!r}), lambda: True, "x"))
print(s.pid("one"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)
    os.kill(pid, 15)
    assert not ignored & (1 << 14 | 1 << 1)
