"""Classifiers for the terminal: made, tested and judged by a run of Dagster."""

from assets.classifier_registry import current_classifier, judgements
from assets.classify import CLASSIFIERS
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import RunOutcome, open_loop
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse
from models.errors import LabelsError


def published(settings: Settings, name: str) -> tuple[list[str], RunOutcome]:
    """Make a classifier; return what to tell of its newest judgement, and how the run ended.

    Raises:
        LabelsError: there is no such classifier.
    """
    if name not in CLASSIFIERS:
        raise LabelsError(f"there is no classifier {name}; models/classifiers.yaml names {', '.join(CLASSIFIERS)}")
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.classify(name)
    if not outcome.success:
        return [], outcome
    house = lakehouse(settings)
    newest = judgements(house, name)[-1]
    in_use = current_classifier(house, name) or "none"
    return [f"{newest['model_version']}: {newest['reason']}", f"in use: {in_use}"], outcome
