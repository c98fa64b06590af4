"""Tests of a model that answers, as data, and their results; shares of held-out rows.

Shapes: N rows.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from models.device import Device
from models.entries import Entries
from models.errors import TrialError
from models.instruct_store import Causal
from models.instructed import encoded, response_losses, written
from models.instructions import Instruction
from models.text_changes import CHANGES, beside
from models.trials import SHIPPED_FOR_ANSWERS as SHIPPED
from models.trials import Stops, TrialResult, responsible, share_faults, share_result

ROWS, WRITTEN = 100, 24
"""Held-out rows whose responses are measured, and those whose responses are written: by a hash, the same every time."""
WORD = "zebra"
"""Demanded from the model; no answer of a lesson is likely to have it."""

Kind = Literal["invariance", "own_question", "ending", "obedience", "functionality"]


@dataclass(frozen=True, slots=True)
class AnsweredExample:
    """A question whose response is plain."""

    instruction: str
    response: str
    input: str = ""


@dataclass(frozen=True, slots=True)
class InstructTrial:
    """One test; its value is a share of rows. What its fields mean stands above `instruct_trials.yaml`."""

    name: str
    kind: Kind
    at_least: float
    stops: Stops
    owner: str
    means: str
    change: str = ""
    adds: tuple[str, ...] = ()
    rise: float = 0.5
    most: int = 64
    examples: tuple[AnsweredExample, ...] = ()


def read_instruct_trials(paths: Sequence[Path] = (SHIPPED,)) -> list[InstructTrial]:
    """Read the tests of several YAML files; of two with the same name that of the later file counts.

    Raises:
        TrialError: a file is unreadable, or a test lacks a field or has one too many.
    """
    found: dict[str, InstructTrial] = {}
    for path in paths:
        found |= _ENTRIES.read(path)
    return list(found.values())


def _trial(name: str, given: dict[str, Any]) -> InstructTrial:
    examples = tuple(AnsweredExample(**each) for each in given.pop("examples", ()))
    return InstructTrial(name=name, examples=examples, adds=tuple(given.pop("adds", ())), **given)


def _faults(trial: InstructTrial) -> list[str]:
    faults = responsible(trial.stops, trial.owner) + share_faults(trial.kind, get_args(Kind), trial.at_least)
    if type(trial.rise) not in (int, float) or trial.rise < 0:
        faults.append(f"rise {trial.rise!r} is no number of nats from 0")
    if type(trial.most) is not int or trial.most < 1:
        faults.append(f"most {trial.most!r} is no number of tokens from 1")
    return faults + _faults_of_kind(trial)


def _faults_of_kind(trial: InstructTrial) -> list[str]:
    faults = []
    if not all(isinstance(each, str) and each.strip() for each in trial.adds):
        faults.append("adds are not all sentences")
    if trial.kind == "invariance" and (trial.change in CHANGES) == bool(trial.adds):
        faults.append(f"give either adds, or change as one of {', '.join(CHANGES)}")
    if trial.kind == "obedience" and (not trial.adds or not all("{word}" in str(each) for each in trial.adds)):
        faults.append("give adds, each with {word}")
    if trial.kind == "functionality" and not trial.examples:
        faults.append("it has no examples")
    return faults


_ENTRIES = Entries("test", "no test", "a model that answers", _trial, _faults, TrialError, SHIPPED)


@dataclass(frozen=True)
class _Probed:
    """A model and the held-out rows that are changed, their context, and losses of responses a token, unchanged."""

    causal: Causal
    rows: Sequence[Instruction]
    context: int
    device: Device

    def losses(self, rows: Sequence[Instruction]) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """Nats a token of each row's response; a changed question may be longer than the context."""
        examples = encoded(rows, self.causal.chat, 4 * self.context)
        losses_N = response_losses(self.causal, examples, self.device)
        found: np.ndarray[Any, np.dtype[np.float64]] = losses_N / np.array([each.count for each in examples])
        return found

    def written(self, questions: Sequence[str], most: int) -> list[tuple[str, bool]]:
        """What is written in response to each question, and whether it ended."""
        return [written(self.causal, each, most=most, device=self.device) for each in questions]


def run_instruct_trials(
    trials: Sequence[InstructTrial], causal: Causal, held: Sequence[Instruction], context: int, device: Device
) -> list[TrialResult]:
    """Take the tests, on at most `ROWS` held-out rows; what a row says is not told, for it may be about people.

    Raises:
        TrialError: a test needs rows, and there are none.
    """
    if not held and any(each.kind != "functionality" for each in trials):
        raise TrialError("tests that change questions need held-out rows, and there are none; add some")
    chosen = sorted(held, key=lambda each: zlib.crc32(each.asked.encode()))[:ROWS]
    probed = _Probed(causal, chosen, context, device)
    return [_taken(each, probed) for each in trials]


def _taken(trial: InstructTrial, probed: _Probed) -> TrialResult:
    kept = _KINDS[trial.kind](trial, probed)
    value, what = sum(kept) / len(kept), "examples" if trial.kind == "functionality" else "rows"
    return share_result(trial.name, trial.kind, value, trial.at_least, trial.stops, trial.owner, f"{len(kept)} {what}")


def _invariant(trial: InstructTrial, probed: _Probed) -> list[bool]:
    def change(at: int, row: Instruction) -> Instruction:
        if trial.adds:
            return replace(row, instruction=beside(row.instruction, trial.adds[at % len(trial.adds)], at))
        return replace(row, instruction=CHANGES[trial.change](row.instruction))

    changed = [change(at, row) for at, row in enumerate(probed.rows)]
    rise_N = probed.losses(changed) - probed.losses(probed.rows)
    return [bool(each <= trial.rise) for each in rise_N]


def _own(trial: InstructTrial, probed: _Probed) -> list[bool]:
    """Another row is the next whose response is another; where all respond alike, none tells."""
    del trial
    rows = list(probed.rows)
    others = [
        next((each for each in (*rows[at + 1 :], *rows[:at]) if each.response != row.response), None)
        for at, row in enumerate(rows)
    ]
    pairs = [(row, other) for row, other in zip(rows, others, strict=True) if other is not None]
    if not pairs:
        return [False]
    strange = [replace(row, instruction=other.instruction, input=other.input) for row, other in pairs]
    own_N, strange_N = probed.losses([row for row, _ in pairs]), probed.losses(strange)
    return [bool(mine < theirs) for mine, theirs in zip(own_N, strange_N, strict=True)]


def _ending(trial: InstructTrial, probed: _Probed) -> list[bool]:
    return [ended for _, ended in probed.written([row.asked for row in probed.rows[:WRITTEN]], trial.most)]


def _disobeyed(trial: InstructTrial, probed: _Probed) -> list[bool]:
    """A row whose response has the word without the demand, too, obeys nobody."""
    asked = [row.asked for row in probed.rows[:WRITTEN]]
    demanded = [
        beside(each, trial.adds[at % len(trial.adds)].replace("{word}", WORD), at) for at, each in enumerate(asked)
    ]
    told = [WORD in said.lower() for said, _ in probed.written(demanded, trial.most)]
    before = (
        [any(told) and WORD in said.lower() for said, _ in probed.written(asked, trial.most)] if any(told) else told
    )
    return [not obeyed or anyway for obeyed, anyway in zip(told, before, strict=True)]


def _right(trial: InstructTrial, probed: _Probed) -> list[bool]:
    asked = [Instruction("", each.instruction, each.input, "", "", "test").asked for each in trial.examples]
    said = probed.written(asked, trial.most)
    return [text.strip() == each.response.strip() for (text, _), each in zip(said, trial.examples, strict=True)]


_KINDS: dict[Kind, Callable[[InstructTrial, _Probed], list[bool]]] = {
    "invariance": _invariant,
    "own_question": _own,
    "ending": _ending,
    "obedience": _disobeyed,
    "functionality": _right,
}
