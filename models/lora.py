"""Low-rank adapters, https://arxiv.org/abs/2106.09685: the weights stay, and a small product beside each is learned.

Shapes: O outputs, I inputs, R rank.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.errors import RecipeError

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraLinear(nn.Module):
    """A linear layer that is kept as it is, plus ``scale * x @ A.T @ B.T``; B starts at nought, so nothing changes."""

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.lora_a_RI = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_b_OR = nn.Parameter(torch.zeros(base.out_features, rank))
        bound = 1 / math.sqrt(base.in_features)
        nn.init.uniform_(self.lora_a_RI, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the kept layer's output with the learned change."""
        out: Tensor = self.base(x) + (x @ self.lora_a_RI.t()) @ self.lora_b_OR.t() * self.scale
        return out

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return one plain layer that gives the same: the change is added to the weights."""
        self.base.weight += self.scale * self.lora_b_OR @ self.lora_a_RI
        return self.base


def add_lora(
    model: nn.Module, *, rank: int, alpha: float, seed: int, names: Sequence[str] = PROJECTIONS
) -> list[LoraLinear]:
    """Freeze a model and put an adapter beside each of its linear layers with one of these names.

    Raises:
        RecipeError: the model has no such layer.
    """
    for weight in model.parameters():
        weight.requires_grad_(False)  # noqa: FBT003 - torch names it otherwise in its stubs
    generator = torch.Generator().manual_seed(seed)
    made = []
    for parent, name, layer in _linear_layers(model):
        if name in names:
            adapter = LoraLinear(layer, rank=rank, alpha=alpha, generator=generator)
            setattr(parent, name, adapter)
            made.append(adapter)
    if not made:
        raise RecipeError(f"no linear layer of this model is named {', '.join(names)}; fine-tune all weights instead")
    return made


def merge_lora(model: nn.Module) -> int:
    """Put plain layers back in the place of adapters; return how many there were."""
    adapters = [
        (parent, name, each)
        for parent in model.modules()
        for name, each in parent.named_children()
        if isinstance(each, LoraLinear)
    ]
    for parent, name, each in adapters:
        setattr(parent, name, each.merged())
    return len(adapters)


def _linear_layers(model: nn.Module) -> list[tuple[nn.Module, str, nn.Linear]]:
    return [
        (parent, name, layer)
        for parent in list(model.modules())
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear)
    ]
