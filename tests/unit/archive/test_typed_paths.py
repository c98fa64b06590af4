"""However a column is cast, at once, in parts or cell by cell, its values and the report are the same."""

import io
import random
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.archive import values
from lakehouse.archive.csv_blocks import blocks
from lakehouse.archive.eds import ColumnDescription
from lakehouse.archive.encoding import NotUtf8Error, refuse_other_encodings
from lakehouse.archive.validate import validate
from lakehouse.archive.values import parse
from lakehouse.keys import KeyStore, NumberKeys, keys_of

ODD = {
    "integer": (
        "007", "+1", "-1", "-0", "+0", " 1", "1 ", "1e3", "1_000", "1,000", "1.0", "", "0x1f", "0X1F", "-0x1", "--1",
        "-", "+", "\uff11", "1\u00a0", "1\t", "\ufeff1", "nan", "third", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "0" * 30 + "1", "0" * 19, "9" * 400, "1-2",
    ),
    "number": (
        "1", "+1.5", ".5", "5.", "-.5", "1e3", "1E3", "1e+3", "1e-3", "1e", "e5", ".", "1e999", "-1e999", "1e-999",
        "nan", "NaN", "inf", "Infinity", "-inf", " 1", "1 ", "1_0", "1,5", "0x10", "1.5.5", "-", "", "1d", "1" * 400,
        "0" * 40 + "1.5", "4.9e-324", "2.2250738585072011e-308", "1.7976931348623159e308", "9007199254740993", "\u0661",
        "-0.0", "123456789012345678901234567890", "1.00000000000000022204460492503130808472633361816406250001",
    ),
    "boolean": (
        "true", "TRUE", "tRuE", "1", "0", "false", "FALSE", "yes", "no", "t", "f", " true", "true ", "01", "2", "",
        "TRUE\u0130",
    ),
    "date": (
        "2024-02-29", "2023-02-29", "2024-2-9", "20240229", "2024-13-01", "2024-00-01", "2024-01-32", "0000-01-01",
        "0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "31.12.2024", "12/31/2024", "31 Dec 2024", "",
        " 2024-01-01", "2024-01-01 ", "2024-01-01T00:00", "2024/01/01", "\uff12024-01-01", "1900-02-29",
    ),
    "datetime": (
        "2024-01-31T08:00", "2024-01-31 08:00", "2024-01-31T08:00:00", "2024-01-31T08:00:00Z", "2024-01-31T08:00Z",
        "2024-01-31T08:00:00.", "2024-01-31T08:00:00.Z", "2024-01-31T08:00:00.1", "2024-01-31T08:00:00.1234567",
        "2024-01-31T08:00:00.123456Z", "2024-01-31T08:00:00+02:00", "2024-01-31T08:00:00+0200", "2024-01-31", "",
        "2024-01-31T08:00:00+02", "2024-01-31T08:00:00z", "2024-01-31t08:00:00", "2024-01-31T08", "2024-01-31T0800",
        "2024-01-31T24:00", "2024-01-31T23:59:60", "0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00",
        "9999-12-31T23:59:59-05:00", "0000-12-31T23:59:59", "0000-12-31T23:59:59Z", "2024-02-30T00:00",
        "2024-01-31T08:00:00 Z", "2024-01-31T08:00:00+99:00",
    ),
}  # fmt: skip
SOUND = {
    "integer": ("1", "-20", "300000"),
    "number": ("1.5", "-2", "1e3"),
    "boolean": ("true", "0", "False"),
    "date": ("2024-01-31", "1999-12-31", "0001-01-01"),
    "datetime": ("2024-01-31T08:00:00Z", "1969-12-31T23:59:59.5Z", "2024-02-29T00:00Z"),
}
WITHOUT_ZONE = ("2024-01-31T08:00:00", "1969-12-31 23:59:59.5", "2024-02-29T00:00")
BIG = 3_000


def refused(_cells, _type):
    """Cast nothing at once."""


@pytest.fixture
def cell_by_cell(monkeypatch):
    """Do something with every cell looked at on its own."""

    def run(work):
        with monkeypatch.context() as patched:
            patched.setattr(values, "_at_once", refused)
            patched.setattr(values, "_but_for_odd_ones", refused)
            patched.setattr(values, "FEW_CELLS", 1 << 40)
            return work()

    return run


def bits(cells):
    """Return values as lists in which -0.0 is not 0.0."""
    as_numbers = cells.view(pa.int64()) if cells.type in (pa.float64(), pa.timestamp("us", tz="UTC")) else cells
    return as_numbers.to_pylist()


def same(cells, kind, cell_by_cell, codes=()):
    column = ColumnDescription(type=kind, description="x", missing_codes=codes)
    quick, slow = parse(cells, column), cell_by_cell(lambda: parse(cells, column))
    assert quick.values.type == slow.values.type
    assert bits(quick.values) == bits(slow.values)
    assert quick.wrong.to_pylist() == slow.wrong.to_pylist()
    assert quick.missing.to_pylist() == slow.missing.to_pylist()
    return quick


@pytest.mark.parametrize("kind", ODD)
def test_one_odd_cell_among_many_sound_ones_is_judged_as_if_alone(kind, cell_by_cell):
    sound = [*SOUND[kind]] * (BIG // 3)
    for at, text in enumerate(ODD[kind]):
        place = at * 97 % BIG
        same(pa.array([*sound[:place], text, *sound[place:]]), kind, cell_by_cell)
        alone = same(pa.array([text]), kind, cell_by_cell)
        among = parse(pa.array([*sound[:place], text, *sound[place:]]), ColumnDescription(type=kind, description="x"))
        assert bits(among.values)[place] == bits(alone.values)[0]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("share", [0.001, 0.02, 0.5], ids=["few", "some", "half"])
def test_any_mixture_gives_the_values_that_its_cells_give_alone(kind, share, cell_by_cell):
    draw = random.Random(f"{kind} {share}")
    for sound in {SOUND[kind], WITHOUT_ZONE if kind == "datetime" else SOUND[kind]}:
        texts = [draw.choice(ODD[kind]) if draw.random() < share else draw.choice(sound) for _ in range(BIG)]
        cells = pa.array(["outside", *texts, "outside"]).slice(1, BIG)
        found = same(cells, kind, cell_by_cell)
        assert pc.any(found.values.is_valid()).as_py()
        coded = pa.array([draw.choice(["NA", "x", text]) for text in texts])
        same(coded, kind, cell_by_cell, codes=("NA", "x"))


@pytest.mark.parametrize("kind", ODD)
def test_a_column_of_nothing_but_faults_is_wrong_throughout(kind, cell_by_cell):
    found = same(pa.array(["at noon"] * BIG), kind, cell_by_cell)
    assert pc.all(found.wrong).as_py()
    assert found.values.null_count == BIG


def lessons(draw, count, line_end):
    """Return CSV bytes with odd cells of every type, odd quoting and rows of the wrong length."""
    kinds = ("integer", "integer", "date", "datetime", "boolean")
    lines = ["lesson,room,held_on,began,quiet,subject,code"]
    for row in range(count):
        cells = [str(row), "10", *(draw.choice(SOUND[kind]) for kind in kinds[2:]), draw.choice(("maths", "art")), "A1"]
        for at in range(len(kinds)):
            if draw.random() < 0.02:
                cells[at] = draw.choice(ODD[kinds[at]])
        if draw.random() < 0.05:
            cells[5] = draw.choice(('"maths"', '"ma""ths"', '"art\n"', '"a,rt"', "mu\u0308sic", '"' + line_end + '"'))
        if draw.random() < 0.02:
            cells = draw.choice(([*cells, "more"], cells[:-2], [""], cells))
        lines.append(",".join(f'"{c}"' if "," in c and c[0] != '"' else c for c in cells))
    return (line_end.join(lines) + draw.choice(("", line_end))).encode()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_a_hostile_table_gives_the_same_report_on_every_path(dataset, cell_by_cell, monkeypatch, line_end, mark):
    def report():
        return validate(dataset, submission="lessons@1", content_sha256="0" * 64)

    for seed, block_bytes in enumerate((1 << 22, 20_000, 700)):
        with monkeypatch.context() as patched:
            patched.setattr("lakehouse.archive.csv_files.blocks", partial(blocks, block_bytes=block_bytes))
            body = mark + lessons(random.Random(seed), 700, line_end)
            (dataset / "tables/lessons/lessons.csv").write_bytes(body)
            quick, slow = report(), cell_by_cell(report)
        assert quick.findings == slow.findings
        assert quick.table_rows == slow.table_rows
        codes = {finding.code for finding in quick.findings}
        assert codes >= {"TYPE_WRONG", "VALUE_NOT_A_LEVEL", "REFERENCE_BROKEN", "KEY_REPEATS", "ROW_RAGGED"}


@pytest.mark.parametrize("held", [10, 1 << 20], ids=["on disk", "in memory"])
@pytest.mark.parametrize("kind", ["numbers", "texts", "pairs"])
def test_repeated_keys_are_told_once_and_in_order(kind, held):
    draw = random.Random(kind)
    numbers = [
        draw.choice((-(2**63), 2**63 - 1, 0, -1, draw.randrange(400), draw.randrange(2**62))) for _ in range(900)
    ]
    columns = {"numbers": [pa.array(numbers)], "texts": [pa.array([str(n) for n in numbers])]}
    columns["pairs"] = [columns["numbers"][0], pa.array([n % 2 == 0 for n in numbers])]
    told = []
    store = KeyStore(lambda rows: told.extend(rows.tolist()), memory_keys=held)
    for first in range(0, 900, 100):
        part = [column.slice(first, 100) for column in columns[kind]]
        store.add(keys_of(part, np.arange(first, first + 100)))
    store.finish()
    seen = set()
    again = [row for row, number in enumerate(numbers) if number in seen or seen.add(number)]
    assert sorted(told) == again
    assert len(again) > 500


LETTERS = ("a", "\u00e9", "\u20ac", "\U0001f600", "\ud7ff", "\ue000", "\U0010ffff")


def first_other(body):
    """Return the first byte that Python does not take for UTF-8, or None."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def test_bytes_are_utf8_where_python_says_so(tmp_path):
    draw, path, refusals = random.Random(1), tmp_path / "a.csv", 0
    for _ in range(600):
        body = bytearray("".join(draw.choices(LETTERS, k=5)).encode())
        if draw.random() < 0.7:
            body[draw.randrange(len(body))] = draw.choice((0x80, 0xC0, 0xE0, 0xED, 0xA0, 0xF4, 0x90, 0xF5, 0xFF))
        path.write_bytes(body)
        other = first_other(body)
        if other is None:
            refuse_other_encodings(bytes(body), path)
            continue
        with pytest.raises(NotUtf8Error) as raised:
            refuse_other_encodings(bytes(body), path)
        assert raised.value.byte == other
        refusals += 1
    assert 100 < refusals < 500


@pytest.mark.parametrize("kind", ["integer", "number", "date"])
@pytest.mark.parametrize("codes", ["", ", missing_codes: [ann.lee@school-one.org]"])
@pytest.mark.parametrize("ragged", ["", "1,2,3\n"])
def test_what_is_no_value_of_its_type_is_searched_for_personal_data(dataset, judged, kind, codes, ragged):
    value = "2024-01-31" if kind == "date" else "7"
    (dataset / "tables/rooms/columns.yaml").write_text(
        "description: R.\ngrain: one row per room\nprimary_key: [room]\ncolumns:\n"
        "  room: {type: integer, description: Number of the room, required: true}\n"
        f"  size: {{type: {kind}, description: S{codes}}}\n"
    )
    rows = [f"{n},{value}\n" for n in range(10, 900)]
    rows[700] = "710,ann.lee@school-one.org\n"
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n" + ragged + "".join(rows))
    found = {f.code: f.rows for f in judged(dataset).findings if f.place == "tables/rooms/rooms.csv: size"}
    assert found["PERSONAL_EMAIL"] == ((702,) if ragged else (701,))


def test_long_numbers_are_searched_whatever_their_type(dataset, judged):
    (dataset / "tables/rooms/columns.yaml").write_text(
        "description: R.\ngrain: one row per room\nprimary_key: [room]\ncolumns:\n"
        "  room: {type: integer, description: Number of the room, required: true}\n"
    )
    (dataset / "tables/rooms/rooms.csv").write_text("room\n4111111111111111\n5500000000000004\n340000000000009\n")
    assert "PERSONAL_CARD" in {f.code for f in judged(dataset).findings}


@pytest.mark.parametrize("disorder", [0, 3, 3_000])
def test_repeated_numbers_are_told_however_much_they_ascend(disorder):
    draw = np.random.default_rng(disorder)
    numbers = np.arange(5_000)
    numbers[draw.integers(0, 5_000, disorder)] = draw.integers(-100, 5_000, disorder)
    told = []
    store = KeyStore(lambda addresses: told.extend(addresses.tolist()))
    for first in range(0, 5_000, 700):
        part = numbers[first : first + 700]
        store.add(keys_of([pa.array(part)], np.arange(first, first + len(part))))
    store.finish()
    seen = set()
    assert sorted(told) == [at for at, one in enumerate(numbers.tolist()) if one in seen or seen.add(one)]


LEAST, GREATEST = -(2**63), 2**63 - 1


def nearly_ascending(draw, count):
    """Return numbers, a few of which are odd ones, with repeats of early, late and odd numbers."""
    numbers = np.sort(draw.choice(count * 3, count, replace=False)).astype(np.int64)
    for _ in range(draw.integers(0, count // 100 + 1)):
        odd = (numbers[draw.integers(count)], LEAST, GREATEST, -1, draw.integers(-9, count * 3))
        numbers[draw.integers(count)] = odd[draw.integers(len(odd))]
    return numbers


@pytest.mark.parametrize("held", [100, 1 << 20], ids=["on disk", "in memory"])
def test_numbers_that_nearly_ascend_are_told_as_their_hashes_tell(held):
    repeats, seeds = 0, 60 if held > 1_500 else 6
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        numbers = nearly_ascending(draw, int(draw.integers(1, 1_500)))
        cuts = np.sort(draw.integers(0, len(numbers) + 1, 5))
        told, by_hash = [], []
        ours, theirs = (
            KeyStore(lambda at, into=into: into.extend(at.tolist()), memory_keys=held) for into in (told, by_hash)
        )
        for first, last in zip((0, *cuts), (*cuts, len(numbers)), strict=True):
            part, rows = numbers[first:last], np.arange(1, last - first + 1)
            ours.add(NumberKeys(part, rows).moved(int(first)))
            theirs.add(keys_of([pa.array(part)], rows + first))
        ours.finish()
        theirs.finish()
        seen = set()
        again = [at for at, one in enumerate(numbers.tolist(), 1) if one in seen or seen.add(one)]
        assert sorted(told) == sorted(by_hash) == again
        repeats += len(again)
    assert repeats > seeds


@pytest.mark.parametrize("quoted", [True, False])
def test_blocks_are_the_same_whatever_memory_they_are_read_into(quoted):
    draw, lent = random.Random(1), 0
    for _ in range(40):
        rows = [draw.choice(("a,b", '"a\nb",c', '""', "x" * draw.randrange(300))) for _ in range(200)]
        body = "\n".join(rows).encode()
        size = draw.randrange(1, 400)
        spare, held, found = [], [], []
        for block in blocks(io.BytesIO(body), "a.csv", quoted=quoted, block_bytes=size, spare=spare):
            found.append(bytes(block))
            if isinstance(block, bytearray):
                # One that is still looked at must keep its bytes.
                held += [(memoryview(block), found[-1])] if draw.random() < 0.1 else []
                spare.append(block)
        lent += len(held)
        assert found == [bytes(b) for b in blocks(io.BytesIO(body), "a.csv", quoted=quoted, block_bytes=size)]
        assert b"".join(found) == body
        assert all(bytes(view) == was for view, was in held)
    assert lent > 50
