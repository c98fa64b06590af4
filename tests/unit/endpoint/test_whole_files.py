"""Whole files read by Arrow: the very rows that DuckDB gives of them, and never where it would give others."""

import datetime as dt
import decimal
import math

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.endpoint.instants import pinned_column
from lakehouse.endpoint.whole_files import batches, read_alike
from lakehouse.endpoint.wire import to_wire, wire_schema

US = dt.timedelta(microseconds=1)
EPOCH, TOO_LATE = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
NEAR = dt.datetime(2026, 1, 20, 7, 8, 9, 123_987, tzinfo=dt.UTC)
MOMENTS = [EPOCH, EPOCH + 999 * US, EPOCH + 1000 * US, None, NEAR, TOO_LATE - US]
PRICES = [decimal.Decimal(number) for number in ("1.25", "-3.50", "0", "9999999.99", "1", "2")]
EXACT = [decimal.Decimal(10) ** 27, None, decimal.Decimal("-0.5"), None, None, None]
ALIKE = pa.table(
    {
        "yes": [True, None, False, True, False, True],
        "i": pa.array([1, None, -(2**31), 2**31 - 1, 0, 7], pa.int32()),
        "n": pa.array([1, None, -(2**63), 2**63 - 1, 0, 7], pa.int64()),
        "f": pa.array([0.5, None, -0.0, math.nan, math.inf, -1.25], pa.float32()),
        "d": pa.array([0.1, None, -0.0, math.nan, -math.inf, 1e300], pa.float64()),
        "Word": ["é", None, "", "a\x00b", "𝄞 clef", "a" * 70],
        "price": pa.array(PRICES, pa.decimal128(9, 2)),
        "exact": pa.array(EXACT, pa.decimal128(38, 10)),
        "day": pa.array([dt.date(1900, 1, 1), None, dt.date(9999, 12, 31), dt.date(1969, 12, 31), EPOCH.date(), None]),
        "at": pa.array(MOMENTS, pa.timestamp("us")),
        "at_utc": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
    }
)  # fmt: skip
WAYS = [
    {},
    {"use_dictionary": False, "compression": "zstd", "row_group_size": 2},
    {"data_page_version": "2.0", "version": "1.0", "store_schema": False},
    {"use_byte_stream_split": ["f", "d"], "use_dictionary": False, "store_decimal_as_integer": True},
]


def by_duckdb(paths):
    """Return the rows as the endpoint has DuckDB show them, in their wire schema."""
    with duckdb.connect() as db:
        db.execute("set TimeZone = 'UTC'")
        found = db.read_parquet(list(map(str, paths)))
        columns = [
            pinned_column(name, str(kind.id).lower()).sql("duckdb")
            for name, kind in zip(found.columns, found.types, strict=True)
        ]
        shown = db.sql(f"select {', '.join(columns)} from found")
        schema = wire_schema(shown.columns, shown.types)
        return pa.Table.from_batches([to_wire(one, schema) for one in shown.to_arrow_reader()], schema)


def by_arrow(paths, schema):
    return pa.Table.from_batches(list(batches(list(map(str, paths)), schema, lambda: None)), schema)


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_the_ones_that_duckdb_gives_in_the_same_order(tmp_path, way):
    paths = [tmp_path / "a.parquet", tmp_path / "empty.parquet", tmp_path / "b.parquet"]
    pq.write_table(ALIKE, paths[0], **way)
    pq.write_table(ALIKE.slice(0, 0), paths[1], **way)
    pq.write_table(ALIKE.slice(1, 4).select(ALIKE.column_names[::-1]), paths[2], **way)
    expected = by_duckdb(paths)
    assert read_alike(list(map(str, paths)), expected.schema)
    found = by_arrow(paths, expected.schema)
    assert found.schema == expected.schema
    assert repr(found.to_pylist()) == repr(expected.to_pylist()), "nan is not equal to itself"
    assert found.num_rows == 10


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1], pa.int8()),
        ([1], pa.uint32()),
        ([b"x"], pa.binary()),
        (["x"], pa.large_string()),
        (["x"], pa.dictionary(pa.int32(), pa.string())),
        ([dt.time(1)], pa.time64("us")),
        ([EPOCH], pa.timestamp("ns")),
        ([EPOCH - US], pa.timestamp("us")),
        ([TOO_LATE], pa.timestamp("us")),
        ([decimal.Decimal(1)], pa.decimal256(40, 0)),
        ([0.5], pa.float16()),
    ],
)
def test_other_types_and_moments_are_left_to_duckdb(tmp_path, values, kind):
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"one": pa.array(values, kind)}), path)
    assert not read_alike([str(path)], by_duckdb([path]).schema)


def test_moments_without_bounds_and_other_columns_are_left_to_duckdb(tmp_path):
    path = tmp_path / "one.parquet"
    pq.write_table(ALIKE, path, write_statistics=False)
    schema = by_duckdb([path]).schema
    assert not read_alike([str(path)], schema)
    for name in ("at", "at_utc"):
        schema = schema.remove(schema.get_field_index(name))
    assert not read_alike([str(path)], schema), "a column more in the file"
    pq.write_table(ALIKE.drop_columns(["at", "at_utc"]), path, write_statistics=False)
    assert read_alike([str(path)], schema)
    assert not read_alike([str(path)], schema.append(pa.field("more", pa.int64()))), "a column less"


def test_moments_that_the_statistics_exclude_are_never_handed_on(tmp_path):
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"at": pa.array([EPOCH - US], pa.timestamp("us"))}), path)
    with pytest.raises(duckdb.IOException, match="its file's statistics exclude"):
        by_arrow([path], pa.schema([("at", pa.timestamp("ms"))]))


def test_text_that_is_not_utf8_is_refused_as_duckdb_refuses_it(tmp_path):
    path = tmp_path / "one.parquet"
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"a\xff"], pa.binary()).buffers())
    pq.write_table(pa.table({"word": broken}), path)
    with pytest.raises(duckdb.Error, match="Invalid"):
        by_duckdb([path])
    assert read_alike([str(path)], pa.schema([("word", pa.string())]))
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        by_arrow([path], pa.schema([("word", pa.string())]))


def test_files_that_are_gone_or_cut_off_cannot_be_read(tmp_path):
    path = tmp_path / "one.parquet"
    schema = pa.schema([("n", pa.int64())])
    with pytest.raises(duckdb.IOException, match=r"one\.parquet"):
        read_alike([str(path)], schema)
    pq.write_table(pa.table({"n": list(range(5000))}), path, use_dictionary=False, compression="zstd")
    whole = bytearray(path.read_bytes())
    whole[4:400] = bytes(396)
    path.write_bytes(whole)
    assert read_alike([str(path)], schema)
    with pytest.raises(duckdb.IOException):
        by_arrow([path], schema)


def test_a_page_that_is_not_what_its_checksum_says_is_not_read(tmp_path):
    path, schema = tmp_path / "one.parquet", pa.schema([("n", pa.int64())])
    pq.write_table(
        pa.table({"n": range(5000)}), path, use_dictionary=False, compression="none", write_page_checksum=True
    )
    whole = bytearray(path.read_bytes())
    whole[20_000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(duckdb.IOException, match="CRC"):
        by_arrow([path], schema)


def test_a_reading_stops_before_its_next_batch(tmp_path):
    path = tmp_path / "one.parquet"
    pq.write_table(pa.table({"n": range(200_000)}), path)
    stopped = []

    def look():
        if stopped:
            raise duckdb.InterruptException("stopped")

    rows = batches([str(path)], pa.schema([("n", pa.int64())]), look)
    next(rows)
    stopped.append(True)
    with pytest.raises(duckdb.InterruptException):
        next(rows)
