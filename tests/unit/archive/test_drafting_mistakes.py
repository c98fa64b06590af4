"""What in bare files seems to be a mistake, or is not written as the standard reads it, is said in the draft."""

import pytest
import yaml

from lakehouse.archive.drafting import draft_here
from lakehouse.archive.drafting_apart import FILL_IN


def _drafted(tmp_path, **files):
    """Describe bare files; return the dictionary of the first as text, and the notes."""
    bare, into = tmp_path / "bare", tmp_path / "new"
    bare.mkdir()
    into.mkdir()
    for name, text in files.items():
        (bare / f"{name}.csv").write_text(text, encoding="utf-8")
    found = draft_here(str(bare), str(into), progress=lambda _: None)
    text = found["files"][f"tables/{next(iter(files))}/columns.yaml"]
    yaml.safe_load(text)
    return text, found["notes"]


def _rows(head, *lines):
    return "\n".join([head, *lines, ""])


PUPILS = [f"{n},Pupil {n},{n % 3}" for n in range(1, 20)]


def test_a_key_that_repeats_is_offered_with_the_repetition_and_not_another_column_in_its_place(tmp_path):
    text, notes = _drafted(tmp_path, pupils=_rows("pupil_id,name,form", *PUPILS, "7,Pupil 20,1"))
    said = "it is called like the key, and 1 of 20 values repeats an earlier one"
    assert f"# primary_key: [pupil_id]  # {FILL_IN}: {said}; mend the data and take away the first #, or name" in text
    assert "such as name, which never repeats" in text
    assert yaml.safe_load(text).get("primary_key") is None
    assert f'tables/pupils, pupil_id: {said}: "7"; mend them, or is it no key?' in notes


def test_the_same_where_only_several_columns_tell_the_rows_apart(tmp_path):
    lines = [f"{n},{n % 3},{n % 4}" for n in range(1, 20)]
    text, notes = _drafted(tmp_path, pupils=_rows("id,form,house", *lines, "7,2,2", "8,0,1"))
    said = "it is called like the key, and 2 of 21 values repeat an earlier one"
    assert f"# primary_key: [id]  # {FILL_IN}: {said}; mend" in text
    assert "such as id, form, which never repeat\n" in text
    assert f'tables/pupils, id: {said}: "7", "8"; mend them, or is it no key?' in notes


@pytest.mark.parametrize(
    ("table", "head", "lines"),
    [
        # A key that never repeats, and one beside it that is called like one.
        ("pupils", "pupil_id,other_id", [f"{n},{n % 19}" for n in range(20)]),
        # Called like a key, but of another table: too much of it comes again.
        ("marks", "pupil_id,mark", [f"{n % 15},{n}" for n in range(20)]),
        # Its own table's name, but every value comes twice.
        ("pupils", "pupil_id,term_no", [f"{n // 2},{n % 2}" for n in range(40)]),
        # Called like no key.
        ("pupils", "paid,form", [f"{n % 19},1" for n in range(20)]),
        ("pupils", "pupil_id,name", [f"{n},{n}" for n in range(20)]),
    ],
)
def test_what_is_no_key_that_repeats_is_not_taken_for_one(tmp_path, table, head, lines):
    text, notes = _drafted(tmp_path, **{table: _rows(head, *lines)})
    assert "an earlier one" not in text
    assert notes == []


def test_a_column_that_refers_to_another_table_is_no_key_that_repeats(tmp_path):
    marks = [f"{n},{n / 2}" for n in range(1, 20)]
    files = {"marks": _rows("pupil_id,mark", *marks, "7,1.5"), "pupils": _rows("pupil_id,name,form", *PUPILS)}
    text, _ = _drafted(tmp_path, **files)
    assert "references: pupils.pupil_id" in text
    assert "an earlier one" not in text


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["3,14", "2,5", "-0,25"],
            '3 of 3 "3,14": write them with a point, "3.14"',
        ),
        (["3,14", "2", "0,5"], '2 of 3 "3,14": write'),
        (
            ["1.234,5", "2,5"],
            '2 of 2 "1.234,5": write them with a point, "1234.5"',
        ),
        (["1,234", "12,500"], '2 of 2 "1,234": write "1234" if that is what'),
        (
            ["1,234", "0,500"],
            '2 of 2 "0,500": write them with a point, "0.500"',
        ),
        ([*["1,5"] * 30, "NA", "sick"], '30 of 31 "1,5": write'),
        (["3,14", "x"], ""),
        (["3.14", "2"], ""),
        (["1, 2", "room 3,4"], ""),
        (["0431,5", "0431"], ""),
    ],
)
def test_numbers_with_a_comma_are_said_in_the_draft_and_to_whoever_asked(tmp_path, cells, said):
    count, of, known, rest = said.split(" ", 3) if said else [""] * 4
    said = f"{count} {of} {known} values are numbers with a comma, such as {rest}" if said else ""
    text, notes = _drafted(tmp_path, t=_rows("name;size", *(f"n{n};{cell}" for n, cell in enumerate(cells))))
    assert 'delimiter: ";"' in text
    assert [note[: len(f"tables/t, size: {said}")] for note in notes] == ([f"tables/t, size: {said}"] if said else [])
    assert (f"  size:\n    type: string  # CHECK: {said}" in text) is bool(said)
    assert ("levels" in text) is False
