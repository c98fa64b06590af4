import base64

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.archive.column_checks import ColumnPlan, Plan
from lakehouse.archive.eds import ColumnDescription
from lakehouse.archive.privacy import ColumnScan
from lakehouse.archive.table_scan import TableScan
from lakehouse.archive.tally import RowBudget

MAIL = "ann.lee@school-one.org"


def found(tmp_path, cells, known=None, **described):
    """Return kind, count and first rows of what a column of a scanned table seems to hold."""
    path = tmp_path / "rows.csv"
    path.write_text("answer,row\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells)), encoding="utf-8")
    column = ColumnPlan(
        "answer", ColumnDescription(type="string", description="Their answer.", **described), known=known
    )
    scan = TableScan(None, Plan((column,)), RowBudget())
    scan.read(path, path.name)
    return [(name, s.kind, s.count, s.rows[:3]) for name, s in scan.finish().suspicions]


CODED = [base64.b64encode(bytes([128 + number % 100]) * 24).decode() for number in range(1_000)]
HIDDEN = base64.b64encode(f"{MAIL}!!".encode()).decode()

CASES = {
    "an address among levels": (["yes", MAIL, "no"] * 9, {"levels": ["yes", "no"]}),
    "an address that is a level": (["yes", MAIL, "no"] * 9, {"levels": ["yes", "no", MAIL]}),
    "one that is a code for missing": (["yes", MAIL, "", "no"] * 9, {"levels": ["yes", "no"], "missing_codes": [MAIL]}),
    "one behind letters that look alike": (["yes", MAIL.replace("o", "\u043e"), "no"], {"levels": ["yes", "no"]}),
    "a name among levels": (["Yes", "Maria Garcia", "No"], {"levels": ["Yes", "No"]}),
    "names that are levels": (["Maria Garcia", "James Smith"] * 9, {"levels": ["Maria Garcia", "James Smith"]}),
    "an address among what is referred to": (["c1", MAIL, "c2"] * 9, {"known": pa.array(["c1", "c2"])}),
    "one of many codes that hides an address": ([HIDDEN] * 5_000 + CODED, {"known": pa.array([*CODED, HIDDEN])}),
    "an address that is referred to": (["c1", MAIL, "c2"] * 9, {"known": pa.array(["c1", "c2", MAIL])}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_listed_hides_nothing(tmp_path, monkeypatch, case):
    cells, given = CASES[case]
    quickly = found(tmp_path, cells, **given)
    monkeypatch.setattr(ColumnScan, "clears", lambda *_: False)
    assert quickly == found(tmp_path, cells, **given) != []


def test_cells_with_harmless_levels_are_not_looked_at(tmp_path, monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        "lakehouse.archive.privacy.scan.candidates", lambda _patterns, cells, *_: looked_at.append(len(cells)) or {}
    )
    assert found(tmp_path, ["yes", "no", MAIL] * 1_000, levels=["yes", "no"]) == []
    assert sorted(looked_at) == [2, 1_000]


def test_a_column_that_speaks_of_persons_has_its_levels_judged_so():
    assert ColumnScan("colour").clears(pa.array(["Rose", "Violet"]))
    assert not ColumnScan("first_name").clears(pa.array(["Rose", "Violet"]))
    assert ColumnScan("colour").clears(pa.array([str(n) for n in range(2_000)]))
    assert not ColumnScan("colour").clears(pa.array([str(n) for n in range(2_001)]))
    assert not ColumnScan("colour").clears(pa.array([*CODED, HIDDEN]))


def test_few_odd_cells_of_many_blocks_are_looked_at_at_once(monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        "lakehouse.archive.privacy.scan.candidates", lambda _patterns, cells, *_: looked_at.append(len(cells)) or {}
    )
    scan = ColumnScan("answer")
    for first in range(0, 100, 10):
        scan.add(pa.array(["7", MAIL, *["7"] * 8]), first, odd=np.array([1]))
    assert scan.suspicions() == ()
    assert looked_at == [10]


def test_odd_cells_that_wait_keep_their_rows_and_their_turn():
    scan = ColumnScan("answer")
    for first in (0, 10, 30):
        scan.add(pa.array(["yes", MAIL, *["yes"] * 8]), first, among=np.array([1]))
        if first == 10:
            scan.add(pa.array([MAIL] * 10), 20)
    [found] = scan.suspicions()
    assert (found.kind, found.count, found.rows) == ("email", 13, (1, 11, *range(20, 30), 31))


def test_codes_without_a_capital_use_up_nothing_of_what_is_judged_for_names():
    scan = ColumnScan("answer")
    scan.add(pa.array([f"room-{number}" for number in range(10_000, 40_000)]), 0)
    scan.add(pa.array(["Maria Garcia", "nobody"] * 900), 30_000)
    [found] = scan.suspicions()
    assert (found.kind, found.count) == ("person_name", 900)
