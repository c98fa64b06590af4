"""Whole numbers stand for matrices within half a step, pack as said, and make up the same model again."""

import pytest
import torch

from models.checkpoint import load
from models.config import TINY
from models.errors import FormError
from models.quantise import IntegerEmbedding, IntegerLinear, integer_model, pack_integers, quantise, unpack_integers


def drawn(rows=6, columns=64, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("bits", "group"), [(8, 0), (8, 16), (4, 32), (4, 0)])
def test_every_weight_comes_back_within_half_a_step(bits, group):
    weight = drawn()
    whole, scales = pack_integers(weight, bits=bits, group=group)
    back = unpack_integers(whole, scales)
    step = scales.float().repeat_interleave(64 // scales.shape[1], dim=1)
    # Scales of 4 bits are halves: their own rounding, 2**-11, moves the largest weights of a group a little further.
    assert ((back - weight).abs() <= 0.5 * step + weight.abs() * 2**-10 * (bits == 4) + 1e-6).all()


def test_numbers_take_the_bytes_that_are_said():
    eight, four = pack_integers(drawn(), bits=8, group=0)[0], pack_integers(drawn(), bits=4, group=32)[0]
    assert (eight.dtype, eight.shape) == (torch.int8, (6, 64))
    assert (four.dtype, four.shape) == (torch.uint8, (6, 32))


def test_four_bits_lie_in_the_order_that_is_said():
    weight = torch.tensor([[1.0, 7.0, -7.0, 0.0]])
    whole, scales = pack_integers(weight, bits=4, group=0)
    assert whole.tolist() == [[(1 + 8) | (7 + 8) << 4, (-7 + 8) | (0 + 8) << 4]]
    assert scales.tolist() == [[1.0]]


def test_a_row_of_zeros_stays_zero():
    weight = torch.zeros(2, 32)
    assert torch.equal(unpack_integers(*pack_integers(weight, bits=4, group=32)), weight)
    assert torch.equal(unpack_integers(*pack_integers(weight, bits=8, group=0)), weight)


def test_layers_compute_what_the_written_out_matrix_computes():
    weight = drawn()
    linear, table = IntegerLinear(weight, bits=8, group=0), IntegerEmbedding(weight, bits=4, group=32)
    x, tokens = drawn(3, 64, seed=1), torch.tensor([[0, 5], [5, 2]])
    assert torch.equal(linear(x), x @ unpack_integers(linear.whole, linear.scales_OG).T)
    assert torch.equal(table(tokens), unpack_integers(table.whole, table.scales_OG)[tokens])


def test_a_matrix_that_cannot_be_packed_is_refused():
    with pytest.raises(FormError, match="64 columns cannot be packed in groups of 24"):
        pack_integers(drawn(), bits=4, group=24)
    with pytest.raises(FormError, match="not a finite number"):
        pack_integers(torch.tensor([[float("nan"), 1.0]]), bits=8, group=0)


@pytest.mark.parametrize(("bits", "group", "near"), [(8, 0, 0.02), (4, 32, 0.35)])
def test_a_packed_model_is_near_its_original_and_comes_back_from_its_tensors(checkpoint, bits, group, near):
    original, packed = load(checkpoint).model, quantise(load(checkpoint).model, bits=bits, group=group)
    tokens = torch.randint(0, TINY.vocabulary_size, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, given = original(tokens), packed(tokens)
        again = integer_model(original.recipe, packed.state_dict(), bits=bits, group=group)(tokens)
    assert 0 < ((given - wanted).norm() / wanted.norm()).item() < near
    assert torch.equal(again, given)


def test_tensors_of_another_type_or_shape_are_refused(checkpoint):
    packed = quantise(load(checkpoint).model, bits=8, group=0)
    tensors = packed.state_dict()
    with pytest.raises(FormError, match=r"lm_head\.whole is torch.float32"):
        integer_model(packed.recipe, tensors | {"lm_head.whole": tensors["lm_head.whole"].float()}, bits=8, group=0)
    with pytest.raises(FormError, match=r"lm_head\.whole is missing"):
        integer_model(
            packed.recipe, {name: each for name, each in tensors.items() if name != "lm_head.whole"}, bits=8, group=0
        )
    with pytest.raises(FormError, match="no model of 4 bits"):
        integer_model(packed.recipe, tensors, bits=4, group=32)
