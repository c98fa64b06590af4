"""SQLite's logic tests through the SQL endpoint; a seeded part of them here, all of them by sql_logic.py itself."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EVERY = 60
GOAL = 0.995


def _harness():
    spec = importlib.util.spec_from_file_location("sql_logic", HERE / "sql_logic.py")
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sql_logic = _harness()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sql_logic.ARCHIVE.is_file(), reason="needs ../shared/data/sqllogictest"),
]


def test_what_duckdb_answers_right_comes_through_the_endpoint(tmp_path, request):
    seed = 7
    whole = sql_logic.Score()
    for number, (name, text) in enumerate(sql_logic.files()):
        if "evidence/slt_lang_" in name:
            continue  # statements that change data, nearly no queries
        endpoint = sql_logic.Endpoint(tmp_path / str(number))
        request.addfinalizer(endpoint.close)
        whole.add(sql_logic.run(name, text, endpoint, every=EVERY, seed=seed))
    assert whole.queries > 1_500
    assert whole.duckdb_right / whole.queries > 0.9
    assert whole.agreement >= GOAL, (f"seed {seed}", whole.lost[:10])


@pytest.mark.parametrize(
    ("record", "rows", "lines"),
    [
        (("I", "rowsort"), [(3,), (-1,), (None,)], ("-1", "3", "NULL")),
        (("R", "nosort"), [(2,), (0.12345,)], ("2.000", "0.123")),
        (("T", "nosort"), [("",), ("a",)], ("(empty)", "a")),
        (("II", "valuesort"), [(3, 1), (2, 4)], ("1", "2", "3", "4")),
        (("I", "nosort"), [(7.9,), (-7.9,)], ("7", "-7")),
    ],
)
def test_rows_are_written_as_the_expected_lines_are(record, rows, lines):
    types, sort = record
    assert sql_logic.answer(rows, sql_logic.Record("here:1", "select 1", types, sort)) == lines


def test_many_values_become_their_hash():
    record = sql_logic.Record("here:1", "select 1", "I")
    # printf '1\n2\n3\n4\n5\n6\n7\n8\n9\n' | md5sum
    assert sql_logic.answer([(n,) for n in range(1, 10)], record) == (
        "9 values hashing to 22e400a2ddbb013acf2a5852d6ab69fc",
    )


def test_records_for_other_engines_are_left_out():
    text = "onlyif mysql # own types\nquery I rowsort\nSELECT 1\n----\n1\n\n"
    text += "skipif mysql\nquery I nosort\nSELECT 2\n----\n2\n"
    (record,) = sql_logic.records("f", text)
    assert (record.sql, record.types, record.expected) == ("SELECT 2", "I", ("2",))
