"""Whole numbers instead of floats: matrices of 8 or 4 bits with scales, and the layers that read them.

Symmetric rounding to the nearest, one scale a row or a group of neighbours of a row, after
https://arxiv.org/abs/1712.05877 (its section 2.1 with zero point 0). Weights alone: arithmetic stays in float32, and
each matrix is written out when it is used.
Shapes: O rows (outputs, or words), I columns (inputs), G groups of a row, B sequences, T tokens, C width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import Recipe
from models.errors import FormError
from models.lm import LanguageModel, Rotation


def pack_integers(weight_OI: Tensor, *, bits: int, group: int) -> tuple[Tensor, Tensor]:
    """Return whole numbers of a matrix and their scales OG; `group` 0 is the whole row.

    Of 8 bits: int8, OI. Of 4 bits: uint8, O and half of I, columns 2i in the low and 2i+1 in the high half of a byte.
    A row of zeros has scale 0.

    Raises:
        FormError: the columns are no multiple of the group or, for 4 bits, odd; or a weight is no finite number.
    """
    rows, columns = weight_OI.shape
    size = group or columns
    if columns % size or (bits == 4 and columns % 2):
        raise FormError(f"{columns} columns cannot be packed in groups of {size} at {bits} bits; choose another group")
    if not torch.isfinite(weight_OI).all():
        raise FormError("a weight is not a finite number; train the model again")
    largest = 2 ** (bits - 1) - 1
    grouped_OGI = weight_OI.detach().float().view(rows, columns // size, size)
    # Scales of small groups weigh as much as a bit for every number, so they are halves; rounding follows their value.
    kind = torch.float16 if bits == 4 else torch.float32
    scales_OG = (grouped_OGI.abs().amax(-1) / largest).to(kind)
    divisor_OG1 = torch.where(scales_OG == 0, 1, scales_OG).float().unsqueeze(-1)
    whole_OI = (grouped_OGI / divisor_OG1).round().clamp(-largest - 1, largest).to(torch.int8).view(rows, columns)
    if bits == 8:
        return whole_OI, scales_OG
    nibbles_OI = (whole_OI + 8).to(torch.uint8)
    return nibbles_OI[:, 0::2] | (nibbles_OI[:, 1::2] << 4), scales_OG


def unpack_integers(whole: Tensor, scales_OG: Tensor) -> Tensor:
    """Return the float32 matrix that whole numbers and scales stand for; the type of `whole` says how many bits."""
    if whole.dtype is torch.uint8:
        low, high = (whole & 15).to(torch.int8), (whole >> 4).to(torch.int8)
        whole = torch.stack((low, high), dim=-1).flatten(-2) - 8
    rows, columns = whole.shape
    grouped_OGI = whole.view(rows, scales_OG.shape[1], -1).float() * scales_OG.float().unsqueeze(-1)
    return grouped_OGI.view(rows, columns)


class _Integers(nn.Module):
    whole: Tensor
    scales_OG: Tensor

    def __init__(self, weight_OI: Tensor, *, bits: int, group: int) -> None:
        super().__init__()
        whole, scales_OG = pack_integers(weight_OI, bits=bits, group=group)
        self.register_buffer("whole", whole)
        self.register_buffer("scales_OG", scales_OG)


class IntegerLinear(_Integers):
    """A linear layer without bias over packed weights."""

    def forward(self, x_BTI: Tensor) -> Tensor:
        """Return the product with the weights, written out for this call."""
        return functional.linear(x_BTI, unpack_integers(self.whole, self.scales_OG))


class IntegerEmbedding(_Integers):
    """A table of words over packed weights; only the rows asked for are written out."""

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return the rows of the tokens, BTC."""
        flat = tokens_BT.flatten()
        return unpack_integers(self.whole[flat], self.scales_OG[flat]).view(*tokens_BT.shape, -1)


def quantise(model: LanguageModel, *, bits: int, group: int) -> LanguageModel:
    """Replace every linear layer and the table of words by packed ones, in place; return the model, to score only."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(parent, name, IntegerLinear(layer.weight, bits=bits, group=group))
            elif isinstance(layer, nn.Embedding):
                setattr(parent, name, IntegerEmbedding(layer.weight, bits=bits, group=group))
    return model.eval()


def integer_model(recipe: Recipe, tensors: dict[str, Tensor], *, bits: int, group: int) -> LanguageModel:
    """Return the packed model that tensors of `quantise(...).state_dict()` make up.

    Raises:
        FormError: a tensor is missing, too much, of another shape or of another type.
    """
    model = quantise(LanguageModel(recipe), bits=bits, group=group)
    expected = model.state_dict()
    faults = [f"{name} is missing" for name in sorted(expected.keys() - tensors.keys())]
    faults += [f"{name} is unknown" for name in sorted(tensors.keys() - expected.keys())]
    for name in sorted(expected.keys() & tensors.keys()):
        wanted, given = expected[name], tensors[name]
        if (wanted.shape, wanted.dtype) != (given.shape, given.dtype):
            faults.append(f"{name} is {given.dtype} of {list(given.shape)}, not {wanted.dtype} of {list(wanted.shape)}")
    if faults:
        raise FormError(f"these tensors are no model of {bits} bits: {'; '.join(faults[:5])}; make the form again")
    model.load_state_dict(tensors, assign=True)
    model.rotation = Rotation(recipe.head_width, recipe.context)
    return model.eval()
