"""Classifiers, and the model that answers, for the terminal: made, tested and judged by a run of Dagster."""

from collections.abc import Mapping

from assets.classify import CLASSIFIERS
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import RunOutcome, open_loop
from dagster_project.settings import Settings
from models.errors import LabelsError


def published(settings: Settings, name: str) -> tuple[list[str], RunOutcome]:
    """Make a classifier; return what to tell of the version that the run made or found, and how the run ended.

    Raises:
        LabelsError: there is no such classifier.
    """
    if name not in CLASSIFIERS:
        raise LabelsError(f"there is no classifier {name}; models/classifiers.yaml names {', '.join(CLASSIFIERS)}")
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.classify(name)
    return (lines_of(outcome.told) if outcome.success else []), outcome


def instructed(settings: Settings) -> tuple[list[str], RunOutcome]:
    """Teach the model that answers; return what to tell of its version, and how the run ended."""
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.instruct()
    return (lines_of(outcome.told) if outcome.success else []), outcome


def lines_of(told: Mapping[str, str]) -> list[str]:
    """Say which version a run made or found, what was decided about it, and which is in use; others may be newer."""
    return [f"{told['model_version']}: {told['decision']}", f"in use: {told['in_use']}"]
