"""Tables that are too wide, too long, in other letters, cut off or not what they say: a finding each, and an answer."""

import gzip
import importlib.util
import io
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

_spec = importlib.util.spec_from_file_location("hostile_builders", Path(__file__).with_name("builders.py"))
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

ROOMS = "tables/rooms/rooms.csv"
GIGABYTE = 1 << 30


def rooms(dataset, body, name="rooms.csv"):
    (dataset / ROOMS).unlink(missing_ok=True)
    (dataset / "tables/rooms" / name).write_bytes(body if isinstance(body, bytes) else body.encode())


def describe(dataset, columns, key=""):
    lines = [f"  {name}: {{type: {kind}, description: A column}}" for name, kind in columns.items()]
    head = f"description: Rooms.\ngrain: one row per room\n{key}columns:\n"
    (dataset / "tables/rooms/columns.yaml").write_text(head + "\n".join(lines) + "\n")


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_a_table_of_very_many_columns(hostile, dataset, count):
    names = ",".join(["room", "size", *(f"c{n}" for n in range(count))])
    rooms(dataset, f"{names}\n10,1{',0' * count}\n11,1{',0' * count}\n")
    outcome = hostile(dataset)
    assert outcome.codes & {"COLUMN_UNDECLARED", "FILE_NOT_CSV"}
    assert max(outcome.forms.values()) < 500_000


def test_a_dictionary_of_very_many_columns(hostile, dataset):
    describe(dataset, {f"c{n}": "integer" for n in range(10_000)})
    outcome = hostile(dataset)
    assert "COLUMN_ABSENT" in outcome.codes
    assert max(outcome.forms.values()) < 500_000


@pytest.mark.parametrize("head", ["", "room,size\n", 'room,size\n10,"'])
def test_a_line_of_a_gigabyte(hostile, dataset, head):
    rooms(dataset, head)
    with (dataset / ROOMS).open("r+b") as stream:
        stream.truncate(GIGABYTE)  # no byte of it is on the disk
    outcome = hostile(dataset, landed=True)
    assert outcome.codes & {"FILE_NOT_CSV", "FILE_NOT_UTF8", "COLUMN_UNDECLARED"}


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_packed_file_that_unpacks_to_gigabytes(hostile, dataset, kind):
    pack = gzip.compress if kind == "gz" else zstandard.ZstdCompressor().compress
    body = pack(b"room,size\n10,1\n") + pack(b"\0" * (64 << 20)) * 64
    rooms(dataset, body, f"rooms.csv.{kind}")
    outcome = hostile(dataset)
    assert "FILE_NOT_CSV" in outcome.codes


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_packed_file_that_is_cut_or_no_packed_file(hostile, dataset, kind, share):
    body = b"room,size\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 1000) for n in range(20_000))
    packed = gzip.compress(body) if kind == "gz" else zstandard.ZstdCompressor().compress(body)
    rooms(dataset, packed[: int(len(packed) * share)] if share else b"no such thing", f"rooms.csv.{kind}")
    assert "FILE_NOT_CSV" in hostile(dataset).codes


def test_a_byte_order_mark_is_no_part_of_the_first_name(dataset, judged):
    rooms(dataset, b"\xef\xbb\xbfroom,size\n10,50.5\n11,60\n")
    assert judged(dataset).accepted


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_named(hostile, dataset, encoding):
    rooms(dataset, "room,size\n10,50.5\n11,60\n".encode(encoding))
    outcome = hostile(dataset)
    assert outcome.codes & {"FILE_NOT_UTF8", "FILE_NOT_CSV", "HEADER_REPEATS", "COLUMN_UNDECLARED"}


@pytest.mark.parametrize("rows", [1, 3, 3_000])
def test_mixed_encodings_are_found_in_their_row(hostile, dataset, rows):
    describe(dataset, {"room": "integer", "size": "string"})
    good = "".join(f"{n},Größe\n" for n in range(1, rows))
    rooms(dataset, b"room,size\n" + good.encode() + f"{rows},Größe\n".encode("latin-1") + good.encode())
    finding = hostile(dataset).finding("FILE_NOT_UTF8")
    assert finding["first_row"] == rows


@pytest.mark.parametrize("lines", [1, 3, 600_000])
def test_a_cell_of_many_lines_before_a_wrong_byte_is_one_row(hostile, dataset, lines):
    cell = "\n".join(["wide"] * lines)
    describe(dataset, {"room": "integer", "size": "string"})
    rooms(dataset, f'room,size\n1,"{cell} ""quoted"""\n2,gro'.encode() + b"\xdf\n")
    assert hostile(dataset).finding("FILE_NOT_UTF8")["first_row"] == 2


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_no_keys(hostile, dataset, value):
    describe(dataset, {"room": "number", "size": "number"}, "primary_key: [room]\n")
    rooms(dataset, f"room,size\n{value},1\n{value},2\n11,3\n10,4\n")
    assert hostile(dataset).finding("TYPE_WRONG")["occurrences"] == 2


def test_dates_in_five_formats(hostile, dataset):
    describe(dataset, {"room": "integer", "size": "date"}, "primary_key: [room]\n")
    dates = ["2024-02-29", "29.02.2024", "02/29/2024", "20240229", "29 Feb 2024", "2023-02-29"]
    rooms(dataset, "room,size\n" + "".join(f"{n},{date}\n" for n, date in enumerate(dates, start=10)))
    finding = hostile(dataset).finding("TYPE_WRONG")
    assert (finding["first_row"], finding["occurrences"]) == (2, 5)


@pytest.mark.parametrize("value", [str(2**63), str(-(2**63) - 1), "9" * 400, "1.0", "0x10", "1_000", "\u0661"])
def test_whole_numbers_that_do_not_fit(hostile, dataset, value):
    describe(dataset, {"room": "integer", "size": "integer"}, "primary_key: [room]\n")
    rooms(dataset, f"room,size\n10,{'9' * 18}\n11,{value}\n")
    finding = hostile(dataset).finding("TYPE_WRONG")
    assert (finding["first_row"], finding["occurrences"]) == (2, 1)


def parquet(rows=20_000):
    buffer = io.BytesIO()
    table = pa.table({"room": pa.array(range(rows), pa.int64()), "size": pa.array([0.5] * rows)})
    pq.write_table(table, buffer)
    return buffer.getvalue()


def cut_in_half(body):
    return body[: len(body) // 2]


def without_its_end(body):
    return body[:-4]


def with_a_huge_footer(body):
    return body[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"


def with_a_spoilt_page(body):
    middle = len(body) // 2
    return body[:200] + bytes(255 - byte for byte in body[200:middle]) + body[middle:]


@pytest.mark.parametrize("spoil", [cut_in_half, without_its_end, with_a_huge_footer, with_a_spoilt_page])
def test_parquet_that_cannot_be_read(hostile, dataset, spoil):
    rooms(dataset, spoil(parquet()), "rooms.parquet")
    assert "PARQUET_UNREADABLE" in hostile(dataset).codes


@pytest.mark.parametrize("name", ["rooms.csv", "rooms.parquet", "rooms.jsonl", "rooms.csv.gz", "rooms.csv.zst"])
def test_a_pickle_under_another_name_is_never_opened_as_one(hostile, dataset, tmp_path, name):
    witness = tmp_path / "exploded"
    rooms(dataset, pickle.dumps(build.Explodes(witness)), name)
    outcome = hostile(dataset)
    assert outcome.codes & {"FILE_NOT_CSV", "PARQUET_UNREADABLE", "FILE_NOT_UTF8", "ROW_UNREADABLE"}
    assert not witness.exists()


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")'])
def test_cells_that_spreadsheets_would_run_are_kept_as_they_are(dataset, judged, start):
    describe(dataset, {"room": "integer", "size": "string"})
    cell = '"' + start.replace('"', '""') + '"'
    rooms(dataset, f"room,size\n10,{cell}\n11,x\n")
    report = judged(dataset)
    assert report.accepted, report.as_text()
