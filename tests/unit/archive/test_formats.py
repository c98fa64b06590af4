"""The same rows in every format, packed or not: the same verdict, and the same rows in bronze."""

import gzip
import json
from functools import partial

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import zstandard

from lakehouse.archive.csv_blocks import blocks
from lakehouse.archive.eds import load_description
from lakehouse.archive.packed import UnpackLimits, opened
from lakehouse.archive.reading import raw_tables, typed
from lakehouse.archive.validate import validate
from lakehouse.errors import SchemaError

ROWS = [("10", "50.5"), ("11", "-60"), ("12", "x"), ("12", "7"), ("", "8")]
FAULTS = {
    "VALUE_OUT_OF_RANGE": ("size", (2,)),
    "TYPE_WRONG": ("size", (3,)),
    "KEY_REPEATS": ("room", (4,)),
    "KEY_MISSING": ("room", (5,)),
    "VALUE_REQUIRED": ("room", (5,)),
}


def as_csv(rows, delimiter=","):
    return "".join(delimiter.join(row) + "\n" for row in [("room", "size"), *rows]).encode()


def as_json(rows):
    return "".join(json.dumps({"room": room, "size": size}) + "\n" for room, size in rows).encode()


def as_parquet(rows):
    sink = pa.BufferOutputStream()
    table = pa.table({"room": [room or None for room, _ in rows], "size": [size for _, size in rows]})
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


WRITERS = {"csv": as_csv, "tsv": lambda rows: as_csv(rows, "\t"), "jsonl": as_json, "parquet": as_parquet}
PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
SOUND = [("10", "50.5"), ("11", "60"), ("12", "")]


@pytest.fixture
def rooms(dataset):
    """Write rows in a format as the table `rooms`, and return the submission."""

    def write(rows, ending, packing):
        (dataset / "tables/rooms/rooms.csv").unlink()
        path = dataset / f"tables/rooms/rooms.{ending}{packing}"
        path.write_bytes(PACKERS[packing](WRITERS[ending](rows)))
        return dataset

    return write


def judged(folder):
    return validate(folder, submission="lessons@1", content_sha256="0" * 64)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("ending", WRITERS)
def test_every_bad_row_is_named_in_every_format(rooms, ending, packing):
    report = judged(rooms(ROWS, ending, packing))
    place = f"tables/rooms/rooms.{ending}{packing}"
    found = {f.code: f for f in report.findings if f.level == "error"}
    assert {code: (f.place, f.rows) for code, f in found.items()} == {
        code: (f"{place}: {column}", rows) for code, (column, rows) in FAULTS.items()
    }


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("ending", WRITERS)
def test_what_is_accepted_becomes_the_same_rows_in_every_format(rooms, ending, packing):
    folder = rooms(SOUND, ending, packing)
    report = judged(folder)
    assert report.accepted, report.as_text()
    description = load_description(folder)
    raw = dict(raw_tables(folder, description))["rooms"]
    assert raw.select(["room", "size", "_row_number"]).to_pylist() == [
        {"room": room, "size": size, "_row_number": row} for row, (room, size) in enumerate(SOUND, start=1)
    ]
    assert typed(raw, description.tables["rooms"]).to_pydict() == {"room": [10, 11, 12], "size": [50.5, 60.0, None]}


def test_typed_parquet_columns_are_taken_as_they_are(dataset):
    (dataset / "tables/rooms/rooms.csv").unlink()
    table = pa.table({"room": pa.array([10, 11], pa.int32()), "size": pa.array([1.5e-200, None])})
    pq.write_table(table, dataset / "tables/rooms/rooms.parquet")
    report = judged(dataset)
    assert report.accepted, report.as_text()
    description = load_description(dataset)
    raw = dict(raw_tables(dataset, description))["rooms"]
    assert typed(raw, description.tables["rooms"]).to_pydict() == {"room": [10, 11], "size": [1.5e-200, None]}


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_a_csv_file_may_have_another_delimiter(dataset, delimiter):
    dictionary = dataset / "tables/rooms/columns.yaml"
    dictionary.write_text(dictionary.read_text() + f"delimiter: {json.dumps(delimiter)}\n")
    (dataset / "tables/rooms/rooms.csv").write_bytes(as_csv(SOUND[:2], delimiter))
    assert judged(dataset).accepted


def test_lists_in_cells_are_refused(dataset):
    (dataset / "tables/rooms/rooms.csv").unlink()
    (dataset / "tables/rooms/rooms.jsonl").write_text('{"room": 10, "size": [1]}\n{"room": 11, "room": 12}\n{"room": 1')
    finding = next(f for f in judged(dataset).findings if f.code == "ROW_UNREADABLE")
    assert finding.rows == (1, 2, 3)
    pq.write_table(pa.table({"room": [[10]]}), dataset / "tables/rooms/more.parquet")
    assert any(f.code == "PARQUET_UNREADABLE" and "list" in f.message for f in judged(dataset).findings)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda body: body[: len(body) // 2], "is cut off: it begins as Parquet, and its end is missing after"),
        (lambda _: b"room,size\n10,50.5\n", "is no Parquet file: it does not begin with PAR1"),
        (lambda _: b"PK", "is no Parquet file"),
        (lambda body: body[:4] + bytes(len(body) - 8) + body[-4:], "is not readable Parquet"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_is_called_parquet_and_cannot_be_read_is_told_as_such(dataset, judged, spoil, said, ending):
    (dataset / "tables/rooms/rooms.csv").unlink()
    body = spoil(as_parquet(SOUND[:2]))
    place = f"tables/rooms/rooms.parquet{ending}"
    (dataset / place).write_bytes(gzip.compress(body) if ending else body)
    found = {f.code: f for f in judged(dataset).findings if f.place == place}
    assert set(found) & {"PARQUET_UNREADABLE", "FILE_NOT_CSV"} == {"PARQUET_UNREADABLE"}
    assert f"rooms.parquet{ending} {said}" in found["PARQUET_UNREADABLE"].message


def test_an_unreadable_table_does_not_break_the_references_to_it(dataset):
    (dataset / "tables/rooms/rooms.csv").write_bytes(b"room,size\n10,\xff\n")
    codes = {f.code for f in judged(dataset).findings}
    assert "FILE_NOT_UTF8" in codes
    assert "REFERENCE_BROKEN" not in codes


def test_rows_cut_by_the_blocks_are_the_rows_of_the_file(dataset, monkeypatch):
    quoted = "".join(f'{n},"{n}\n,""x"\n' if n % 3 else f"{n},{n}\n" for n in range(10, 400))
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n" + quoted)
    whole = judged(dataset)
    monkeypatch.setattr("lakehouse.archive.csv_files.blocks", partial(blocks, block_bytes=64))
    assert judged(dataset).findings == whole.findings
    assert whole.table_rows["rooms"] == 390


def test_reading_stops_where_a_packed_file_grows_too_large(tmp_path):
    limits = UnpackLimits(total_bytes=10_000, free_bytes=5_000, ratio=2)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0" * 100_000))
    with pytest.raises(SchemaError, match="unpacks to more than 5,000 bytes"), opened(path, limits) as file:
        file.read()


def test_arrow_s_own_csv_is_read(dataset):
    table = pa.table({"room": [10, 11], "size": [1.0, 2.0]})
    pacsv.write_csv(table, dataset / "tables/rooms/rooms.csv")
    assert judged(dataset).accepted
