"""Tables that are read some rows at a time are the same tables, in order, with the place of each row."""

from datetime import UTC, datetime

import pytest

from lakehouse.archive.eds import load_description
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.ports import DatasetVersion
from tests.kept_rows import kept

VERSION = DatasetVersion("lessons", "1", "a" * 40, "v1", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def rooms(dataset):
    """A dataset whose rooms stand in two files, and one without rows."""
    folder = dataset / "tables" / "rooms"
    (folder / "none.csv").write_text("room,size\n")
    (folder / "a.csv").write_text("size,room\n7,12\n,13\n")
    return dataset


def of(writes, name):
    (found,) = [write for write in writes if write.table.name == name]
    assert found.rows.schema == found.table.arrow_schema()
    return found.rows.to_pylist()


def test_bronze_and_silver_have_the_rows_of_all_files_in_order(rooms):
    description = load_description(rooms)
    bronze = of(bronze_writes(rooms, description, VERSION, kept), "bronze.lessons_rooms")
    assert [(row["room"], row["size"], row["_row_number"]) for row in bronze] == [
        ("12", "7", 1),
        ("13", "", 2),
        ("10", "50.5", 1),
        ("11", "60", 2),
    ]
    assert {row["_dataset_commit"] for row in bronze} == {"a" * 40}
    seen = {}

    def sift(table, placed):
        for rows, places in placed:
            seen.setdefault(table.name, []).extend(places.to_pylist())
            yield rows

    silver = of(silver_writes(rooms, description, VERSION, kept, sift), "silver.lessons_rooms")
    assert [(row["room"], row["size"]) for row in silver] == [(12, 7.0), (13, None), (10, 50.5), (11, 60.0)]
    assert seen["silver.lessons_rooms"] == [
        {name: row[name] for name in ("_source_file", "_row_number")} for row in bronze
    ]


def test_a_table_without_files_has_no_rows_and_its_columns(rooms):
    for path in (rooms / "tables" / "rooms").glob("*.csv"):
        path.unlink()
    description = load_description(rooms)
    assert of(bronze_writes(rooms, description, VERSION, kept), "bronze.lessons_rooms") == []
    assert of(silver_writes(rooms, description, VERSION, kept), "silver.lessons_rooms") == []
