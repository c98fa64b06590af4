"""Tests of a model that answers: read from data, and each can fail; they are told from rows and never tell a row."""

from dataclasses import replace

import pytest

from models.device import choose_device
from models.errors import TrialError
from models.instruct import instruct
from models.instruct_store import load_causal
from models.instruct_trials import (
    SHIPPED,
    WORD,
    AnsweredExample,
    InstructTrial,
    read_instruct_trials,
    run_instruct_trials,
)
from models.instructions import rows_of
from tests.unit.models.test_instruct import RECIPE, made

OWN = InstructTrial("own", "own_question", 0.6, "promotion", "team:models", "")
ENDS = InstructTrial("ends", "ending", 0.8, "promotion", "team:models", "", most=8)
STOP = InstructTrial("stop", "invariance", 0.9, "promotion", "team:models", "", change="no_full_stop")
OBEYS = InstructTrial("obeys", "obedience", 0.9, "promotion", "team:models", "", adds=("Write {word}.",), most=8)
RIGHT = InstructTrial("right", "functionality", 0.5, "nothing", "team:models", "", most=8,
                      examples=(AnsweredExample("Say the school of 7", "the school"),))  # fmt: skip


@pytest.fixture(scope="module")
def cpu():
    return choose_device("float32", threads=1)


@pytest.fixture(scope="module")
def taught(checkpoint):
    return instruct(made(), checkpoint, replace(RECIPE, epochs=4), threads=1)[0]


def values(trials, causal, device, rows=None):
    held = rows_of(made(), "test") if rows is None else rows
    return {each.trial: (each.value, each.passed) for each in run_instruct_trials(trials, causal, held, 64, device)}


def test_what_was_taught_passes_and_what_was_not_fails(checkpoint, taught, cpu):
    good = values([OWN, ENDS, STOP, OBEYS], taught, cpu)
    assert good["ends"] == (1.0, True)
    assert good["stop"] == (1.0, True), "these questions have no full stop"
    assert good["obeys"] == (1.0, True)
    assert values([replace(ENDS, most=1)], taught, cpu)["ends"] == (0.0, False), "a response has more than one token"
    untaught = values([OWN, RIGHT], load_causal(checkpoint), cpu)
    assert untaught["right"] == (0.0, False)
    assert 0 <= good["own"][0] <= 1


def test_each_test_can_fail(taught, cpu, monkeypatch):
    rows = rows_of(made(), "test")
    alike = [replace(each, response="the school") for each in rows]
    assert values([OWN], taught, cpu, alike)["own"] == (0.0, False), "where all respond alike, none tells"
    assert values([replace(STOP, change="upper", rise=0.0)], taught, cpu)["stop"][1] is False
    obeying = {True: f"a {WORD.upper()}", False: "the school"}
    monkeypatch.setattr("models.instruct_trials.written", lambda _, asked, **__: (obeying[WORD in asked], True))
    assert values([OBEYS], taught, cpu)["obeys"] == (0.0, False)
    monkeypatch.setattr("models.instruct_trials.written", lambda *_, **__: (f"a {WORD}", True))
    assert values([OBEYS], taught, cpu)["obeys"] == (1.0, True), "it says that word anyway, whatever is demanded"


def test_rows_are_counted_and_not_told(taught, cpu):
    (told,) = run_instruct_trials([OWN], taught, rows_of(made(), "test"), 64, cpu)
    assert (told.detail, told.owner, told.threshold, told.stops) == ("8 rows", "team:models", 0.6, "promotion")
    with pytest.raises(TrialError, match="there are none; add some"):
        run_instruct_trials([OWN], taught, [], 64, cpu)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("kind: other", "kind 'other' is none of"),
        ("kind: invariance", "give either adds, or change as one of"),
        ("kind: invariance\n  change: lower\n  adds: [a]", "give either adds, or change"),
        ("kind: obedience\n  adds: [Write it.]", "give adds, each with {word}"),
        ("kind: functionality", "it has no examples"),
        ("kind: ending\n  most: 0", "most 0 is no number of tokens"),
        ("kind: invariance\n  change: lower\n  rise: -1", "rise -1 is no number of nats"),
        ("kind: own_question\n  at_least: 2", "at_least 2 is no share"),
        ("kind: own_question\n  colour: red", "unexpected keyword argument 'colour'"),
    ],
)
def test_a_test_that_is_none_is_said(tmp_path, entry, said):
    path = tmp_path / "trials.yaml"
    default = "" if "at_least" in entry else "  at_least: 0.5\n"
    path.write_text(f"mine:\n  {entry}\n{default}  stops: nothing\n  owner: team:me\n  means: Mine.\n")
    with pytest.raises(TrialError, match=said):
        read_instruct_trials([path])


def test_the_shipped_tests_are_read_and_a_file_of_ones_own_changes_one(tmp_path):
    shipped = read_instruct_trials()
    assert {each.kind for each in shipped} == {"own_question", "invariance", "ending", "obedience"}
    own = tmp_path / "own.yaml"
    own.write_text(
        "answers_end: {kind: ending, at_least: 0.5, stops: nothing, owner: me, means: Mine.}\n"
        "ours: {kind: own_question, at_least: 0.5, stops: nothing, owner: me, means: Mine.}\n"
    )
    found = {each.name: each for each in read_instruct_trials([SHIPPED, own])}
    assert (found["answers_end"].at_least, found["answers_end"].owner) == (0.5, "me")
    assert len(found) == len(shipped) + 1
