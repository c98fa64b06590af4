"""Figures of rows that come some at a time are those of all rows at once, in memory and on disk."""

import math
import random

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.tables.expectations import figures
from lakehouse.tables.expectations.figures import figure_of
from lakehouse.tables.expectations.judge import Judging, judge
from lakehouse.tables.expectations.kinds import Measured
from tests.unit.tables.test_expectations import NOW, promises

DICE = random.Random(7)
NUMBERS = {
    "none": [],
    "absent": [None, None],
    "one": [3.5],
    "few": [2, None, 1, 4, 4],
    "signs": [-1.5, 0.0, -0.0, 1e300, -1e-300, 5e-324, math.inf, -math.inf],
    "many": [DICE.choice([None, DICE.gauss(0, 1e6), DICE.randrange(5)]) for _ in range(1_000)],
    "alike": [7.25] * 100,
    "beyond": [1.0, math.inf, *range(20)],
    "beneath": [*range(20), -math.inf],
}
WHOLE = {
    "rows": lambda s: float(len(s)),
    "missing_share": lambda s: s.null_count() / len(s) if len(s) else None,
    "distinct": lambda s: float(s.drop_nulls().n_unique()),
    "mean": lambda s: s.mean(),
    "deviation": lambda s: s.std(ddof=1),
    "median": lambda s: s.median(),
    0.0: lambda s: s.quantile(0.0, "linear"),
    0.9: lambda s: s.quantile(0.9, "linear"),
    1.0: lambda s: s.quantile(1.0, "linear"),
}


def measured(measure):
    named = {"column": "n"} if measure != "rows" else {}
    share = {"measure": "quantile", "at": measure} if isinstance(measure, float) else {"measure": measure}
    reason = "Because the test says so."
    return Measured(check="measured", severity="warning", reason=reason, minimum=0, **share, **named)


@pytest.mark.parametrize("on_disk", [False, True], ids=["in memory", "on disk"])
@pytest.mark.parametrize("measure", WHOLE)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_figure_of_parts_is_that_of_the_whole(monkeypatch, numbers, measure, on_disk):
    if on_disk:
        monkeypatch.setattr(figures, "MEMORY_VALUES", 1)
        monkeypatch.setattr(figures, "MEMORY_KEYS", 8)
        monkeypatch.setattr(figures, "READ_VALUES", 3)
    whole = pl.Series("n", NUMBERS[numbers], pl.Float64)
    figure = figure_of(measured(measure))
    for start in range(0, len(whole) + 1, 7):
        figure.add(pl.DataFrame(whole.slice(start, 7)))
    found, wanted = figure.value(), WHOLE[measure](whole)
    figure.close()
    if isinstance(wanted, float) and math.isnan(wanted):
        assert math.isnan(found)
    else:
        assert found == (wanted if wanted is None else pytest.approx(wanted, rel=1e-12))


def test_rows_that_come_some_at_a_time_are_judged_like_all_at_once():
    promised_of = promises(
        HIGH={"check": "between", "column": "n", "maximum": 3, "severity": "quarantine", "mostly": 0.5},
        ONCE={"check": "unique", "columns": ["n"]},
        PAIR={"check": "unique", "columns": ["n", "word"]},
        NEW={"check": "fresh", "column": "day", "days": 9},
        MEAN={"check": "steady", "measure": "mean", "column": "n", "within": 0.1},
    )
    rows = pa.table(
        {
            "n": pa.array([1, 2, 9, None, 2, None, 4, 2], pa.int64()),
            "word": ["a", "b", "c", None, "x", None, "d", "b"],
            "day": pa.array([None, NOW.date(), None, None, None, None, None, None], pa.date32()),
        }
    )
    whole = judge(rows, promised_of, history={"MEAN": [3.0]}, now=NOW)
    judging = Judging(promised_of)
    aside = [judging.add(rows.slice(start, 3)) for start in range(0, 9, 3)]
    codes = [None, None, "HIGH", None, None, None, "HIGH", None]
    assert pa.concat_arrays(aside).to_pylist() == whole.aside.to_pylist() == codes
    assert judging.verdicts(history={"MEAN": [3.0]}, now=NOW) == whole.verdicts
    judging.close()
    found = {one.code: (one.kept, one.unexpected, one.observed) for one in whole.verdicts}
    assert found == {
        "HIGH": (True, 2, 0.75),
        "ONCE": (False, 3, 0.625),
        "PAIR": (False, 2, 0.75),
        "NEW": (True, 0, 0.0),
        "MEAN": (False, 0, pytest.approx(20 / 6)),
    }
