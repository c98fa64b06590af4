import pytest

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.ports import Provenance
from lakehouse.tables.intents import Intent, IntentLog, Move
from lakehouse.tables.release import View

INTENT = Intent(
    "k", (Move("gold.t", "audit-1", 2, 1),), Provenance("r", "c", dataset="d"), {"kpi.v": View("kpi.v", "x")}
)


@pytest.fixture
def log(tmp_path):
    return IntentLog(LocalObjects(tmp_path))


def test_there_is_no_intent_at_first(log):
    assert log.newest() == (0, None)


@pytest.mark.parametrize("intent", [INTENT, Intent("k", (), Provenance("r", "c"), None, "m1")])
def test_an_open_intent_comes_back(log, intent):
    assert log.open(1, intent)
    assert log.newest() == (1, intent)


def test_a_number_is_taken_once(log):
    assert log.open(1, INTENT)
    assert not log.open(1, INTENT)


def test_a_closed_intent_is_done_and_closing_again_is_no_error(log):
    log.open(1, INTENT)
    log.close(1)
    log.close(1)
    assert log.newest() == (1, None)
    assert not log.open(1, INTENT), "a number is never used again"


def test_older_intents_are_swept_and_a_late_mark_does_no_harm(log):
    for number in (1, 2, 3):
        assert log.open(number, INTENT)
        log.close(number)
    assert log.objects.keys("intents/") == ["intents/0000000003.done", "intents/0000000003.json"]
    log.open(4, INTENT)
    log.close(2)
    assert log.newest() == (4, INTENT)


def test_a_writer_that_slept_through_several_intents_does_not_get_its_number_again(log):
    for number in (1, 2, 3):
        log.open(number, INTENT)
        log.close(number)
    assert not log.open(2, INTENT), "2 was swept away, so its name is free"
    assert log.newest() == (3, None)
    assert log.open(4, INTENT)
