"""Numbers are held to the limits of their column exactly, however large they are."""

import itertools

import pyarrow as pa
import pytest

from lakehouse.archive.arrays import outside

LONG = 2**53 + 1
WHOLE = [None, 0, -1, 5, 100, 101, LONG, -LONG, 12345678901234567, 2**63 - 1, -(2**63)]
LIMITS = [None, 0, 100, 99.5, -0.5, LONG, 2**63 - 1, -(2**63), 2**64, -(2**64), 1e300, -1e300]


def expected(values, low, high):
    return [
        value is not None and ((low is not None and value < low) or (high is not None and value > high))
        for value in values
    ]


@pytest.mark.parametrize(("low", "high"), list(itertools.product(LIMITS, LIMITS)))
def test_whole_numbers_are_compared_as_python_compares_them(low, high):
    assert outside(pa.array(WHOLE, pa.int64()), low, high).to_pylist() == expected(WHOLE, low, high)


def test_other_numbers_are_compared_as_floats():
    values = [None, 0.5, -1e308, 100.25]
    assert outside(pa.array(values), 0, 100).to_pylist() == expected(values, 0, 100)
