"""How much memory bronze and silver take of a version, by the size of its CSV file; each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse

SIZES_MB = (10, 100)
MOST_BYTES = 8
"""Bytes of memory for each byte of CSV, beside the libraries: it grows with the file, and must not grow faster."""
DATASET = """\
eds_version: "1.0"
name: lessons
version: "1"
title: Lessons
description: Lessons, counted.
accumulates: snapshots
licence: CC-BY-4.0
"""
LESSONS = """\
description: Lessons held.
grain: one row per lesson
primary_key: [lesson]
columns:
  lesson: {type: integer, description: Number of the lesson, required: true}
  room: {type: integer, description: Where it was}
  held_on: {type: date, description: Day}
  began: {type: datetime, description: Moment}
  quiet: {type: boolean, description: Whether it was quiet}
  subject: {type: string, description: Subject, levels: {maths: Mathematics, art: Arts}}
  code: {type: string, description: Code, pattern: "[A-Z][0-9]"}
"""
BLOCK_ROWS = 20_000


def written(folder: Path, megabytes: int) -> Path:
    table = folder / "tables" / "lessons"
    table.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(DATASET)
    (table / "columns.yaml").write_text(LESSONS)
    rows = 0
    with (table / "lessons.csv").open("w") as file:
        file.write("lesson,room,held_on,began,quiet,subject,code\n")
        while file.tell() < megabytes * 1_000_000:
            numbers = range(rows + BLOCK_ROWS, rows, -1)
            file.write("".join(f"{n},1{n % 2},2024-01-31,2024-01-31T08:00:00Z,true,maths,A1\n" for n in numbers))
            rows += BLOCK_ROWS
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("megabytes", SIZES_MB)
def test_memory_of_bronze_and_silver_grows_with_the_file(bench, tmp_path, megabytes):
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("ingest_version.py")),
            str(written(tmp_path / "d", megabytes)),
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(lakehouse.__file__).parent.parent), "TMPDIR": str(tmp_path)},
    )
    found = json.loads(done.stdout)
    assert found["stored"]
    peaks = found["peaks"]
    for layer in ("bronze", "silver"):
        bench.note(f"peak memory of {layer} of {megabytes} MB of CSV: {peaks[layer]:.0f} MB")
        assert peaks[layer] - peaks["libraries"] < max(200, MOST_BYTES * megabytes)
