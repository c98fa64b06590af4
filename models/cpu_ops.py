"""Normalisation and rotation with gradients of their own, in few passes over memory.

In torch's composite forms the multiplications alone took a sixth of a training step on the CPU.
Shapes: N any leading dimensions, C width; B sequences, H heads, T tokens, D head width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class RmsNorm(nn.Module):
    """Root mean square normalisation with a gain, https://arxiv.org/abs/1910.07467."""

    def __init__(self, width: int, *, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_NC: Tensor) -> Tensor:
        """Scale each row to unit mean square, then each channel by its gain."""
        if x_NC.is_cuda or x_NC.dtype is not self.weight.dtype:
            plain_NC: Tensor = functional.rms_norm(x_NC, self.weight.shape, self.weight, self.eps)
            return plain_NC
        out_NC: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            x_NC, self.weight, self.eps
        )
        return out_NC


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NC: Tensor, gain_C: Tensor, eps: float) -> Tensor:  # noqa: ANN401  torch's own
        length_N1 = torch.linalg.vector_norm(x_NC, dim=-1, keepdim=True)
        inverse_N1 = length_N1.square_().div_(x_NC.shape[-1]).add_(eps).rsqrt_()
        unit_NC = x_NC * inverse_N1
        ctx.save_for_backward(unit_NC, gain_C, inverse_N1)
        out_NC: Tensor = unit_NC * gain_C
        return out_NC

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401  torch's own
        unit_NC, gain_C, inverse_N1 = ctx.saved_tensors
        width = unit_NC.shape[-1]
        product_NC = grads[0] * unit_NC
        flat = product_NC.reshape(-1, width)
        grad_gain_C = flat.sum(0)
        along_N1 = torch.mv(flat, gain_C).div_(-width).view(inverse_N1.shape)
        grad_x_NC = torch.mul(grads[0], gain_C, out=product_NC)
        return grad_x_NC.addcmul_(unit_NC, along_N1).mul_(inverse_N1), grad_gain_C, None


def rotate(x_BHTD: Tensor, cosine_TD: Tensor, sine_TD: Tensor) -> Tensor:
    """Turn channel d of the first half and channel d of the second half by one angle."""
    out_BHTD: Tensor = _Rotate.apply(  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        x_BHTD, cosine_TD, sine_TD
    )
    return out_BHTD


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BHTD: Tensor, cosine_TD: Tensor, sine_TD: Tensor) -> Tensor:  # noqa: ANN401  torch's own
        ctx.save_for_backward(cosine_TD, sine_TD)
        return _turned(x_BHTD, cosine_TD, sine_TD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  torch's own
        cosine_TD, sine_TD = ctx.saved_tensors
        return _turned(grads[0], cosine_TD, -sine_TD), None, None


def _turned(x_BHTD: Tensor, cosine_TD: Tensor, sine_TD: Tensor) -> Tensor:
    half = x_BHTD.shape[-1] // 2
    out_BHTD = x_BHTD * cosine_TD
    out_BHTD[..., :half].addcmul_(x_BHTD[..., half:], sine_TD[..., :half], value=-1)
    out_BHTD[..., half:].addcmul_(x_BHTD[..., :half], sine_TD[..., half:])
    return out_BHTD
