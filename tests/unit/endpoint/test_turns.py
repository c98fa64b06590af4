"""Large statements are read a few at a time; who waits for something else is in nobody's way, nor waits for ever."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lakehouse.endpoint import turns as lanes
from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.executor import Executor
from lakehouse.endpoint.faults import BusyError
from lakehouse.endpoint.reading import read

LARGE = "SELECT 1 AS a WHERE 1 IN (" + "1, " * (lanes.LARGE_TEXT // 3) + "1)"


@contextlib.contextmanager
def every_turn():
    with contextlib.ExitStack() as turns:
        for number in range(lanes.LARGE_AT_ONCE):
            turns.enter_context(lanes.turn(LARGE, f"user {number}", 0.1))
        yield


def others_can_have_every_turn(*_):
    """Take them in another thread, as another user's statements would."""

    def take():
        with every_turn():
            pass

    with ThreadPoolExecutor(1) as others:
        others.submit(take).result()
    raise BusyError("here the statement waits")


def executor(current, describe):
    config = EndpointConfig(users={"ada": "pass"}, roots=())
    return Executor(config, SimpleNamespace(describe=describe), SimpleNamespace(current=current))


@pytest.mark.parametrize(
    ("current", "describe"),
    [(others_can_have_every_turn, None), (lambda: Catalogue(1), others_can_have_every_turn)],
    ids=["a catalogue", "an engine"],
)
def test_a_large_statement_has_no_turn_while_it_waits_for(current, describe):
    with pytest.raises(BusyError, match="here the statement waits"):
        executor(current, describe).plan(LARGE, Session("ada"))


@pytest.mark.parametrize("reading", [Catalogue(1).translate_once, read], ids=["a view", "for the record"])
def test_what_is_read_under_a_lock_waits_for_no_turn(reading):
    done = threading.Event()

    def work():
        reading(LARGE)
        done.set()

    with every_turn():
        threading.Thread(target=work, daemon=True).start()
        assert done.wait(30)


def test_a_large_statement_waits_while_as_many_as_may_are_read_and_a_small_one_does_not():
    with every_turn():
        with pytest.raises(BusyError, match="are being read"), lanes.turn(LARGE, "ada", 0.01):
            pass
        with lanes.turn("SELECT 1", "ada", 0):
            pass
    with every_turn():
        pass


def test_nobody_takes_every_turn_and_who_waits_has_the_next():
    waiting = threading.Event()

    def wait():
        waiting.set()
        with lanes.turn(LARGE, "ada", 60):
            pass

    with ThreadPoolExecutor(1) as others, contextlib.ExitStack() as turns:
        for _ in range(lanes.LARGE_OF_USER):
            turns.enter_context(lanes.turn(LARGE, "ada", 0))
        with pytest.raises(BusyError, match="are being read"), lanes.turn(LARGE, "ada", 0.01):
            pass
        with lanes.turn(LARGE, "bob", 0):
            pass
        later = others.submit(wait)
        assert waiting.wait(30)
        turns.close()
        later.result(30)
