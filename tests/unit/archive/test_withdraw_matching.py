"""A cell of numbers is one value however it is written, also where it has more digits than a float holds."""

import pyarrow as pa
import pytest

from lakehouse.archive.withdraw.matching import canonical, folded, matches

LONG = 9007199254740993  # the first whole number that no float is


@pytest.mark.parametrize("written", [f"{LONG}", f"+{LONG}", f"00{LONG}", f" {LONG} ", f"{LONG}.0", f"+0{LONG}."])
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_long_number_is_its_value_however_it_is_written(written, kind):
    assert canonical(written, kind) == str(LONG)
    assert folded(written, kind) == str(LONG)


def test_a_typed_long_number_is_found_by_what_was_written_as_text():
    wanted = {canonical(f"+00{LONG}", "integer")}
    found = matches(pa.array([LONG - 1, LONG, None, LONG + 1], pa.int64()), "integer", wanted)
    assert found.to_pylist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("written", "value"), [("7", "7"), ("-007", "-7"), ("1e3", "1000"), ("7.50", "7.50"), ("x7", "x7"), ("nan", "nan")]
)
def test_other_cells_of_numbers(written, value):
    assert canonical(written, "integer") == value


def test_large_numbers_with_an_exponent_are_their_value():
    sixteen = "1" + "0" * 16
    assert [canonical(one, "number") for one in ("1e16", "1E+16", "1e+16", "10000000000000000", "1.0e16")] == [
        sixteen
    ] * 5
    assert folded("1e16", "integer") == sixteen
    assert canonical("1234567890123456789e1", "integer") == "12345678901234567890", "no float came between"
    typed = pa.array([1e15, 1e16, None, 1.2345678901234567e19, float("nan"), float("inf")], pa.float64())
    assert matches(typed, "number", {sixteen}).to_pylist() == [False, True, False, False, False, False]
    assert matches(typed, "number", {"12345678901234567000"}).to_pylist() == [False, False, False, True, False, False]
    assert matches(pa.array([1e16], pa.float64()), "number", {"10000000000000001"}).to_pylist() == [False]


@pytest.mark.parametrize("written", ["1e309", "1e999999999", "1e99999999999999999999", "inf", "-inf", "sNaN", "1e-7"])
def test_what_no_cell_of_numbers_can_be_stays_as_it_is_written(written):
    assert canonical(written, "number") == written


def test_a_number_too_long_to_read_stays_as_it_is_written():
    assert canonical("1" * 5_000, "integer") == "1" * 5_000


def test_text_keeps_its_zeros():
    assert canonical("007", "string") == "007"
