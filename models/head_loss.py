"""The output layer and its loss in one pass over few tokens at a time, so that logits never fill the memory.

On a 2-core CPU the plain loss took half of each step, most of it moving logits. The gradient is worked out on the way,
as in https://arxiv.org/abs/2410.10989. Shapes: N tokens, C width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor

_TOKENS_AT_ONCE = 256


class HeadLoss(torch.autograd.Function):
    """Mean negative log likelihood in nats of targets_N under softmax(x_NC @ weight_VC.T).

    With wanted_NV, whose rows sum to 1, the cross-entropy of the softmax against these rows.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's own
        x_NC: Tensor,
        weight_VC: Tensor,
        targets_N: Tensor,
        wanted_NV: Tensor | None = None,
    ) -> Tensor:
        """Loss; both gradients are kept for the backward pass."""
        count = len(x_NC)
        grad_x_NC, grad_weight_VC = torch.empty_like(x_NC), torch.zeros_like(weight_VC)
        buffer_NV = x_NC.new_empty(min(_TOKENS_AT_ONCE, count), len(weight_VC))
        total = x_NC.new_zeros((), dtype=torch.float64)
        for start in range(0, count, _TOKENS_AT_ONCE):
            part = slice(start, min(start + _TOKENS_AT_ONCE, count))
            targets_N1 = targets_N[part, None]
            chances_NV = torch.mm(x_NC[part], weight_VC.t(), out=buffer_NV[: part.stop - start])
            chances_NV -= chances_NV.amax(dim=1, keepdim=True)
            if wanted_NV is None:
                chosen_N1 = chances_NV.gather(1, targets_N1)
            else:
                chosen_N1 = torch.linalg.vecdot(chances_NV, wanted_NV[part]).unsqueeze(1)
            sums_N1 = chances_NV.exp_().sum(dim=1, keepdim=True)
            total += (sums_N1.log() - chosen_N1).sum(dtype=torch.float64)
            chances_NV *= 1.0 / (sums_N1 * count)
            if wanted_NV is None:
                chances_NV.scatter_add_(1, targets_N1, chances_NV.new_full(targets_N1.shape, -1.0 / count))
            else:
                chances_NV.sub_(wanted_NV[part], alpha=1.0 / count)
            torch.mm(chances_NV, weight_VC, out=grad_x_NC[part])
            grad_weight_VC.addmm_(chances_NV.t(), x_NC[part])
        ctx.save_for_backward(grad_x_NC, grad_weight_VC)
        return (total / count).to(x_NC.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401  torch's own
        """Scale the kept gradients."""
        grad_x_NC, grad_weight_VC = ctx.saved_tensors
        return grad_x_NC * grads[0], grad_weight_VC * grads[0], None, None
