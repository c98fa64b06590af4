"""The part of a model's card that comes with its evaluation: figures with intervals, tests, and what was not asked."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from assets.model_card import CARD, replace_text
from assets.workshop import Workshop
from lakehouse.markdown import table
from models.scores import ALL, Measure
from models.trials import TrialResult

HEADING = "## Figures"
NOT_MEASURED = "not measured: LAKEHOUSE_KNOWN_TESTS names no folder of them"


def known_tests_said(workshop: Workshop) -> str:
    """Say which published tests a version was measured on, and which it was not."""
    if workshop.known_tests is None:
        return NOT_MEASURED
    return f"from {workshop.known_tests.folder.name}; not there: {workshop.known_tests.absent}"


def write_figures(folder: Path, measures: Sequence[Measure], taken: Sequence[TrialResult], said: str) -> None:
    """Put what an evaluation gave behind the rest of a checkpoint's card, instead of an earlier one's."""
    path = folder / CARD
    kept = path.read_text(encoding="utf-8").partition(HEADING)[0].rstrip() if path.is_file() else f"# {folder.name}"
    replace_text(path, "\n".join([kept, "", *figures(measures, taken, said), ""]))


def figures(measures: Sequence[Measure], taken: Sequence[TrialResult], said: str) -> Iterator[str]:
    """Yield the lines; of many paradigms only the groups they belong to are shown."""
    yield from (HEADING, "", f"Published tests: {said}.", "")
    shown = [each for each in measures if each.slice == ALL or ":" in each.slice or " " in each.slice]
    head = ("measure", "slice", "value", "95 % interval", "rests on", "measured on")
    yield from table(head, (_cells(each) for each in shown or measures))
    yield from ("", "## Tests", "")
    yield from table(
        ("test", "value", "must be", "kept", "owner"),
        ((each.trial, _number(each.value), _limit(each), "yes" if each.passed else "NO", each.owner) for each in taken),
    )


def _cells(measure: Measure) -> tuple[str, ...]:
    interval = (
        "" if measure.low is None or measure.high is None else f"{_number(measure.low)} to {_number(measure.high)}"
    )
    long = len(measure.measured_on) == 64 and " " not in measure.measured_on
    on = measure.measured_on[:12] if long else measure.measured_on
    return measure.measure, measure.slice, _number(measure.value), interval, f"{measure.count:,}", on


def _limit(result: TrialResult) -> str:
    return f"{result.comparison.replace('_', ' ')} {result.threshold:g}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
