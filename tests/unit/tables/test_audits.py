import pyarrow as pa
import pytest

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.audits import broken_promises

TABLE = TableDefinition(
    "gold.t",
    "one row per a and b",
    (Column("a", pa.int64(), "A", nullable=False), Column("b", pa.string(), "B")),
    ("a", "b"),
)


def rows(a, b):
    return pa.table({"a": pa.array(a, pa.int64()), "b": pa.array(b, pa.large_string())})


def test_sound_rows_break_nothing():
    assert broken_promises(TABLE, rows([1, 1, 2], ["x", "y", None]), expected_count=3) == []
    assert broken_promises(TABLE, rows([], []), expected_count=0) == []


def test_lost_and_surplus_rows_are_counted():
    assert broken_promises(TABLE, rows([1], ["x"]), expected_count=2) == ["row count: 1 rows on the branch, 2 expected"]


def test_a_repeated_key_is_shown_with_its_values_and_no_more_than_five():
    (line,) = broken_promises(TABLE, rows([1, 1, 2], ["x", "x", "x"]), expected_count=3)
    assert line == "key (a, b) is not unique: 2 rows with a=1, b='x'"
    many = list(range(7)) * 3
    (line,) = broken_promises(TABLE, rows(many, ["x"] * 21), expected_count=21)
    assert line.count("3 rows with") == 5
    assert line.endswith("and 2 more")


@pytest.mark.parametrize(
    ("a", "b", "repeated"),
    [
        ([1, 1, 1], ["x", "y", "z"], None),
        ([1, 1, 1], ["z", "y", "x"], None),
        ([1, 1, 1], ["z", "y", "z"], "a=1, b='z'"),
        ([3, 2, 3], ["x", "x", "x"], "a=3, b='x'"),
        ([1, 1], ["x", "x"], "a=1, b='x'"),
        ([1, 2, 1, 2], ["x", "x", "y", "y"], None),
        ([1], ["x"], None),
    ],
)
def test_a_column_that_holds_one_value_neither_hides_nor_makes_a_repeated_key(a, b, repeated):
    found = broken_promises(TABLE, rows(a, b), expected_count=len(a))
    assert found == ([f"key (a, b) is not unique: 2 rows with {repeated}"] if repeated else [])


def test_a_key_that_repeats_a_null_is_not_unique():
    (line,) = broken_promises(TABLE, rows([1, 1], [None, None]), expected_count=2)
    assert "b=None" in line


@pytest.mark.parametrize(
    ("staged", "message"),
    [
        (pa.table({"a": pa.array([1], pa.int64())}), "schema: column b is missing"),
        (pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}), "schema: column a is int32, not int64"),
        (pa.table({"a": pa.array([None], pa.int64()), "b": ["x"]}), "nullability: required column a has 1 nulls"),
    ],
)
def test_schema_and_nullability_are_promises_too(staged, message):
    assert broken_promises(TABLE, staged, expected_count=1) == [message]


def test_given_audits_add_their_lines_once_the_columns_are_right():
    def refuse(table, staged):
        return [f"{table.name} has {staged.num_rows} rows"]

    assert broken_promises(TABLE, rows([1], ["x"]), expected_count=1, audits=[refuse]) == ["gold.t has 1 rows"]
    wrong = pa.table({"b": ["x"]})
    assert broken_promises(TABLE, wrong, expected_count=1, audits=[refuse]) == ["schema: column a is missing"]
