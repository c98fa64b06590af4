import csv
import io

import pyarrow as pa
import pytest

from dagster_project.sql_output import as_text
from lakehouse.spreadsheet import as_csv, neutral

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t1",
    "\r1",
    "\n1",
    "\uff1d1",
]
TEXTS = ["plain", "a=b", "1-2", "", " =1", "'=1", "-5", "+49", "-1.5e3", "-1,5", "caf\u00e9"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("value", [*TEXTS, -5, -0.5, None, True])
def test_everything_else_is_written_as_it_is(value):
    assert neutral(value) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\n=1+1\nb", "a\n'=1+1\nb"),
        ("\t=1", "'\t'=1"),
        ("=1;@x|-2+3\t+4", "'=1;'@x|'-2+3\t+4"),
        ("a; -5;-5;1-2", "a; -5;-5;1-2"),
    ],
)
def test_what_other_separators_make_a_cell_of_its_own_is_no_formula_either(text, written):
    assert neutral(text) == written


def test_the_rows_themselves_are_left_as_they_are():
    rows = pa.table({"=a": FORMULAS, "n": list(range(len(FORMULAS)))})
    before = rows.to_pylist()
    written = list(csv.reader(io.StringIO(as_text(rows, "csv", width=80, spreadsheet=True), newline="")))
    assert rows.to_pylist() == before
    assert written[0] == ["'=a", "n"]
    assert [row[0] for row in written[1:]] == [f"'{text}" for text in FORMULAS]
    assert "'" not in as_text(pa.table({"a": ["=1+1"]}), "json", width=80), "JSON gives the exact values"


def test_columns_of_one_name_are_all_written():
    assert as_csv(["a", "a"], [(1, 2)]) == "a,a\r\n1,2\r\n"
    rows = pa.table([pa.array([1]), pa.array(["=2"])], names=["a", "a"])
    assert as_text(rows, "csv", width=80, spreadsheet=True) == "a,a\n1,'=2\n"
