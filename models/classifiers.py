"""Classifiers that are assets, as data: what each learns from, how, and which tests it takes; read from YAML."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.classifier_recipe import FinetuneRecipe, finetune_recipe
from models.errors import LabelsError, RecipeError
from models.trials import read_entries

SHIPPED = Path(__file__).with_name("classifiers.yaml")
LANGUAGE_MODELS = "gpt"
"""What versions of the language model are called."""
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
        return [name for name in (self.text, self.label, self.group, self.split) if name is not None]


def read_classifiers(path: Path = SHIPPED) -> dict[str, Declared]:
    """Read classifiers by name.

    Raises:
        LabelsError: a classifier lacks a field, has one too many or a value that cannot work.
        RecipeError: a recipe cannot work.
        TrialError: the file is unreadable.
    """
    return {name: _declared(path, name, values) for name, values in read_entries(path, "classifiers", SHIPPED)}


def classifier_named(name: str, path: Path = SHIPPED) -> Declared:
    """Return one classifier; raise LabelsError when the file names no such one."""
    found = read_classifiers(path)
    if name not in found:
        raise LabelsError(f"{path.name} names no classifier {name!r}; it names {', '.join(found)}")
    return found[name]


def _declared(path: Path, name: str, values: object) -> Declared:
    try:
        given: dict[str, Any] = dict(values)  # type: ignore[call-overload]  # what is no mapping raises TypeError
        recipe = finetune_recipe(dict(given.pop("recipe", {})))
        trials = (COMMON, *(path.parent / str(each) for each in given.pop("trials", ())))
        made = Declared(name=name, recipe=recipe, trials=trials, **given)
    except RecipeError as error:
        raise RecipeError(f"classifier {name!r} of {path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise LabelsError(f"classifier {name!r} of {path} is none: {error}; see models/{SHIPPED.name}") from error
    faults = _faults(made)
    if faults:
        raise LabelsError(f"classifier {name!r} of {path}: {'; '.join(faults)}; see models/{SHIPPED.name}")
    return made


def _faults(made: Declared) -> list[str]:
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9_]*", made.name) or made.name == LANGUAGE_MODELS:
        faults.append(f"a name is small letters of ASCII, digits and _, and not {LANGUAGE_MODELS}")
    empty = [name for name in ("means", "dataset", "table", "owner") if not str(getattr(made, name) or "").strip()]
    if empty:
        faults.append(f"{', '.join(empty)} is empty")
    if any(not isinstance(each, str) or not each for each in made.columns):
        faults.append(f"columns {made.columns} are not all names")
    twice = [str(each) for each, count in Counter([*made.columns, *made.trials]).items() if count > 1]
    if twice:
        faults.append(f"it names {', '.join(twice)} twice")
    return faults
