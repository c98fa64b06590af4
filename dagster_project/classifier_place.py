"""Where a classifier lies that a person named: a folder, a version, or a name whose version in use is meant."""

from collections.abc import Callable
from pathlib import Path

from assets.tuned_registry import current_tuned
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse, workshop
from lakehouse.errors import StageError
from models.classifier_versions import is_classifier, is_instructed
from models.classifiers import read_classifiers


def place_of(settings: Callable[[], Settings], given: str) -> tuple[Path, str]:
    """Return a classifier's folder and its version, which is empty for a folder; settings are asked for by need.

    Raises:
        CheckpointError: there is no such version.
        StageError: no version of the classifier is in use.
    """
    if Path(given).is_dir() or not (is_classifier(given) or given in read_classifiers()):
        return Path(given), ""
    opened = settings()
    version = given if is_classifier(given) else current_tuned(lakehouse(opened), given)
    if version is None:
        raise StageError(f"no version of {given} is in use; make one with `lakehouse finetune publish {given}`")
    return workshop(opened).classifiers.folder(version), version


def instructed_place(settings: Callable[[], Settings], given: Path) -> tuple[Path, str]:
    """Return the folder of a model that answers and its version, which is empty for a folder.

    A name of a version means the one of this lake. Raises CheckpointError when there is no such version.
    """
    if given.is_dir() or not is_instructed(str(given)):
        return given, ""
    return workshop(settings()).instructed.folder(str(given)), str(given)
