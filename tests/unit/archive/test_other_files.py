"""Files that the standard has no place for are searched too, and what cannot be read somebody answers for."""

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lakehouse.archive import other_scan
from lakehouse.archive.acceptances import acceptance, applied
from lakehouse.archive.other_scan import look_into
from lakehouse.archive.plain_text import NotTextError, write_as_text

MAILS = [f"ann{n}.lee@school-one.org" for n in range(30)]
ROWS = "n,mail\n" + "".join(f"{n},{mail}\n" for n, mail in enumerate(MAILS))
NAMES = ["Maria Garcia", "James Smith", "Fatima Khan", "Wei Chen", "Olivia Brown", "Carlos Lopez", "Priya Patel"] * 4
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


def parquet(column, **metadata):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": column}).replace_schema_metadata(metadata or None), sink)
    return sink.getvalue().to_pybytes()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def judged_with(dataset, judged, **files):
    for place, body in files.items():
        path = dataset / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
    report = judged(dataset)
    return report, {(f.code, f.place): f for f in report.findings if f.code.startswith("PERSONAL_")}


SEARCHED = {
    "contacts.csv": (ROWS, ": mail"),
    "old/lists/contacts.tsv": (ROWS.replace(",", "\t"), ": mail"),
    "tables/rooms/contacts.csv.txt": (ROWS.replace(",", ";"), ": mail"),
    "contacts.csv.gz": (gzip.compress(ROWS.encode()), ": mail"),
    "contacts.bak": (zstandard.ZstdCompressor().compress(ROWS.encode()), ": mail"),
    "excel.csv": (ROWS.encode("utf-16"), ": mail"),
    "unmarked.csv": (ROWS.encode("utf-16-be"), ": mail"),
    "old.csv": (f"{ROWS}7,gr\xf6\xdfe\n".encode("latin-1"), ": mail"),
    "contacts.json": (json.dumps([{"of": {"mail": mail}} for mail in MAILS]), ": of.mail"),
    "twice.json": ("[" + ",".join(f'{{"mail": "{mail}", "mail": "x"}}' for mail in MAILS) + "]", ": mail"),
    "twice.jsonl": ("".join(f'{{"mail": "{mail}", "mail": "x"}}\n' for mail in MAILS), ": mail"),
    "by_mail.json": (json.dumps(dict.fromkeys(MAILS, 1)), ""),
    "contacts.jsonl": ("".join(json.dumps({"mail": mail}) + "\n" for mail in MAILS), ": mail"),
    "page.html": ("".join(f"<p>\n<a href='mailto:{mail.replace('@', '&#64;')}'>him</a>\n" for mail in MAILS), ""),
    "notes.md": ("# Notes\n" + "".join(f"Please write to {mail} as soon as you can.\n" for mail in MAILS), ""),
    "line.txt": ("so " * 30_000 + " ".join(MAILS), ""),
    "nested.parquet": (parquet([[{"mail": mail}] for mail in MAILS]), ": x.mail"),
    "README": (ROWS, ""),
    "tables/rooms/columns.yaml": (
        "description: R.\ngrain: one row per room\nprimary_key: [room]\ncolumns:\n"
        "  room: {type: integer, description: N., required: true}\n"
        f"  size: {{type: string, description: '{' '.join(MAILS)}'}}\n",
        "",
    ),
}


@pytest.mark.parametrize("place", SEARCHED)
def test_addresses_are_found_in_files_without_a_place(place, dataset, judged):
    body, column = SEARCHED[place]
    report, found = judged_with(dataset, judged, **{place: body})
    finding = found["PERSONAL_FILE", f"{place}{column}"]
    assert not report.accepted
    assert "e-mail addresses" in finding.message
    assert finding.occurrences >= (1 if place.endswith("columns.yaml") else len(MAILS))
    assert "school-one" not in report.as_text()


def test_names_are_found_by_their_column_and_in_lists(dataset, judged):
    people = "full_name,room\n" + "".join(f"{name},{n}\n" for n, name in enumerate(NAMES))
    files = {"people.csv": people, "people.txt": "\n".join(NAMES)}
    _, found = judged_with(dataset, judged, **files)
    assert {place for code, place in found if code == "PERSONAL_FILE"} == {"people.csv: full_name", "people.txt"}


def test_what_the_standard_and_a_readme_say_of_their_makers_is_no_fault(dataset, judged):
    makers = "".join(
        f"  - {{name: Ann Lee, identifier: 'https://orcid.org/0000-0002-1825-{n:04}'}}\n" for n in range(9)
    )
    contact = "contact: {name: Ann Lee, email: ann.lee@school-one.org}\n"
    described = (dataset / "dataset.yaml").read_text(encoding="utf-8") + "creators:\n" + makers + contact
    files = {
        "dataset.yaml": described,
        "README.md": "# Lessons\n\nAsk ann.lee@school-one.org.\n",
        "run.py": "print(1)\n",
    }
    report, found = judged_with(dataset, judged, **files)
    assert report.accepted
    assert set(found) == {("PERSONAL_POSSIBLE_IN_FILE", "README.md")}


UNREAD = {
    "book.xlsx": (zipped(a="x"), "ZIP"),
    "scan.pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "cut.gz": (gzip.compress(ROWS.encode())[:60], "unpacked"),
    "twice.gz": (gzip.compress(gzip.compress(b"x")), "packed twice"),
    "bytes.bin": (bytes(range(256)) * 9, "no text"),
    "late.txt": (b"text\n" * 20_000 + bytes(range(256)) * 4_000, "no text"),
    "faces.parquet": (parquet([b"\xff\xd8\xff"]), "'x'"),
    "half.parquet": (parquet([1, 2, 3])[:80], "broken"),
}


@pytest.mark.parametrize("place", UNREAD)
def test_what_cannot_be_read_blocks_until_somebody_answers_for_it(place, dataset, judged):
    body, reason = UNREAD[place]
    report, found = judged_with(dataset, judged, **{place: body})
    assert not report.accepted
    assert reason in found["PERSONAL_FILE_UNREAD", place].message
    now = datetime.now(UTC)
    said = acceptance(report, "PERSONAL_FILE_UNREAD", place, by="Ada Example", reason="looked at by hand", at=now)
    assert applied(report, [said]).accepted


def test_pictures_of_one_folder_are_one_finding(dataset, judged):
    report, found = judged_with(dataset, judged, **{f"plots/{n}.png": PICTURE for n in range(5)}, **{"a.png": PICTURE})
    assert [(place, found["PERSONAL_PICTURE_FILE", place].occurrences) for _, place in found] == [
        ("a.png", 1),
        ("plots/*.png", 5),
    ]
    assert not report.accepted


def test_a_tables_parquet_file_is_searched_beside_its_rows(dataset, judged):
    (dataset / "tables/rooms/rooms.csv").unlink()
    rows = pa.table({"room": [10, 11], "size": [1.0, 2.0]}).replace_schema_metadata({"made_for": "\n".join(MAILS)})
    pq.write_table(rows, dataset / "tables/rooms/rooms.parquet")
    assert ("PERSONAL_FILE", "tables/rooms/rooms.parquet") in judged_with(dataset, judged)[1]


def test_what_is_no_text_far_into_a_file_is_said(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfe" + b"a\0" * 10 + b"\0\xd8")
    with pytest.raises(NotTextError):
        write_as_text(path, tmp_path / "y")


def test_long_lines_and_broken_rows_are_searched_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(other_scan, "LONGEST_LINE", 512)
    monkeypatch.setattr(other_scan, "BLOCK_LINES", 3)
    path = tmp_path / "wide.csv"
    path.write_text("a,b\n" * 40 + "x," * 9_000 + ",".join(MAILS) + "\n", encoding="utf-8")
    counts = {one.kind: one.count for one in look_into(path, "kept").suspicions if one.personal}
    assert len(MAILS) <= counts["email"] <= 2 * len(MAILS)


def test_numbers_and_programmes_are_let_through(tmp_path):
    look = partial(look_into, purpose="kept")
    (tmp_path / "grid.asc").write_text("".join(f"{n} {n * 7.5} {n * n}\n" for n in range(3_000)), encoding="utf-8")
    (tmp_path / "run.py").write_text("import os\n\nprint(os.name)\n" * 50, encoding="utf-8")
    assert [look(path).unread for path in sorted(tmp_path.iterdir())] == [None, None]
    assert [one for path in tmp_path.iterdir() for one in look(path).suspicions if one.personal] == []


def test_lines_are_taken_some_at_a_time_by_their_letters_too(tmp_path, monkeypatch):
    monkeypatch.setattr(other_scan, "BLOCK_CHARACTERS", 10)
    text = tmp_path / "text"
    text.write_text("".join(f"line {number}\n" for number in range(3)) + "x" * 30 + "\n" + "a\nb\n")
    blocks = list(other_scan._blocks(text))
    assert [first for first, _ in blocks] == [1, 2, 3, 4, 5]
    assert [len(lines) for _, lines in blocks] == [1, 1, 1, 1, 2]
    assert "".join(line for _, lines in blocks for line in lines) == text.read_text()
