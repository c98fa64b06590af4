"""The gate before the alias: what a candidate must show before it becomes the current model, and who must agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lakehouse.tables.stages import withheld

FIRST = "the first model that beats the baselines"


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a named person must agree before a version becomes current."""

    approval: bool = False


class Compared(Protocol):
    """A candidate against the current version on the same snapshot."""

    @property
    def wins(self) -> bool:
        """Whether the candidate is surely better."""

    @property
    def reason(self) -> str:
        """The numbers behind the decision, for people."""


C = TypeVar("C", bound=Compared, covariant=True)


@dataclass(frozen=True, slots=True)
class Case(Generic[C]):
    """A candidate as it stands: compared with the current version on the same snapshot, tested, and decided before."""

    version: str
    current: str | None
    comparison: C | None
    failed_tests: Sequence[str]
    stages: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate becomes current now, whether it waits for a person, and the numbers behind it."""

    promoted: bool
    waits: bool
    reason: str


def judge(case: Case[Compared], gate: Gate) -> Verdict:
    """Decide on a candidate; the first reason against it is the verdict's."""
    against = objection(case)
    if against is not None:
        return Verdict(promoted=False, waits=False, reason=against)
    numbers = case.comparison.reason if case.comparison else FIRST
    if gate.approval:
        return Verdict(
            promoted=False, waits=True, reason=f"{numbers}; waits for `lakehouse models approve {case.version}`"
        )
    return Verdict(promoted=True, waits=False, reason=numbers)


def objection(case: Case[Compared]) -> str | None:
    """Return why a candidate must not become current, whoever agrees; None when nothing speaks against it."""
    kept_back = withheld(case.stages).get(case.version)
    if kept_back is not None:
        return f"it was {kept_back}"
    if case.failed_tests:
        return f"these tests of the model fail: {', '.join(case.failed_tests)}"
    if case.comparison is not None and not case.comparison.wins:
        return case.comparison.reason
    if case.current is not None and case.comparison is None:
        return "it is the current version already"
    return None
