"""What `lakehouse sql` writes, and how it reads a text of statements."""

import csv
import errno
import io
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.sql_asking import is_complete, statements
from dagster_project.sql_output import as_bytes, as_text, drawn, remark, save
from lakehouse.errors import OutputExistsError

ROWS = pa.table({"name": ["ann", "=1+1", None], "mark": [1, 22, 333], "note": ["x" * 30, "é\n", "z"]})


def test_a_table_shows_cells_as_they_stand():
    rows = pa.table({"[b]name": ["seen [withdrawn] there", "a [/b] c", "red \x1b[31m letters"]})
    for width in (100, 20):
        text = drawn(rows, width)
        assert all(said in text for said in ("seen [withdrawn] there", "a [/b] c", "[b]name")) or width == 20
        assert "\x1b" not in text


@pytest.mark.parametrize("width", [20, 40, 60, 79, 200])
def test_a_drawing_never_is_wider_than_its_terminal(width):
    wide = pa.table({f"column_{number}": ["a" * number] for number in range(12)})
    for rows in (ROWS, pa.table({"a": pa.array([], pa.int64())})):
        assert all(len(line) <= max(width, 40) for line in drawn(rows, width).splitlines())
    text = drawn(wide, width)
    assert text.startswith("-- row 1 --") == (width < 200)
    assert text.endswith("1 row")


def test_what_stands_in_one_form_stands_in_all():
    expected = ROWS.to_pylist()
    assert json.loads(as_text(ROWS, "json", width=80)) == expected
    assert [json.loads(line) for line in as_text(ROWS, "jsonl", width=80).splitlines()] == expected
    assert pa.ipc.open_stream(as_bytes(ROWS, "arrow")).read_all().equals(ROWS)
    assert pq.read_table(io.BytesIO(as_bytes(ROWS, "parquet"))).to_pylist() == expected
    read = list(csv.reader(io.StringIO(as_text(ROWS, "csv", width=80), newline="")))
    assert read == [["name", "mark", "note"], ["ann", "1", "x" * 30], ["=1+1", "22", "é\n"], ["", "333", "z"]]


def test_what_json_and_csv_have_no_words_for_is_written_so_that_other_programs_read_it():
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    rows = pa.table({"f": [float("nan"), float("-inf")], "l": [[1, None], None], "b": [b"\x00\xff", None]})
    expected = [{"f": "NaN", "l": [1, None], "b": "00ff"}, {"f": "-Infinity", "l": None, "b": None}]
    assert json.loads(as_text(rows, "json", width=80), parse_constant=no_constant) == expected
    assert as_text(rows, "csv", width=80) == 'f,l,b\nnan,"[1, null]",00ff\n-inf,,\n'


def test_a_cell_that_is_cut_off_says_so():
    assert f"{'x' * 80}..." in drawn(pa.table({"a": ["x" * 81]}), 200)
    assert "..." not in drawn(pa.table({"a": ["x" * 80]}), 200)


def test_formulas_are_kept_from_running_where_that_is_asked_for():
    read = list(csv.reader(io.StringIO(as_text(ROWS, "csv", width=80, spreadsheet=True), newline="")))
    assert [row[0] for row in read[1:]] == ["ann", "'=1+1", ""]


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "rows.csv"
    save(path, b"first")
    with pytest.raises(OutputExistsError, match=r"rows\.csv is there already"):
        save(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_saved_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(_path, _target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_a_file_is_never_overwritten(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select 1", ["select 1"]),
        ("select 1;\nselect ';' as a; -- no; more\n", ["select 1", "select ';' as a"]),
        ("show tables; select 2", ["show tables", "select 2"]),
        (";; -- nothing\n", []),
        ("select 'open; select 2", ["select 'open; select 2"]),
    ],
)
def test_statements_are_apart_by_semicolons_outside_quotes_and_comments(text, found):
    assert statements(text) == found


@pytest.mark.parametrize(
    ("text", "complete"),
    [("select 1", False), ("select 1;", True), ("select ';", False), ("select 1; -- done", True),
     ("show tables;", True), ("select 1; select 2", False), ("-- only a comment;", False)],
)  # fmt: skip
def test_a_statement_is_complete_at_its_semicolon(text, complete):
    assert is_complete(text) is complete


def test_figures_of_groups_are_told_to_be_lower_than_what_is_stored():
    groups = pa.table({"people": [4675]}).replace_schema_metadata({"lakehouse.groups_of": "10"})
    assert "groups of at least 10; 1 to 10 of each group are left out" in remark(groups)
    assert remark(ROWS) is None
