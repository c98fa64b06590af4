"""Of the verbs that start or stop the servers of a lake one works at a time, also of those begun in the same moment."""

import subprocess
import sys
from contextlib import ExitStack

import pytest

from dagster_project.cli import main
from dagster_project.settings import PROJECT, machine_environment
from dagster_project.supervisor import Supervisor
from lakehouse.errors import BusyError

UP = """
import sys
from dagster_project import demo
from dagster_project.cli import main

def start_servers(settings):
    print("at work", flush=True)
    sys.stdin.read()

demo.start_servers = start_servers
main(["up"])
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_STORAGE", "folder")
    return tmp_path


@pytest.fixture
def begin(home):
    """Begin to start servers in a process of its own, which is at it until its input ends."""
    own = {"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder", "PYTHONPATH": str(PROJECT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with ExitStack() as begun:

        def one():
            process = begun.enter_context(
                subprocess.Popen([sys.executable, "-c", UP], env=machine_environment() | own, text=True, **pipes)
            )
            begun.callback(process.kill)
            return process

        yield one


def test_of_two_that_begin_in_the_same_moment_one_is_refused(begin, home):
    said = {process: process.stdout.readline() for process in [begin(), begin()]}
    assert sorted(said.values()) == ["", "at work\n"]
    refused, at_work = sorted(said, key=said.__getitem__)
    assert refused.wait() == BusyError.exit_code
    assert f"`up` (process {at_work.pid}) is at work here, and nothing was changed" in refused.stderr.read()
    assert at_work.communicate("")[1] == ""
    assert at_work.returncode == 0


@pytest.mark.parametrize("verb", ["demo", "run", "up", "down"])
def test_a_verb_that_starts_or_stops_servers_is_refused_while_another_one_does(begin, home, capsys, verb):
    other = begin()
    assert other.stdout.readline() == "at work\n"
    written = (home / "local.env").read_text()
    with pytest.raises(SystemExit) as ended:
        main([verb])
    assert ended.value.code == BusyError.exit_code
    told = capsys.readouterr().err
    assert f"`up` (process {other.pid}) is at work here, and nothing was changed; wait for its end" in told
    assert f"or kill {other.pid}\n" in told
    assert (home / "local.env").read_text() == written
    assert Supervisor(home).names() == []


def test_a_process_that_was_killed_holds_nobody_up(begin, home, capsys):
    killed = begin()
    assert killed.stdout.readline() == "at work\n"
    killed.kill()
    killed.wait()
    with pytest.raises(SystemExit) as ended:
        main(["down"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "nothing was running\n"
