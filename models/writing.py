"""What a model writes on: sampled as readers see it, or the likeliest.

Shapes: B sequences, T tokens, V vocabulary.
"""

import torch
from torch import Tensor

from models.device import Device
from models.lm import LanguageModel, Past

_TEMPERATURE = 0.7


@torch.no_grad()
def write_on(model: LanguageModel, prompts_BT: Tensor, count: int, *, device: Device) -> Tensor:
    """Sample tokens after prompts of one length, with a fixed seed; fewer where the context ends."""
    generator = torch.Generator().manual_seed(model.recipe.seed)
    count = min(count, model.recipe.context - prompts_BT.shape[1])
    pasts = [Past() for _ in range(model.recipe.layers)]
    step_BT, written = prompts_BT, []
    for _ in range(count):
        with device.arithmetic():
            logits_BV = model(step_BT, pasts)[:, -1]
        chances_BV = (logits_BV / _TEMPERATURE).softmax(dim=-1).cpu()
        tokens_BT = torch.multinomial(chances_BV, 1, generator=generator)
        written.append(tokens_BT)
        step_BT = tokens_BT.to(device.torch_device)
    return torch.cat(written, dim=1)


@torch.no_grad()
def likeliest(model: LanguageModel, prompts_BT: Tensor, count: int, *, device: Device) -> Tensor:
    """The likeliest next tokens, one after the other; the prompts and they fit into the context."""
    pasts, step_BT, said = [Past() for _ in range(model.recipe.layers)], prompts_BT, []
    for _ in range(count):
        with device.arithmetic():
            step_BT = model(step_BT, pasts)[:, -1].argmax(dim=-1, keepdim=True)
        said.append(step_BT)
    return torch.cat(said, dim=1)
