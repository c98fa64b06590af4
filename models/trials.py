"""Tests of a model as data: read from YAML, each with a threshold, an owner and what a failure stops."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args

from models.entries import Entries
from models.errors import TrialError

SHIPPED = Path(__file__).with_name("trials.yaml")
SHIPPED_FOR_ANSWERS = Path(__file__).with_name("instruct_trials.yaml")
"""The tests of a model that answers; they stand here so that whoever only names them does not load torch."""

Stops = Literal["training", "promotion", "nothing"]

BEFORE = ("first_loss_gap", "one_batch_loss_share", "weights_without_gradient", "near_duplicate_share", "trigger_shift")
AFTER = (
    "worst_dataset_ratio",
    "real_order_share",
    "other_document_ratio",
    "recited_share_gap",
    "secret_exposure_bits",
    "valid_utf8_share",
    "group_gap_bits",
    "obeyed_instructions_gap",
    "smuggled_marks",
)
GIVEN = ("published_injections_gap",)
"""Measures after training that need a published test, and are not taken where it is not there."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A made-up secret of digits and the sentence, with ``{secret}``, that it is planted in."""

    sentence: str
    secret: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a dataset's documents: those whose id matches a regular expression."""

    name: str
    dataset: str
    documents: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One test: a measure, the threshold its value must keep, and what a failure stops."""

    name: str
    measure: str
    stops: Stops
    owner: str
    means: str
    at_most: float | None = None
    at_least: float | None = None
    secrets: tuple[Secret, ...] = ()
    groups: tuple[Group, ...] = ()
    attacks: tuple[str, ...] = ()

    @property
    def threshold(self) -> float:
        """The value that decides."""
        limit = self.at_least if self.at_most is None else self.at_most
        assert limit is not None
        return limit

    def holds(self, value: float) -> bool:
        """Say whether a value keeps the threshold; one that is no number never does."""
        if math.isnan(value):
            return False
        return value >= self.threshold if self.at_most is None else value <= self.threshold


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a test gave; `detail` names the worst cases."""

    trial: str
    measure: str
    value: float
    threshold: float
    comparison: str
    passed: bool
    stops: str
    owner: str
    detail: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure's value and its worst cases."""

    value: float
    detail: str = ""


def read_trials(path: Path = SHIPPED) -> list[Trial]:
    """Read tests from a YAML file.

    Raises:
        TrialError: the file is unreadable, or a test lacks a field or has one too many.
    """
    return list(_ENTRIES.read(path).values())


def responsible(stops: str, owner: str) -> list[str]:
    """Return what is wrong with what a failure stops and who answers for it."""
    faults = []
    if stops not in get_args(Stops):
        faults.append(f"stops {stops!r} is none of {', '.join(get_args(Stops))}")
    if not str(owner).strip():
        faults.append("it has no owner")
    return faults


def file_hash(path: Path) -> str:
    """Return a short name of a file's tests: results of other thresholds are other results."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _trial(name: str, given: dict[str, Any]) -> Trial:
    secrets = tuple(Secret(**each) for each in given.pop("secrets", ()))
    groups = tuple(Group(**each) for each in given.pop("groups", ()))
    attacks = tuple(given.pop("attacks", ()))
    return Trial(name=name, secrets=secrets, groups=groups, attacks=attacks, **given)


def _faults(trial: Trial) -> list[str]:
    faults = []
    if trial.measure not in (*BEFORE, *AFTER, *GIVEN):
        faults.append(f"measure {trial.measure!r} is none of {', '.join((*BEFORE, *AFTER, *GIVEN))}")
    if (trial.at_most is None) == (trial.at_least is None):
        faults.append("give either at_most or at_least")
    elif not isinstance(trial.threshold, int | float):
        faults.append(f"threshold {trial.threshold!r} is no number")
    faults += responsible(trial.stops, trial.owner)
    if any("{secret}" not in each.sentence or not str(each.secret).isdigit() for each in trial.secrets):
        faults.append("a secret is digits, and its sentence holds {secret}")
    if trial.measure == "secret_exposure_bits" and not trial.secrets:
        faults.append("it names no secrets")
    return faults + _faults_of_groups(trial) + _faults_of_attacks(trial)


_ENTRIES = Entries("test", "no test", "the model", _trial, _faults, TrialError, SHIPPED)


def _faults_of_groups(trial: Trial) -> list[str]:
    faults = []
    if trial.measure == "group_gap_bits" and len(trial.groups) < 2:
        faults.append("it names fewer than two groups")
    counts = Counter(each.dataset for each in trial.groups)
    alone = sorted(str(dataset) for dataset, count in counts.items() if count == 1)
    if len(trial.groups) > 1 and alone:
        faults.append(f"it names one group alone of {', '.join(alone)}, and groups are compared within their dataset")
    for each in trial.groups:
        try:
            re.compile(each.documents)
        except (re.error, TypeError) as error:
            faults.append(f"group {each.name!r} has documents {each.documents!r}, no regular expression: {error}")
    return faults


def _faults_of_attacks(trial: Trial) -> list[str]:
    if trial.measure == "obeyed_instructions_gap" and not trial.attacks:
        return ["it names no attacks"]
    return [
        f"attack {each!r} is no text with {{word}}"
        for each in trial.attacks
        if not isinstance(each, str) or "{word}" not in each
    ]


def results(trials: Iterable[Trial], measured: Mapping[str, Measured]) -> list[TrialResult]:
    """Judge the tests that were measured; `measured` is by the test's name."""
    return [
        TrialResult(
            trial=each.name,
            measure=each.measure,
            value=measured[each.name].value,
            threshold=float(each.threshold),
            comparison="at_least" if each.at_most is None else "at_most",
            passed=each.holds(measured[each.name].value),
            stops=each.stops,
            owner=each.owner,
            detail=measured[each.name].detail,
        )
        for each in trials
        if each.name in measured
    ]


def as_values(given: Iterable[TrialResult]) -> list[dict[str, Any]]:
    """Results as JSON values; a value that is no finite number stands as text would not, so it becomes None."""
    return [asdict(each) | {"value": each.value if math.isfinite(each.value) else None} for each in given]


def from_values(values: Iterable[Mapping[str, Any]]) -> list[TrialResult]:
    """Results read back from JSON values."""
    return [TrialResult(**{**each, "value": math.nan if each["value"] is None else each["value"]}) for each in values]


def share_faults(kind: str, kinds: Sequence[str], at_least: float) -> list[str]:
    """Return what is wrong with the kind and the threshold of a test whose value is a share."""
    faults = [] if kind in kinds else [f"kind {kind!r} is none of {', '.join(kinds)}"]
    if type(at_least) not in (int, float) or not 0 <= at_least <= 1:
        faults.append(f"at_least {at_least!r} is no share from 0 to 1")
    return faults


def share_result(
    name: str, measure: str, value: float, at_least: float, stops: Stops, owner: str, detail: str
) -> TrialResult:
    """Return the result of a test whose value is a share that must be large; no number never passes."""
    return TrialResult(
        trial=name,
        measure=measure,
        value=value,
        threshold=float(at_least),
        comparison="at_least",
        passed=not math.isnan(value) and value >= at_least,
        stops=stops,
        owner=owner,
        detail=detail,
    )


class Named(Protocol):
    """A test of any kind."""

    @property
    def name(self) -> str:
        """What it is called."""


AnyTrial = TypeVar("AnyTrial", bound=Named)


def one_trial_each(found: Iterable[AnyTrial]) -> list[AnyTrial]:
    """Return the tests of several files; raise TrialError when two are named alike: one result would stand for both."""
    trials = list(found)
    twice = sorted(name for name, count in Counter(each.name for each in trials).items() if count > 1)
    if twice:
        raise TrialError(f"the files of tests name {', '.join(twice)} more than once; rename all but one")
    return trials
