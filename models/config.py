"""Recipes: every choice that decides what a training run gives, as one frozen value with one canonical form."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from models.errors import RecipeError

Precision = Literal["auto", "float32", "bfloat16"]
Optimizer = Literal["muon", "bfloat16_muon", "adamw"]

# Raised whenever the same recipe and documents would give other weights, so that old checkpoints are not reused.
LIBRARY_VERSION = "3"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every hyper-parameter of a training run; sizes in tokens unless the name says otherwise.

    With `counted_order`, the model learns from chances counted over n-grams of up to that many tokens instead of from
    the text's own next token (`models.counted`). That many `backward_heads` of the first layer start by looking one,
    two, three, ... positions back (`models.looking_back`). At 0 both are off. A batch is learned in `accumulate`
    passes, of which only one must fit into memory. The `optimizer` is that of the layers' matrices.
    """

    vocabulary_size: int
    context: int
    layers: int
    heads: int
    width: int
    mlp_width: int
    batch: int
    steps: int
    matrix_learning_rate: float
    embedding_learning_rate: float
    warmup_steps: int
    cooldown_share: float
    weight_decay: float
    momentum: float = 0.95
    counted_order: int = 0
    backward_heads: int = 0
    dropout: float = 0.0
    accumulate: int = 1
    optimizer: Optimizer = "muon"
    clip_norm: float = 1.0
    seed: int = 0
    precision: Precision = "auto"
    record_every: int = 10
    validate_every: int = 100
    validation_windows: int = 64

    def __post_init__(self) -> None:
        """Refuse values that cannot work, all of them at once."""
        faults = _faults(self)
        if faults:
            raise RecipeError(f"the recipe cannot work: {'; '.join(faults)}; correct these values")

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def tokens_per_step(self) -> int:
        """Tokens one optimizer step learns from."""
        return self.batch * self.context

    def canonical_json(self) -> str:
        """One text for one recipe: sorted keys, no spaces."""
        return _canonical(dataclasses.asdict(self))

    def with_seed(self, seed: int) -> "Recipe":
        """The same recipe with another random seed."""
        return dataclasses.replace(self, seed=seed)


def _faults(recipe: Recipe) -> list[str]:
    return _faults_of_type(recipe) or [*_faults_of_shape(recipe), *_faults_of_learning(recipe)]


def _faults_of_type(recipe: Recipe) -> list[str]:
    faults = []
    for name, kind in get_type_hints(Recipe).items():
        value = getattr(recipe, name)
        if kind is int and (type(value) is not int or value < (name not in _MAY_BE_ZERO)):
            faults.append(f"{name}={value!r} is not a positive whole number")
        if kind is float and (type(value) not in (int, float) or not 0 <= value < float("inf")):
            faults.append(f"{name}={value!r} is not a finite number of at least 0")
    return faults


def _faults_of_shape(recipe: Recipe) -> list[str]:
    faults = []
    if recipe.vocabulary_size < 257:
        faults.append(f"vocabulary_size={recipe.vocabulary_size} is below 257 (256 bytes and the end of text)")
    if recipe.width % recipe.heads or (recipe.width // recipe.heads) % 2:
        faults.append(f"width={recipe.width} over heads={recipe.heads} does not give an even head width")
    if recipe.context < 4:
        faults.append(f"context={recipe.context} is below 4")
    if recipe.backward_heads > recipe.heads:
        faults.append(f"backward_heads={recipe.backward_heads} is above heads={recipe.heads}")
    if recipe.counted_order == 1 or recipe.vocabulary_size**recipe.counted_order >= 2**63:
        most = int(63 / math.log2(recipe.vocabulary_size) - 1e-9)
        faults.append(f"counted_order={recipe.counted_order} is not 0, nor from 2 to {most} for this vocabulary")
    return faults


def _faults_of_learning(recipe: Recipe) -> list[str]:
    faults = []
    if recipe.cooldown_share > 1 or recipe.dropout >= 1 or recipe.momentum >= 1:
        faults.append("cooldown_share is at most 1, dropout and momentum are below 1")
    if recipe.accumulate > recipe.batch:
        faults.append(f"accumulate={recipe.accumulate} is above batch={recipe.batch}, so some passes would be empty")
    if recipe.precision not in ("auto", "float32", "bfloat16"):
        faults.append(f"precision={recipe.precision!r} is not auto, float32 or bfloat16")
    if recipe.optimizer not in get_args(Optimizer):
        faults.append(f"optimizer={recipe.optimizer!r} is not {', '.join(get_args(Optimizer))}")
    return faults


_LATER = {"accumulate": 1, "optimizer": "muon"}
_MAY_BE_ZERO = frozenset({"seed", "warmup_steps", "counted_order", "backward_heads"})


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def recipe_from_json(text: str) -> Recipe:
    """Read a recipe back; a missing or unknown field is an error."""
    try:
        values: dict[str, Any] = json.loads(text)
        return Recipe(**values)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"no recipe in {text[:200]!r}: {error}; see the fields of models.config.Recipe") from error


def training_key(recipe: Recipe, documents_sha256: str, library_version: str = LIBRARY_VERSION) -> str:
    """Name of what a training run gives: equal keys mean the run need not be repeated."""
    # A field that came later is not named at its old meaning, so that models of before keep their keys.
    values = {name: value for name, value in dataclasses.asdict(recipe).items() if _LATER.get(name) != value}
    parts = json.dumps([_canonical(values), documents_sha256, library_version])
    return hashlib.sha256(parts.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# docs/decisions/0021 has the measurements behind it and what they do not show.
DEMO = Recipe(
    vocabulary_size=2048,
    context=128,
    layers=4,
    heads=2,
    width=128,
    mlp_width=384,
    batch=16,
    steps=1100,
    matrix_learning_rate=0.03,
    embedding_learning_rate=0.015,
    warmup_steps=20,
    cooldown_share=0.6,
    weight_decay=0.05,
)

# Bytes as tokens: characters of plain English. A few seconds on one core; docs/model-notes.md says how it was chosen.
CHARACTERS = Recipe(
    vocabulary_size=257,
    context=64,
    layers=1,
    heads=4,
    width=128,
    mlp_width=256,
    batch=16,
    steps=90,
    matrix_learning_rate=0.03,
    embedding_learning_rate=0.015,
    warmup_steps=3,
    cooldown_share=0.7,
    weight_decay=0.05,
    momentum=0.85,
    counted_order=5,
    backward_heads=4,
)

# Layers, width and context of GPT-2's smallest model, which has 124 million numbers; 135 here, for SwiGLU and output
# weights of their own. For a card with 80 GB, or several cards; half a million tokens a step. Its rates are carried
# over from small models and were never tried at this size: docs/model-notes.md.
GPT2_SMALL = Recipe(
    vocabulary_size=32_768,
    context=1024,
    layers=12,
    heads=6,
    width=768,
    mlp_width=2048,
    batch=512,
    accumulate=8,
    optimizer="bfloat16_muon",
    steps=5000,
    matrix_learning_rate=0.02,
    embedding_learning_rate=0.01,
    warmup_steps=250,
    cooldown_share=0.4,
    weight_decay=0.01,
    validate_every=250,
    validation_windows=512,
)

# A few seconds on one core; for tests and for trying the wiring, not for a useful model.
TINY = Recipe(
    vocabulary_size=320,
    context=32,
    layers=2,
    heads=2,
    width=32,
    mlp_width=64,
    batch=8,
    steps=30,
    matrix_learning_rate=0.02,
    embedding_learning_rate=0.01,
    warmup_steps=3,
    cooldown_share=0.5,
    weight_decay=0.0,
    validate_every=10,
    validation_windows=8,
)
