"""A table as CSV: all of what anyone may see, nothing else, bounded, and harmless in a spreadsheet."""

import asyncio
import csv
import io

import pyarrow as pa
import pytest

from lakehouse.catalogue import downloads, previews
from lakehouse.policy.users import default_policy
from tests.unit.catalogue.conftest import client_of, library_over

HTML = {"Accept": "text/html"}
CSV = "/datasets/marks/2024/rows/marks.csv"
EXACT = f"{CSV}?exact=yes"


def rows_in(answer):
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.fixture
def client(world):
    """A client of one table whose texts a spreadsheet would run, with letters beyond ASCII."""
    world.add("marks", "2024", marks=(1, 2, 3))
    world.tables.rows["silver.marks_marks"] = pa.table(
        {
            "pupil": pa.array([1, 2, 3], pa.int64()),
            "note": ["=1+1", 'Grüße, "Ärzte"', None],
            "-delta": [-1.5, 2.0, None],
            "tags": pa.array([["a", "=b"], [], None], pa.list_(pa.string())),
            "dataset_version": ["2024"] * 3,
            "dataset_commit": ["c"] * 3,
        }
    )
    library = library_over(world)
    library.refresh()
    return client_of(library)


def test_all_rows_of_the_version_come_without_hidden_and_own_columns(shown):
    assert rows_in(shown.get(CSV)) == [["mark"], ["1"], ["2"], ["3"]]
    assert rows_in(shown.get("/datasets/marks/2023/rows/marks.csv")) == [["mark"], ["7"], ["8"]]
    headers = shown.get(CSV).headers
    assert headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert headers["content-disposition"] == 'attachment; filename="marks-2024-marks.csv"'
    assert headers["x-content-type-options"] == "nosniff"


def test_a_spreadsheet_gets_nothing_to_run_and_reads_every_letter(client):
    answer = client.get(CSV)
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["x-formula-guard"] == "apostrophe"
    assert rows_in(answer) == [
        ["note", "'-delta", "tags"],
        ["'=1+1", "-1.5", '["a", "=b"]'],
        ['Grüße, "Ärzte"', "2.0", "[]"],
        ["", "", ""],
    ]


def test_the_exact_file_has_every_letter_as_it_is_stored(client):
    answer = client.get(EXACT)
    assert answer.headers["x-formula-guard"] == "none"
    assert answer.content.splitlines()[0] == b"note,-delta,tags"
    assert rows_in(answer)[1][:2] == ["=1+1", "-1.5"]


def test_rows_are_sent_some_at_a_time(client, monkeypatch):
    whole = client.get(CSV).content
    monkeypatch.setattr(downloads, "ROWS_AT_A_TIME", 1)
    assert client.get(CSV).content == whole
    rows = pa.table({"a": [1, 2, 3]})
    assert list(downloads._lines(rows, exact=True)) == ["a\r\n", "1\r\n", "2\r\n", "3\r\n"]


def test_an_empty_text_is_told_from_one_that_is_unknown(client):
    rows = pa.table({"a": ["", None, 'x"y', "1,5"], "b": [1.5, None, 2.0, 3.0]})
    body = "".join(downloads._lines(rows, exact=True))
    assert body.splitlines() == ["a,b", '"",1.5', ",", '"x""y",2.0', '"1,5",3.0']


def test_rows_about_people_are_refused_with_the_reason_and_never_read(world):
    world.add("marks", "2024", more="subjects: {pupil: {description: Who learns., identifiers: [marks.pupil]}}\n")
    library = library_over(world, lambda: default_policy("lakehouse"))
    library.refresh()
    world.tables.read_names.clear()
    client = client_of(library)
    answer = client.get(CSV, headers=HTML)
    assert answer.status_code == 403
    assert "its rows are about people; SQL shows groups of 10 or more" in answer.text
    assert "rows/marks.csv" not in client.get("/datasets/marks", headers=HTML).text
    assert "silver.marks_marks" not in world.tables.read_names


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/datasets/grades/1/rows/marks.csv", 403, "its access is restricted"),
        ("/datasets/lists/1/rows/marks.csv", 410, "The school asked for it."),
        ("/datasets/lists/1/rows/gone.csv", 410, "The school asked for it."),
        ("/datasets/marks/2024/rows/none.csv", 404, "no table"),
        ("/datasets/marks/1999/rows/marks.csv", 404, "no version"),
        (f"{CSV}?exact=maybe", 400, "yes or no"),
        (f"{CSV}?limit=3", 400, "the only parameter"),
    ],
)
def test_what_cannot_be_had_is_said(shown, path, status, said):
    answer = shown.get(path, headers=HTML)
    assert answer.status_code == status
    assert said in answer.text


@pytest.mark.parametrize("bound", ["MOST_ROWS", "MOST_BYTES"])
def test_a_table_that_is_too_large_is_not_read_and_its_page_says_so(client, world, monkeypatch, bound):
    monkeypatch.setattr(previews, bound, 2)
    world.tables.read_names.clear()
    answer = client.get(CSV, headers=HTML)
    assert answer.status_code == 413
    assert "Get it by SQL, DataLad or export" in answer.text
    assert world.tables.read_names == []
    page = client.get("/datasets/marks", headers=HTML).text
    assert "No CSV: it has 3 rows" in page
    assert "marks.csv?" not in page


def test_no_more_than_a_few_are_sent_at_once_and_every_turn_comes_back(client):
    for _ in range(downloads.AT_ONCE + 1):
        assert client.get(CSV).status_code == 200
    for _ in range(downloads.AT_ONCE):
        assert downloads.TURNS.acquire(blocking=False)
    try:
        busy = client.get(CSV)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "10")
        answer = client.head(CSV)
        assert (answer.status_code, answer.headers.get("content-length")) == (200, None)
    finally:
        downloads.TURNS.release(downloads.AT_ONCE)


def test_an_answer_that_breaks_off_gives_its_turn_back(client, monkeypatch):
    def broken(*_, **__):
        yield "a\r\n"
        raise OSError("the storage went away")

    monkeypatch.setattr(downloads, "_lines", broken)
    for _ in range(downloads.AT_ONCE):
        assert client.get(CSV).content == b"a\r\n"
    for _ in range(downloads.AT_ONCE):
        assert downloads.TURNS.acquire(blocking=False)
    downloads.TURNS.release(downloads.AT_ONCE)


def test_a_table_whose_rows_unpack_to_more_than_may_be_is_refused_and_gives_its_turn_back(client, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_UNPACKED", 40)
    for _ in range(downloads.AT_ONCE + 1):
        answer = client.get(CSV, headers=HTML)
        assert answer.status_code == 413
        assert "take more than 40 bytes in memory, too much for one CSV. Get it by SQL" in answer.text
    monkeypatch.setattr(downloads, "MOST_UNPACKED", 4_000)
    assert client.get(CSV).status_code == 200


def test_large_rows_are_sent_in_small_pieces(monkeypatch):
    rows = pa.table({"a": ["x" * 1_000] * 100})
    monkeypatch.setattr(downloads, "BYTES_AT_A_TIME", 10_040)
    _, *pieces = downloads._lines(rows, exact=True)
    assert {len(piece) for piece in pieces} == {10 * len("x" * 1_000 + "\r\n")}


@pytest.mark.parametrize("slow", ["STALLED_SECONDS", "LONGEST_SECONDS"])
def test_a_reader_who_takes_nothing_more_loses_its_turn(monkeypatch, caplog, slow):
    monkeypatch.setattr(downloads, slow, 0.05)
    sent = []

    async def takes_two(message):
        sent.append(message)
        if len(sent) > 2:
            await asyncio.Event().wait()

    async def stays():
        await asyncio.Event().wait()

    assert downloads.TURNS.acquire(blocking=False)
    answer = downloads._InTurn(iter(["a\r\n", "1\r\n", "2\r\n"]))
    asyncio.run(answer({"type": "http", "path": CSV}, stays, takes_two))
    assert sent[-1]["body"] == b"1\r\n"
    assert f"csv cut path={CSV}: its reader was too slow" in caplog.text
    for _ in range(downloads.AT_ONCE):
        assert downloads.TURNS.acquire(blocking=False)
    downloads.TURNS.release(downloads.AT_ONCE)


def test_the_page_links_to_both_files(shown):
    page = shown.get("/datasets/marks", headers=HTML).text
    for link in (CSV, EXACT):
        assert f'href="{link}" download' in page


def test_no_piece_is_larger_than_what_a_reader_must_take_in_time():
    rows = pa.table({"short": ["x"] * 3, "long": ["", "ä" * 700_000, ""], "bytes": [b"", b"z" * 400_000, b""]})
    whole = "".join(downloads._lines(rows, exact=True))
    pieces = list(downloads._pieces(downloads._lines(rows, exact=True)))
    assert "".join(pieces) == whole
    assert max(len(piece.encode()) for piece in pieces) <= downloads.BYTES_AT_A_TIME < len(whole)
