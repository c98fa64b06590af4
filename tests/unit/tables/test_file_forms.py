"""Each column of a file is encoded as its values ask for; every reader gets the same rows, and no file grows much."""

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lakehouse.adapters import iceberg_files
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_files import (
    FIRST_ROWS,
    SAMPLE_ROWS,
    SAMPLE_RUNS,
    _encoded,
    _Encoding,
    _Form,
    _form,
)
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import ChecksumError
from lakehouse.samples import college_scorecard

ROWS = 40_000
UNLIKE = ("measure", "holes")
"""Columns whose values have nothing in common; all others pay to be compressed."""


def measures(seed, count=ROWS):
    return np.random.default_rng(seed).normal(60.0, 15.0, count)


def mixed():
    """Return columns of which each is a case of its own."""
    number = np.arange(ROWS)
    runs = np.arange(SAMPLE_RUNS) * (ROWS - FIRST_ROWS // SAMPLE_RUNS) // (SAMPLE_RUNS - 1)
    hidden = np.isin(number, (runs[:, None] + np.arange(FIRST_ROWS // SAMPLE_RUNS)).ravel())
    halves = np.where(number < ROWS // 2, measures(1), 0.0)
    return pa.table(
        {
            "number": pa.array(number),
            "word": pa.array([f"w{one}" for one in number]),
            "measure": pa.array(measures(2)),
            "single": pa.array(measures(3).round(1).astype(np.float32)),
            "holes": pa.array(measures(4), mask=number % 7 == 0),
            "rounded": pa.array(measures(5).round(3)),
            "far_apart": pa.array(np.resize(measures(6, 15_000), ROWS)),
            "half_zeroes": pa.array(halves),
            "hidden": pa.array(measures(7), mask=hidden),
            "empty": pa.array([None] * ROWS, pa.float64()),
            "flag": pa.array(number % 3 == 0),
        }
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The mixed rows as one file of a table, and what opens it as the product does."""
    rows = mixed()
    tables = IcebergTables.local(tmp_path_factory.mktemp("forms"))
    columns = tuple(Column(field.name, field.type, "A case.") for field in rows.schema)
    table = TableDefinition("silver.forms", grain="one row a number", key=("number",), columns=columns)
    (file,) = tables.store_rows(table, [rows]).files
    yield rows, Path(file.file_path.removeprefix("file://")), tables.catalog.load_table(table.name).io
    tables.close()


def test_only_measures_that_never_come_back_are_left_uncompressed(stored):
    _, path, _ = stored
    group = pq.read_metadata(path).row_group(0)
    codecs = {group.column(at).path_in_schema: group.column(at).compression for at in range(group.num_columns)}
    assert {name for name, codec in codecs.items() if codec == "UNCOMPRESSED"} == set(UNLIKE)
    assert {codec for name, codec in codecs.items() if name not in UNLIKE} == {"ZSTD"}


def test_every_reader_gets_the_same_rows(stored):
    rows, path, files = stored
    with files.new_input(f"file://{path}").open() as body:
        judged = pq.read_table(pa.BufferReader(body.read()), page_checksum_verification=True)
    others = [
        duckdb.read_parquet(str(path)).to_arrow_table(),
        pl.read_parquet(path).to_arrow(),
        pq.ParquetFile(path, page_checksum_verification=True).read(),
    ]
    for found in (judged, *others):
        assert found.cast(rows.schema).equals(rows)


@pytest.mark.parametrize("column", UNLIKE)
def test_a_changed_byte_of_an_uncompressed_column_is_told_by_the_seal_and_by_its_page(stored, column):
    rows, path, files = stored
    whole, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
    part = group.column(rows.column_names.index(column))
    for place in (part.data_page_offset + part.total_compressed_size - 1, part.data_page_offset + 1000):
        body = bytearray(whole)
        body[place] ^= 1
        with pytest.raises(OSError, match=r"(?i)crc|checksum"):
            pq.read_table(pa.BufferReader(bytes(body)), page_checksum_verification=True)
        path.write_bytes(bytes(body))
        with pytest.raises(ChecksumError, match=path.name):
            files.new_input(f"file://{path}").open()
        path.write_bytes(whole)


def size(rows, form):
    encoding = _Encoding(rows.schema, form)
    encoding.add(rows)
    return encoding.close()[0].size


def grown(rows):
    form = _form(rows)
    return size(rows, form) / size(rows, _Form(form.dictionary, "zstd"))


def test_files_grow_by_little_for_what_is_left_uncompressed():
    rows = mixed()
    assert grown(rows) < 1.06
    assert grown(rows.drop_columns(list(UNLIKE))) == 1.0
    assert grown(rows.select(["measure"])) < 1.1


@pytest.mark.parametrize("wave", college_scorecard.WAVES)
def test_the_files_of_the_demo_do_not_grow_at_all(wave, tmp_path):
    college_scorecard.write(wave, tmp_path)
    (path,) = tmp_path.rglob("*.csv")
    asked = pa.csv.ConvertOptions(column_types={"earnings_med": pa.float64()})
    rows = pa.csv.read_csv(path, convert_options=asked)
    told = rows.select([field.name for field in rows.schema if not pa.types.is_null(field.type)])
    assert told.num_rows > SAMPLE_ROWS
    assert grown(told) == 1.0


def test_parts_of_columns_keep_one_codec():
    rows = pa.table({"one": measures(1), "parts": [[float(at)] for at in range(ROWS)]})
    assert _form(rows).compression == "zstd"
    assert grown(rows) == 1.0


def test_what_is_known_of_a_tables_columns_follows_its_schema_and_its_properties(tmp_path):
    tables = IcebergTables.local(tmp_path)
    narrow = (Column("number", pa.int32(), "A number."), Column("word", pa.string(), "A word."))
    wide = (*narrow[1:], Column("number", pa.int64(), "A number."), Column("mark", pa.float64(), "Points."))

    def bounds(columns):
        table = TableDefinition("silver.grown", grain="one row a number", key=("number",), columns=columns)
        values = {"number": [2**31 - 1], "word": ["w"], "mark": [0.5]}
        rows = pa.table({one.name: pa.array(values[one.name], one.type) for one in columns})
        (file,) = tables.store_rows(table, [rows]).files
        assert pq.read_schema(file.file_path.removeprefix("file://")).names == rows.column_names
        names = {field.field_id: field.name for field in tables.catalog.load_table(table.name).schema().fields}
        return {names[field_id]: len(bound) for field_id, bound in (file.lower_bounds or {}).items()}

    assert bounds(narrow) == bounds(narrow) == {"number": 4, "word": 1}
    assert bounds(wide) == {"number": 8, "word": 1, "mark": 8}
    with tables.catalog.load_table("silver.grown").transaction() as transaction:
        transaction.set_properties({"write.metadata.metrics.column.word": "none"})
    assert bounds(wide) == {"number": 8, "mark": 8}
    tables.close()


def test_rows_that_find_no_room_in_memory_taken_at_once_are_the_same_file(monkeypatch):
    rows = mixed().select(UNLIKE)
    form = _form(rows)
    grown, _ = _Encoding(rows.schema, form).whole(rows)
    with pytest.raises(OSError, match="out of bounds"):
        _Encoding(rows.schema, form, room=grown.size - 1).whole(rows)
    monkeypatch.setattr(iceberg_files, "ROOM_FROM_BYTES", 0)
    for share in (iceberg_files.ROOM_SHARE, -2):  # a quarter more than they have in Arrow, and half of it
        monkeypatch.setattr(iceberg_files, "ROOM_SHARE", share)
        body, written = _encoded(rows, form)
        assert body.equals(grown)
        assert written.num_rows == ROWS


def test_wide_and_short_rows_are_encoded_once(monkeypatch):
    made = []

    class Counted(_Encoding):
        def __init__(self, *given, **named):
            made.append(named)
            super().__init__(*given, **named)

    monkeypatch.setattr(iceberg_files, "_Encoding", Counted)
    rows = pa.table({f"measure_{number}": np.random.default_rng(number).random(100) for number in range(2000)})
    body, _ = _encoded(rows, _form(rows))
    assert body.size > rows.nbytes * 1.25, "what heads and statistics take is more than the share that is added"
    assert len(made) == 1
