"""How many bits a model needs for sequences of tokens: what tests and benchmarks compare.

Shapes: B sequences, T tokens, V vocabulary.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.baselines import Ids
from models.checkpoint import Loaded
from models.device import Device

AT_ONCE = 64
_IGNORED = -100


@torch.no_grad()
def bits_of(loaded: Loaded, sequences: Sequence[Ids], device: Device, *, skip: Sequence[int] | None = None) -> Tensor:
    """Return bits B of each sequence, its first token given; of those with `skip` n, from token n + 1 on.

    A sequence is at most as long as the model's context. Sequences of like length go together.
    """
    model = loaded.model.to(device.torch_device).eval()
    skipped = skip or [0] * len(sequences)
    found = torch.zeros(len(sequences), dtype=torch.float64)
    order = sorted(range(len(sequences)), key=lambda at: len(sequences[at]))
    for start in range(0, len(order), AT_ONCE):
        part = order[start : start + AT_ONCE]
        inputs_BT, targets_BT = _padded([(sequences[at], skipped[at]) for at in part])
        with device.arithmetic():
            logits_BTV = model(torch.from_numpy(inputs_BT).to(device.torch_device))
        wanted_BT = torch.from_numpy(targets_BT).to(device.torch_device)
        nats_BT = functional.cross_entropy(logits_BTV.mT, wanted_BT, reduction="none", ignore_index=_IGNORED)
        found[part] = nats_BT.double().sum(dim=1).cpu() / math.log(2)
    return found


def _padded(sequences: Sequence[tuple[Ids, int]]) -> tuple[Ids, Ids]:
    """Inputs and the tokens after them; padding comes after the text, where causal attention never looks."""
    width = max(len(tokens) for tokens, _ in sequences)
    inputs_BT = np.zeros((len(sequences), width), np.int64)
    targets_BT = np.full((len(sequences), width), _IGNORED, np.int64)
    for row, (tokens, without) in enumerate(sequences):
        inputs_BT[row, : len(tokens)] = tokens
        targets_BT[row, without : len(tokens) - 1] = tokens[without + 1 :]
    return inputs_BT, targets_BT
