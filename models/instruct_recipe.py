"""Recipes of instruction tuning: every choice that decides what a model learns to answer, as one frozen value."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

from models.recipe_fields import refuse_faults


@dataclass(frozen=True, kw_only=True)
class InstructRecipe:
    """Every hyper-parameter of an instruction tuning; lengths in tokens, the rate per step of AdamW, shares 0 to 1.

    `full` moves all weights, `lora` low-rank adapters beside the linear layers but the last, merged at the end. A row
    must fit into `context` with its prompt, its response and the mark of the end.
    """

    method: Literal["full", "lora"] = "full"
    context: int = 256
    batch: int = 16
    epochs: int = 3
    base_rate: float = 3e-4
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    lora_rank: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work, all of them at once."""
        refuse_faults(self, may_be_zero=frozenset({"seed"}), shares=frozenset({"warmup_share"}))

    def canonical_json(self) -> str:
        """One text for one recipe: sorted keys, no spaces."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
