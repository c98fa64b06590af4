"""A small good dataset to break in every way."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import zstandard

from lakehouse.archive.landing import land
from lakehouse.archive.validate import Report, validate

DATASET = """\
eds_version: "1.0"
name: lessons
version: "1"
title: Lessons
description: Pupils' lessons, counted.
accumulates: snapshots
licence: CC-BY-4.0
"""

ROOMS = """\
description: Rooms of the school.
grain: one row per room
primary_key: [room]
columns:
  room: {type: integer, description: Number of the room, required: true}
  size: {type: number, description: Floor, unit: m2, minimum: 0}
"""

LESSONS = """\
description: Lessons held.
grain: one row per lesson
primary_key: [lesson]
columns:
  lesson: {type: integer, description: Number of the lesson, required: true}
  room: {type: integer, description: Where it was, references: rooms.room}
  held_on: {type: date, description: Day, missing_codes: [unknown]}
  began: {type: datetime, description: Moment}
  quiet: {type: boolean, description: Whether it was quiet}
  subject: {type: string, description: Subject, levels: {maths: Mathematics, art: Arts}}
  code: {type: string, description: Code, pattern: "[A-Z][0-9]"}
"""

LESSON_ROWS = """\
lesson,room,held_on,began,quiet,subject,code
1,10,2024-01-31,2024-01-31T08:00:00Z,true,maths,A1
2,11,unknown,2024-01-31T10:00:00+02:00,false,art,B2
3,,2024-02-29,,,,
"""

COLLECTION = "title: Sheets\ndescription: Work sheets.\n"
DOCUMENTS = '{"id": "a", "title": "A", "text": "Add the numbers."}\n{"id": "b", "title": "B", "text": "Draw."}\n'


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "lessons"
    files = {
        "dataset.yaml": DATASET,
        "tables/rooms/columns.yaml": ROOMS,
        "tables/rooms/rooms.csv": "room,size\n10,50.5\n11,60\n",
        "tables/lessons/columns.yaml": LESSONS,
        "tables/lessons/lessons.csv": LESSON_ROWS,
        "texts/sheets/collection.yaml": COLLECTION,
        "texts/sheets/documents.jsonl": DOCUMENTS,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def judged(tmp_path: Path) -> Callable[[Path], Report]:
    def judge(source: Path) -> Report:
        landed = land(source, tmp_path / "landed")
        return validate(landed.folder, submission="lessons@1", content_sha256=landed.content_sha256)

    return judge


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    def build(members: dict[str, bytes]) -> Path:
        path = tmp_path / "submission.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in members.items():
                archive.writestr(name, body)
        return path

    return build


@pytest.fixture(scope="session")
def packed() -> Callable[[Path, Mapping[str, bytes]], Path]:
    """Return what writes files into a tar archive, packed as its name says."""

    def build(path: Path, members: Mapping[str, bytes]) -> Path:
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w") as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        pack = {".gz": gzip.compress, ".tgz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
        path.write_bytes(pack.get(path.suffix, bytes)(body.getvalue()))
        return path

    return build
