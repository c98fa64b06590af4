"""JSON that commands print: the same values, and nothing in it that a terminal obeys."""

import json

import pyarrow as pa
import pytest

from dagster_project import explaining
from dagster_project.judging import written
from dagster_project.sql_output import as_text
from lakehouse.archive.levels import printable_json
from lakehouse.archive.refusal import refusal
from lakehouse.errors import UnsafeArchiveError
from lakehouse.lineage import Link, as_json

OBEYED = "".join(
    map(chr, [0x1B, 0x07, 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xE0001])
)
TEXT = f'é 漢 "quoted" \\ {OBEYED} end'


def test_what_a_terminal_obeys_is_escaped_and_values_stay():
    shown = printable_json(json.dumps({"a": TEXT, "b": [1, "é"]}, ensure_ascii=False, indent=1))
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "é 漢" in shown
    assert json.loads(shown) == {"a": TEXT, "b": [1, "é"]}


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_rows_of_sql_are_printed_so(form):
    shown = as_text(pa.table({"a": [TEXT], "b\u202e": [1]}), form, width=80)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    found = json.loads(shown)
    assert (found[0] if form == "json" else found) == {"a": TEXT, "b\u202e": 1}


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_a_report_is_printed_so(form):
    shown = written(refusal("a\u202eb\x9b", UnsafeArchiveError(f"the archive holds {TEXT}")), form)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "\u202e" in json.dumps(json.loads(shown), ensure_ascii=False)


def test_an_explanation_is_printed_so(monkeypatch):
    link = Link("creator", TEXT, "its record", {"title\u202e": TEXT})
    monkeypatch.setattr(explaining, "sources", lambda _settings: None)
    monkeypatch.setattr(explaining, "explain", lambda _sources, _target: link)
    shown = explaining.explained(None, "a figure", "json", None)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert json.loads(shown) == as_json(link)
