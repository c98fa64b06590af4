"""Attention heads that start by looking at the position one, two, three, ... back, which training finds slowly.

A token's embedding gets a channel that is the same for all tokens; queries and keys read it, so that after the rotary
turn (https://arxiv.org/abs/2104.09864) their product depends on the distance alone and is largest at the one chosen.
Shapes: C width, D head width, F = D / 2 frequencies.
"""

import torch
from torch import Tensor

COMMON_SHARE = 0.25
"""Share of an embedding's square length that is the same for all tokens."""
SHARPNESS = 1.5
"""Gain of normalised queries and of keys; 1.2 and 2.0 trained slower, see docs/model-notes.md."""
OWN_SHARE = 0.2
"""What stays of the random weights, by which content still counts."""
_SLOWEST = 0.05
"""Radians a position below which a frequency tells neighbours too little apart."""


@torch.no_grad()
def share_a_channel(embedding_VC: Tensor) -> None:
    """Make channel 0 of every token's embedding one and the same number."""
    embedding_VC.mul_((1 - COMMON_SHARE) ** 0.5)
    embedding_VC[:, 0] = COMMON_SHARE**0.5


@torch.no_grad()
def look_back(query_DC: Tensor, key_DC: Tensor, rate_F: Tensor, *, distance: int) -> None:
    """Let one head's product of query and key be largest `distance` positions back."""
    used_F = (rate_F >= _SLOWEST).float()
    angle_F = distance * rate_F
    query_D = torch.cat((used_F * angle_F.cos(), -used_F * angle_F.sin()))
    key_D = torch.cat((used_F, torch.zeros_like(used_F)))
    for weight_DC, towards_D in ((query_DC, query_D), (key_DC, key_D)):
        weight_DC.mul_(OWN_SHARE)
        weight_DC[:, 0] = towards_D
