"""Promises of the operations with gradients of their own."""

import pytest
import torch
from torch import nn

from models.cpu_ops import RmsNorm, rotate


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("swapped", [False, True])
def test_normalisation_and_its_gradients_are_those_of_torch(swapped):
    ours, theirs = RmsNorm(8, eps=1e-6).double(), nn.RMSNorm(8, eps=1e-6).double()
    with torch.no_grad():
        ours.weight.copy_(noise(8))
        theirs.weight.copy_(noise(8))
    x, direction = noise(2, 3, 5, 8).requires_grad_(), noise(2, 5, 3, 8).transpose(1, 2)
    if swapped:
        x, direction = noise(2, 5, 3, 8).transpose(1, 2).requires_grad_(), noise(2, 3, 5, 8)
    results = [(each(x), *torch.autograd.grad(each(x), (x, each.weight), direction)) for each in (ours, theirs)]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_another_type_of_arithmetic_takes_the_plain_form():
    assert RmsNorm(8, eps=1e-6).bfloat16()(noise(3, 8).bfloat16()).dtype is torch.bfloat16
    with pytest.warns(UserWarning, match="Mismatch dtype"):
        RmsNorm(8, eps=1e-6)(noise(3, 8).bfloat16())


def test_rotation_has_the_gradient_of_what_it_does():
    angle = noise(5, 4).repeat(1, 2)
    x = noise(2, 3, 5, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: rotate(each, angle.cos(), angle.sin()), x)
