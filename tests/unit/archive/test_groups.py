import numpy as np
import pyarrow as pa
import pytest

from lakehouse.archive.privacy import groups
from lakehouse.archive.privacy.groups import GroupScan, quasi_columns, quasi_kind


def scan(rows, *, step=None, sensitive=()):
    found = GroupScan()
    step = step or max(1, len(rows))
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        columns = {f"q{n}": pa.array([row[n] for row in part], pa.string()) for n in range(len(part[0]))}
        said = {"s": pa.array(sensitive[first : first + step], pa.string())} if sensitive else {}
        found.add(columns, said, first)
    return found


ROWS = [("f", "1990")] * 7 + [("m", "1990")] * 4 + [("f", "1991")] + [("x", None)] * 5


@pytest.mark.parametrize("step", [None, 1, 3, 17])
def test_small_groups_are_counted_however_the_rows_come(step):
    small = scan(ROWS, step=step).small(5)
    assert (small.smallest, small.rows, small.groups, small.first_row, small.sampled) == (1, 5, 2, 7, 1)


def test_no_rows_have_no_groups():
    assert GroupScan().small(5).smallest == 0
    assert scan([("f", "1990")] * 5).small(5).first_row is None


@pytest.mark.parametrize("step", [None, 2])
def test_groups_that_share_a_sensitive_value_are_counted(step):
    values = ["ill"] * 7 + ["ill", "well", "ill", "well"] + ["ill"] + ["ill"] * 4 + ["well"]
    assert scan(ROWS, step=step, sensitive=values).small(4).unvaried == 7


def test_more_combinations_than_fit_are_estimated(monkeypatch):
    monkeypatch.setattr(groups, "GROUPS_KEPT", 1_000)
    draw = np.random.default_rng(5)
    rows = [(str(a), str(b)) for a, b in zip(draw.integers(0, 90, 30_000), draw.integers(0, 90, 30_000), strict=True)]
    counts = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    right = sum(count for count in counts.values() if count < 4)
    small = scan(rows, step=5_000).small(4)
    assert small.sampled > 1
    assert small.rows == pytest.approx(right, rel=0.15)


def test_columns_that_narrow_down_are_known_by_name_or_role():
    names = ("id", "gender", "imd_band", "score", "shoe_size", "BirthYear")
    assert quasi_columns(names, {"shoe_size": "quasi_identifier"}) == ("gender", "imd_band", "shoe_size", "BirthYear")
    assert quasi_columns(("gender",), {"gender": "sensitive"}) == ()
    assert quasi_kind("average_grade") is None
