"""Classifiers that are assets, as data: what each learns from, how, and which tests it takes; read from YAML."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.classifier_recipe import FinetuneRecipe, finetune_recipe
from models.entries import Entries
from models.errors import LabelsError, RecipeError

SHIPPED = Path(__file__).with_name("classifiers.yaml")
INSTRUCTED = "instructed"
"""What versions of the model that answers instructions are called."""
NO_CLASSIFIERS = ("gpt", INSTRUCTED)
"""Names of versions that are none of a classifier."""
ROLES = ("text", "label", "group", "split")
"""What a column of its table may be to a classifier."""
COMMON = Path(__file__).with_name("classifier_trials.yaml")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A classifier: its table, the columns that say what, its recipe and its files of tests, those of all first."""

    name: str
    means: str
    dataset: str
    table: str
    text: str
    label: str
    owner: str
    recipe: FinetuneRecipe
    trials: tuple[Path, ...]
    group: str | None = None
    split: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [name for role in ROLES if (name := getattr(self, role)) is not None]


def read_classifiers(path: Path = SHIPPED) -> dict[str, Declared]:
    """Read classifiers by name.

    Raises:
        LabelsError: a classifier lacks a field, has one too many or a value that cannot work.
        RecipeError: a recipe cannot work.
        TrialError: the file is unreadable.
    """
    return _entries(path).read(path)


def classifier_named(name: str, path: Path = SHIPPED) -> Declared:
    """Return one classifier; raise LabelsError when the file names no such one."""
    return _entries(path).one(path, name)


def _entries(path: Path) -> Entries[Declared]:
    return Entries("classifier", "none", "classifiers", partial(_declared, path), _faults, LabelsError, SHIPPED)


def _declared(path: Path, name: str, given: dict[str, Any]) -> Declared:
    try:
        recipe = finetune_recipe(dict(given.pop("recipe", {})))
    except RecipeError as error:
        raise RecipeError(f"classifier {name!r} of {path}: {error}") from error
    trials = (COMMON, *(path.parent / str(each) for each in given.pop("trials", ())))
    return Declared(name=name, recipe=recipe, trials=trials, **given)


def _faults(made: Declared) -> list[str]:
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9_]*", made.name) or made.name in NO_CLASSIFIERS:
        faults.append(f"a name is small letters of ASCII, digits and _, and not {' or '.join(NO_CLASSIFIERS)}")
    empty = [name for name in ("means", "dataset", "table", "owner") if not str(getattr(made, name) or "").strip()]
    if empty:
        faults.append(f"{', '.join(empty)} is empty")
    if any(not isinstance(each, str) or not each for each in made.columns):
        faults.append(f"columns {made.columns} are not all names")
    twice = [str(each) for each, count in Counter([*made.columns, *made.trials]).items() if count > 1]
    if twice:
        faults.append(f"it names {', '.join(twice)} twice")
    return faults
