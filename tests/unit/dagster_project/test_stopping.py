"""Ctrl-C and SIGTERM end a verb at once, say what becomes of the work, and give the exit code that shells know."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import click
import dagster as dg
import pytest
from dagster._utils.interrupts import capture_interrupts
from rich.console import Console

from dagster_project.commands.base import EXIT_INTERRUPTED, EXIT_TERMINATED, Verbs
from dagster_project.demo import _goes_on
from dagster_project.loop import Loop
from dagster_project.steps import Beside, Steps
from tests.waiting import is_running

WAIT_SECONDS = 20
CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
SENT = {"signal": signal.SIGINT}


@dg.asset
def slow():
    threading.Timer(0.1, os.kill, (os.getpid(), SENT["signal"])).start()
    time.sleep(WAIT_SECONDS)


@pytest.fixture(autouse=True)
def signals():
    """Handlers as a new process has them: Spark leaves one of its own in a process that had a session."""
    before = {number: signal.getsignal(number) for number in CODES}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def loop():
    jobs = [dg.define_asset_job(name, selection=[slow]) for name in ("learn", "instruct")]
    with dg.DagsterInstance.ephemeral() as instance:
        yield Loop(dg.Definitions(assets=[slow], jobs=jobs), instance)


def test_a_run_that_a_signal_stops_stops_the_verb_that_began_it(loop):
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match=r"the run of instructed counts as failed.*begin it again to go on"):
        loop.instruct()
    assert time.monotonic() - begun < WAIT_SECONDS
    (run,) = loop.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE


def run_verb(verb):
    """Run a function as a verb; return the code that the command ends with."""

    @click.group(cls=Verbs)
    def verbs():
        pass

    verbs.command("verb")(verb)
    with pytest.raises(SystemExit) as ended:
        verbs.main(["verb"])
    return ended.value.code


@pytest.mark.parametrize(("raised", "told"), [(KeyboardInterrupt(), "stopped"), (KeyboardInterrupt("why"), "why")])
def test_the_command_says_so_and_ends_with_its_own_code(raised, told, capsys):
    def verb():
        raise raised

    assert run_verb(verb) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == f"{told}\n"


@pytest.mark.parametrize("sent", CODES)
def test_a_signal_ends_a_verb_and_leaves_handlers_as_they_were(sent, capsys):
    before = [signal.getsignal(number) for number in CODES]
    assert run_verb(lambda: os.kill(os.getpid(), sent)) == CODES[sent]
    assert capsys.readouterr().err == "stopped\n"
    assert [signal.getsignal(number) for number in CODES] == before


@pytest.mark.parametrize("sent", CODES)
def test_a_verb_whose_run_a_signal_stops_ends_with_the_code_of_that_signal(loop, monkeypatch, capsys, sent):
    monkeypatch.setitem(SENT, "signal", sent)
    assert run_verb(loop.instruct) == CODES[sent]
    assert capsys.readouterr().err.startswith("stopped: the run of instructed counts as failed")


@pytest.mark.parametrize("sent", CODES)
def test_after_a_signal_that_dagster_forgot_nothing_more_begins(loop, capsys, sent):
    said = io.StringIO()

    def in_the_end_of_a_run():
        with capture_interrupts():
            os.kill(os.getpid(), sent)

    def another_run():
        in_the_end_of_a_run()
        loop.instruct()

    def another_step():
        in_the_end_of_a_run()
        with Steps(1, Console(file=said), said.write).step("Starting"):
            pass

    for verb in (another_run, another_step):
        assert run_verb(verb) == CODES[sent]
        assert capsys.readouterr().err == "stopped\n"
    assert said.getvalue() == ""
    assert loop.instance.get_runs() == []


def test_a_verb_in_the_background_ends_by_sigterm_after_a_run_too_and_not_by_ctrl_c(loop, capsys):
    went_on = []

    def verb():
        with pytest.raises(KeyboardInterrupt):
            loop.instruct()
        os.kill(os.getpid(), signal.SIGINT)
        went_on.append(True)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_verb(verb) == EXIT_TERMINATED
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert went_on
    assert capsys.readouterr().err == "stopped\n"


def test_what_works_beside_ends_with_the_verb(capsys):
    started = []

    def verb():
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with _goes_on("make demo"), Beside(subprocess.Popen(command)) as beside:
            started.append(beside.process.pid)
            os.kill(os.getpid(), signal.SIGTERM)

    assert run_verb(verb) == EXIT_TERMINATED
    assert not is_running(started[0])
    said = "stopped\n`make demo` goes on from here; `make down` stops the servers that were started.\n"
    assert capsys.readouterr().err == said
