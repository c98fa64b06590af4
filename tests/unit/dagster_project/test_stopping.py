"""Ctrl-C ends a verb at once, says what becomes of the work, and gives the exit code that shells know."""

import os
import signal
import threading
import time

import click
import dagster as dg
import pytest

from dagster_project.commands.base import EXIT_INTERRUPTED, Verbs
from dagster_project.loop import Loop

WAIT_SECONDS = 20


@dg.asset
def slow():
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    time.sleep(WAIT_SECONDS)


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


@pytest.mark.parametrize(("raised", "told"), [(KeyboardInterrupt(), "stopped"), (KeyboardInterrupt("why"), "why")])
def test_the_command_says_so_and_ends_with_its_own_code(raised, told, capsys):
    @click.group(cls=Verbs)
    def verbs():
        pass

    @verbs.command()
    def verb():
        raise raised

    with pytest.raises(SystemExit) as ended:
        verbs.main(["verb"])
    assert ended.value.code == EXIT_INTERRUPTED
    assert capsys.readouterr().err == f"{told}\n"
