"""Recipes of fine-tuning: every choice that decides what a classifier becomes, as one frozen value."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from models.errors import RecipeError

Method = Literal["full", "lora", "head"]
"""What of the base moves: all of it, low-rank adapters beside its linear layers, or nothing but the new head."""


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """Every hyper-parameter of a fine-tuning; lengths in tokens, rates per step of AdamW, shares from 0 to 1.

    `ngram_buckets` is the size of a linear branch over hashed words and pairs of words beside the base, 0 for none;
    its rate is Adagrad's. With `balanced`, a label's loss weighs the more the rarer it is.
    """

    method: Method = "full"
    context: int = 128
    batch: int = 32
    epochs: int = 2
    base_rate: float = 5e-4
    head_rate: float = 2e-3
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    balanced: bool = False
    lora_rank: int = 8
    ngram_buckets: int = 0
    ngram_rate: float = 0.02
    ngram_dropout: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work, all of them at once."""
        faults = [fault for name, kind in get_type_hints(type(self)).items() if (fault := _fault(self, name, kind))]
        if faults:
            raise RecipeError(f"the recipe cannot work: {'; '.join(faults)}; correct these values")

    def canonical_json(self) -> str:
        """One text for one recipe: sorted keys, no spaces."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)


_MAY_BE_ZERO = frozenset({"seed", "ngram_buckets"})
_SHARES = frozenset({"warmup_share", "dropout", "label_smoothing", "ngram_dropout"})


def _fault(recipe: FinetuneRecipe, name: str, kind: object) -> str:
    value = getattr(recipe, name)
    if kind is int and (type(value) is not int or value < (name not in _MAY_BE_ZERO)):
        return f"{name}={value!r} is not a positive whole number"
    if kind is bool and type(value) is not bool:
        return f"{name}={value!r} is neither true nor false"
    if kind is float and (type(value) not in (int, float) or not 0 <= value < (1 if name in _SHARES else float("inf"))):
        return f"{name}={value!r} is not a number of at least 0{' and below 1' if name in _SHARES else ''}"
    if name == "method" and value not in get_args(Method):
        return f"method={value!r} is none of {', '.join(get_args(Method))}"
    return ""


def finetune_recipe(values: dict[str, Any]) -> FinetuneRecipe:
    """Return the recipe that these fields give, the rest as by default.

    Raises:
        RecipeError: a field is unknown or its value cannot work.
    """
    try:
        return FinetuneRecipe(**values)
    except TypeError as error:
        known = ", ".join(each.name for each in dataclasses.fields(FinetuneRecipe))
        raise RecipeError(f"no recipe of fine-tuning: {error}; its fields are {known}") from error


def read_finetune_recipe(path: Path) -> FinetuneRecipe:
    """Read a recipe from a JSON file; a field that is left out has its default.

    Raises:
        RecipeError: the file is unreadable or no recipe.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read a recipe from {path}: {error}; write a JSON object there") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds no JSON object; see models/classifier_recipe.py for the fields")
    return finetune_recipe(values)
