"""Which snapshots are read from a plain list of their files, told from what their metadata and files say."""

from dataclasses import replace

import pytest

from lakehouse.endpoint.listing import MOST_FILES, Contents, DataFile, agree, columns_of, listed

FILE = DataFile("0", "PARQUET", "s3://lake/a/rows-1.parquet")
OTHER = replace(FILE, path="s3://lake/a/rows-2.parquet")
PLAIN = Contents(2, frozenset({("1", "n"), ("2", "a\tb")}), (FILE, OTHER))
ROOT, N, WORD = "2\t\t\t\t\t\tschema", "\t1\tINT64\t\t\t\tn", "\t2\tBYTE_ARRAY\t\tUTF8\tStringType()\ta\tb"


def lines(*files):
    return [f"{one.path}\t{column}" for one, columns in zip(PLAIN.files, files, strict=False) for column in columns]


def test_a_snapshot_of_rows_alone_is_a_list_of_its_files_without_columns_from_folders():
    source = listed(PLAIN)
    assert source is not None
    paths = "['s3://lake/a/rows-1.parquet', 's3://lake/a/rows-2.parquet']"
    assert source.sql("duckdb") == f"READ_PARQUET({paths}, hive_partitioning = FALSE)"


@pytest.mark.parametrize(
    "contents",
    [
        replace(PLAIN, version=1),
        replace(PLAIN, version=3),
        replace(PLAIN, files=()),
        replace(PLAIN, files=(FILE,) * (MOST_FILES + 1)),
        replace(PLAIN, files=(FILE, replace(OTHER, content="1"))),
        replace(PLAIN, files=(FILE, replace(OTHER, content="2"))),
        replace(PLAIN, files=(replace(FILE, format="ORC"),)),
        replace(PLAIN, files=(replace(FILE, path="/lake/a[1]/rows.parquet"),)),
    ],
)
def test_anything_else_is_not(contents):
    assert listed(contents) is None


def test_files_of_the_snapshots_own_schema_agree_in_any_order():
    assert agree(PLAIN, lines([ROOT, N, WORD], [ROOT, WORD, N]))


@pytest.mark.parametrize(
    "second",
    [
        [ROOT, N],
        [ROOT, N, WORD.replace("a\tb", "ab")],
        [ROOT, N.replace("\t1\t", "\t3\t"), WORD],
        [ROOT, N, WORD, "\t9\tINT64\t\t\t\tmore"],
    ],
)
def test_a_file_of_another_schema_does_not(second):
    assert not agree(PLAIN, lines([ROOT, N, WORD], second))
    assert not agree(PLAIN, lines(second, second))


def test_a_column_that_was_widened_does_not():
    assert not agree(PLAIN, lines([ROOT, N, WORD], [ROOT, N.replace("INT64", "INT32"), WORD]))


def test_neither_do_columns_with_parts_nor_files_that_say_nothing():
    nested = [ROOT, N, "1" + WORD]
    assert not agree(PLAIN, lines(nested, nested))
    assert not agree(PLAIN, lines([ROOT, N, WORD]))
    assert not agree(PLAIN, [])


def test_columns_are_asked_of_every_file():
    assert (
        columns_of(PLAIN)
        .sql("duckdb")
        .endswith("AS value FROM PARQUET_SCHEMA(['s3://lake/a/rows-1.parquet', 's3://lake/a/rows-2.parquet'])")
    )
