"""Cells that are plain numbers, days or moments are told by their bytes, wherever they stand among others."""

import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.archive.privacy import ColumnScan, engine
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.plain_cells import SAMPLE, plain

NUMBER = re.compile(r"-?[0-9]*\.?[0-9]*")
DAY = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]")
NUMBERS = ("0", "-3", "19.99", "123456789012", "-.5", "7.", "")
DAYS = ("2019-09-01", "1999-12-31")
ODD = (
    "1234567890123", "1.2.3", "3-4", "1-", "--1", "-1-", "1/2", "1,5", "1e5", "+7", " 1", "1\n2", "x", "é", "١٢",
    "2019-09-0", "2019/09/01", "31.12.2019", "2019-29-01", "2019-09-41", "2019-09-01x", "20190901", "2019-09-01T",
    "12a9-09-01", "2019-0b-01", "\N{DESERET CAPITAL LETTER OI}-09-01",
)  # fmt: skip


@pytest.mark.parametrize(("sound", "rule", "longest"), [(NUMBERS, NUMBER, 12), (DAYS, DAY, 10)], ids=["number", "day"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_each_cell_is_judged_by_itself(sound, rule, longest, data):
    rest = data.draw(st.lists(st.sampled_from(sound + ODD) | st.text(max_size=14), max_size=60))
    values = [*sound * SAMPLE][:SAMPLE] + rest
    lead = data.draw(st.integers(0, 3))
    cells = pa.array(["before"] * lead + values, pa.string()).slice(lead)
    wanted = [not v or (len(v.encode()) <= longest and rule.fullmatch(v) is not None) for v in values]
    assert plain(cells).tolist() == wanted


def test_moments_are_plain_when_all_cells_are():
    assert plain(pa.array(["2019-09-01T10:00:00Z", "2019-09-02T11:30:00Z"])).all()
    assert plain(pa.array(["2019-09-01 10:00:00", "2019-09-02"])).all()
    assert not plain(pa.array(["2019-09-01 10:00:00", "call 212 555 0123"])).any()


def test_text_is_not_plain():
    assert not plain(pa.array(["a", "bb", "ccc"])).any()
    assert len(plain(pa.array([], pa.string()))) == 0
    assert plain(pa.array(["", ""])).all()


@pytest.mark.parametrize("step", [700, 2_000])
@pytest.mark.parametrize("plain_ones", [NUMBERS, DAYS], ids=["numbers", "days"])
def test_what_stands_among_plain_cells_is_found_with_its_row(plain_ones, step):
    draw = random.Random(11)
    values = [draw.choice(plain_ones) for _ in range(2_000)]
    values[1_200], values[1_999] = "ann.lee@west-school.org", "900-12-3456 or (212) 555-0123"
    scan = ColumnScan("x", "")
    for first in range(0, len(values), step):
        scan.add(pa.array(values[first : first + step]), first)
    assert {(s.kind, s.rows) for s in scan.suspicions()} >= {("email", (1_200,)), ("phone", (1_999,))}


@pytest.mark.parametrize("kind", [kind for kind, one in identifiers().items() if one.context_pattern is not None])
def test_a_pattern_for_whole_cells_names_every_cell_that_fits(kind):
    pattern = identifiers()[kind].context_pattern
    draw = random.Random(kind)
    some = (
        "12345678",
        "1999-01-02",
        "Ann Lee",
        "12 Oak Street ",
        "a.jpg",
        "W. Smith",
        "+49 30 1234567",
        "48.8584",
        "93",
    )
    values = [draw.choice(some) if draw.random() < 0.02 else f"word {n}" for n in range(3_000)]
    for cells in (pa.array(values), pa.array([*values, "Zoë Müller", "12 Ödeplatz "])):
        assert np.array_equal(engine.in_columns(pattern, cells), engine.with_re2((("", pattern),), cells).get("", []))
