"""The loss as one module, compiled where that pays, and the reason where it is not."""

import importlib.util

import torch
from torch import Tensor, nn

from models.config import Recipe
from models.device import Device
from models.lm import LanguageModel


class Loss(nn.Module):
    """A model's loss over a batch, as the module that is compiled and whose gradients processes share."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs_BT: Tensor, targets_BT: Tensor, noise: torch.Generator | None, chances_NV: Tensor | None
    ) -> Tensor:
        """Mean negative log likelihood in nats per token, as `LanguageModel.loss` gives it."""
        return self.model.loss(inputs_BT, targets_BT, noise, chances_NV)


def why_not_compiled(recipe: Recipe, device: Device) -> str:
    """Return why this run is not compiled; nothing where it is."""
    if device.torch_device.type == "cpu":
        return "on the CPU the same weights are promised bit for bit, and compiling takes longer than a short run"
    if recipe.dropout:
        return "dropout draws from this run's own generators, which compiled code cannot"
    if importlib.util.find_spec("triton") is None:
        return "triton, with which torch compiles for a card, is not installed"
    return ""


def loss_of(model: LanguageModel, device: Device) -> nn.Module:
    """Return the model's loss, compiled where nothing speaks against it."""
    loss = Loss(model)
    if not why_not_compiled(model.recipe, device):
        loss.compile()
    return loss
