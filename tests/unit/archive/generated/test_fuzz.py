"""Bytes changed at random in every kind of file: always a report or a typed error, never a traceback.

Each run draws a seed and says it when it fails; ``pytest --hypothesis-seed=N`` repeats that run.
"""

import gzip
import io
import random
import shutil
import sys
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lakehouse.archive.findings import Report
from lakehouse.archive.landing import land
from lakehouse.archive.register import register_rows
from lakehouse.archive.reports.html import html
from lakehouse.archive.reports.sarif import sarif
from lakehouse.archive.validate import validate
from lakehouse.errors import LakehouseError

SECONDS = 5.0
LEAST_ROUNDS = 15
MOST_CHANGES = 12
INTERESTING = (0, 1, 9, 10, 13, 34, 39, 44, 45, 58, 91, 92, 93, 123, 125, 127, 128, 192, 237, 239, 255)
STATEMENT = (
    b'{"actor": {"account": {"homePage": "https://example.org", "name": "s1"}}, '
    b'"verb": {"id": "https://example.org/did"}, "object": {"id": "https://example.org/it"}}\n'
)
DICTIONARY = (
    "description: Made.\ngrain: one row per row\nprimary_key: [k]\ncolumns:\n"
    "  k: {type: integer, description: Key, required: true}\n  v: {type: number, description: Value, unit: '1'}\n"
)


@pytest.fixture
def seed(request):
    given = request.config.getoption("--hypothesis-seed")
    drawn = random.SystemRandom().randrange(2**32) if given in (None, "random") else int(given)
    sys.stdout.write(f"seed of this run: --hypothesis-seed={drawn}\n")
    return drawn


@pytest.fixture
def whole(dataset):
    """The dataset with a file of every kind that a submission may hold."""
    rows = b"k,v\n" + b"".join(b"%d,%d.5\n" % (n, n) for n in range(50))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"k": pa.array(range(50), pa.int64()), "v": [n + 0.5 for n in range(50)]}), buffer)
    bodies = {
        "plain/a.csv": rows,
        "zipped/a.csv.gz": gzip.compress(rows),
        "pressed/a.csv.zst": zstandard.ZstdCompressor().compress(rows),
        "tabbed/a.tsv": rows.replace(b",", b"\t"),
        "columnar/a.parquet": buffer.getvalue(),
        "lines/a.jsonl": b"".join(b'{"k": %d, "v": %d.5}\n' % (n, n) for n in range(50)),
    }
    for name, body in bodies.items():
        path = dataset / "tables" / name
        path.parent.mkdir()
        path.write_bytes(body)
        (path.parent / "columns.yaml").write_text(DICTIONARY)
    log = dataset / "events" / "clicks"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text('title: Clicks\ndescription: Made.\nxapi_version: "1.0.3"\n')
    (log / "statements.jsonl").write_bytes(STATEMENT * 5)
    (dataset / "texts/sheets/essay.txt").write_text("One plain text.\n")
    return dataset


def changed(draw, body, others):
    """Return the bytes with one thing changed that transfers, disks and editors do change, or an attacker would."""
    body = bytearray(body)
    at = draw.randrange(len(body) + 1)
    length = draw.choice((1, 2, 8, 64))
    match draw.randrange(6):
        case 0 if body:
            body[at % len(body)] ^= 1 << draw.randrange(8)
        case 1 if body:
            body[at % len(body)] = draw.choice(INTERESTING)
        case 2:
            body[at:at] = bytes(draw.choice(INTERESTING) for _ in range(length))
        case 3:
            del body[at : at + length]
        case 4:
            body[at:at] = body[: draw.randrange(len(body) + 1)][-length * 8 :]
        case _:
            body[at:] = draw.choice(others)[at:] if draw.random() < 0.5 else b""
    return bytes(body)


def answered(source, into):
    """Take a submission in as the archive does; what is not a report must be an error of the lakehouse."""
    try:
        landed = land(source, into)
        report = validate(landed.folder, submission="fuzzed@1", content_sha256=landed.content_sha256)
    except LakehouseError as error:
        return str(error)
    assert Report.from_json(report.to_json()) == report
    for table, rows in register_rows(report).items():
        assert rows.schema == table.arrow_schema()
    assert html(report)
    assert sarif(report)
    return report.as_text() + report.as_short_text() + report.as_markdown()


def rounds(seed):
    """Yield generators, one a round, until the time is over; each can be repeated from the seed and its number."""
    until = time.monotonic() + SECONDS
    number = 0
    while number < LEAST_ROUNDS or time.monotonic() < until:
        yield number, random.Random(f"{seed}/{number}")
        number += 1


def test_changed_bytes_in_a_folder_always_give_a_report(seed, whole, tmp_path):
    good = {path: path.read_bytes() for path in sorted(whole.rglob("*")) if path.is_file()}
    for number, draw in rounds(seed):
        touched = draw.sample(list(good), draw.randint(1, 3))
        for path in touched:
            body = good[path]
            for _ in range(draw.randint(1, MOST_CHANGES)):
                body = changed(draw, body, list(good.values()))
            path.write_bytes(body)
        try:
            assert answered(whole, tmp_path / "landed")
        except Exception as error:
            names = ", ".join(path.name for path in touched)
            raise AssertionError(f"round {number} of --hypothesis-seed={seed} ({names})") from error
        for path in touched:
            path.write_bytes(good[path])
        shutil.rmtree(tmp_path / "landed", ignore_errors=True)


def test_changed_bytes_of_an_archive_always_give_a_report(seed, whole, tmp_path):
    path = tmp_path / "whole.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(whole.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(whole).as_posix())
    good = path.read_bytes()
    for number, draw in rounds(seed):
        body = good
        for _ in range(draw.randint(1, MOST_CHANGES)):
            body = changed(draw, body, [good])
        path.write_bytes(body)
        try:
            assert answered(path, tmp_path / "landed")
        except Exception as error:
            raise AssertionError(f"round {number} of --hypothesis-seed={seed}") from error
        shutil.rmtree(tmp_path / "landed", ignore_errors=True)
    assert not [p for p in tmp_path.iterdir() if p.name not in ("whole.zip", "lessons", "landed")]
