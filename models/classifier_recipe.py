"""Recipes of fine-tuning: every choice that decides what a classifier becomes, as one frozen value."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.recipe_fields import read_recipe, recipe_of, refuse_faults

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
        refuse_faults(self, may_be_zero=frozenset({"seed", "ngram_buckets"}), shares=_SHARES)

    def canonical_json(self) -> str:
        """One text for one recipe: sorted keys, no spaces."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)


_SHARES = frozenset({"warmup_share", "dropout", "label_smoothing", "ngram_dropout"})


def finetune_recipe(values: dict[str, Any]) -> FinetuneRecipe:
    """Return the recipe that these fields give, the rest as by default.

    Raises:
        RecipeError: a field is unknown or its value cannot work.
    """
    return recipe_of(FinetuneRecipe, values)


def read_finetune_recipe(path: Path) -> FinetuneRecipe:
    """Read a recipe from a JSON file; a field that is left out has its default.

    Raises:
        RecipeError: the file is unreadable or no recipe.
    """
    return read_recipe(FinetuneRecipe, path)
