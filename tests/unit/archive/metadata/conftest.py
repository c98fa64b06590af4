"""Datasets to describe: the three samples, and one whose description has every field set."""

import json
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.archive.landing import land
from lakehouse.archive.metadata.source import Record, record_of
from lakehouse.archive.validate import Report, validate
from lakehouse.ports import DatasetVersion
from lakehouse.samples import college_scorecard, course_records, python_docs
from tests.unit.archive.metadata.packages import PACKAGE, ROWS, Build, Judge

DATASET = """\
eds_version: "1.0"
name: lessons
version: "2024.1"
title: "Lessons & rooms <of> a \\"school\\""
description: Which lessons were held in which room, day by day, by which pupil, with the sheets that were handed out.
accumulates: waves
licence: CC-BY-4.0
creators:
  - {name: "Doe, Jane", identifier: "https://orcid.org/0000-0002-1825-0097", affiliation: A Town}
  - {name: A School, identifier: "https://ror.org/01234567x", affiliation: A Town}
  - {name: A Person Without Anything}
contact: {name: School office, email: office@example.org, url: "https://example.org/office"}
publisher: A School
keywords: [lessons, rooms, "été"]
source_url: https://example.org/lessons
derived_from: ["The school's timetable, export of 2024-08-01", "https://doi.org/10.5281/zenodo.1"]
temporal_coverage: {start: "2023-08", end: "2024-07-31"}
spatial_coverage: [A Town, Another Town]
language: en
provenance:
  how_made: Exported from the timetable, names of teachers left out.
  software:
    - {name: timetable, version: "4.2"}
terms:
  purposes: [research, teaching]
  forbidden: [advertising]
  access: registered
  attribution: "Lessons of A School"
  conditions: Do not try to find out who anybody is.
  retention_until: 2034-07-31
consent: {basis: consent, table: agreements, subject: pupil, purpose: purpose, given: agreed}
subjects:
  pupil: {description: Pupils of the school, identifiers: [lessons.pupil, agreements.pupil, events/clicks.actor]}
funding:
  - {funder: A Fund, award: "F-1", identifier: "https://doi.org/10.13039/501100000780"}
  - {funder: Another Fund}
related:
  - {identifier: "10.1234/other", relation: IsDerivedFrom}
  - {identifier: "ark:/12345/x", relation: IsPartOf}
  - {identifier: "A book without an identifier", relation: IsDocumentedBy}
"""

ROOMS = """\
description: Rooms of the school.
grain: one row per room
primary_key: [room]
delimiter: ";"
columns:
  room: {type: integer, description: Number of the room, required: true}
  size: {type: number, description: Floor, unit: m2, minimum: 0, maximum: 1000.5}
"""

LESSONS = """\
description: Lessons held.
grain: one row per lesson and pupil
primary_key: [lesson, pupil]
columns:
  lesson: {type: integer, description: Number of the lesson, required: true}
  pupil: {type: string, description: Pseudonym, required: true, role: direct_identifier}
  room: {type: integer, description: Where it was, references: rooms.room}
  held_on: {type: date, description: Day, missing_codes: [unknown, "n/a"]}
  began: {type: datetime, description: Moment, required: true}
  quiet: {type: boolean, description: Whether it was quiet}
  subject: {type: string, description: Subject, role: quasi_identifier, levels: {maths: Mathematics, art: Arts}}
  kind: {type: string, description: Kind, levels: [lecture, exam]}
  code: {type: string, description: Code, pattern: "[A-Z][0-9]"}
  mark: {type: number, description: Points, unit: "1", missing_codes: ["-9"], role: sensitive}
"""

LESSON_ROWS = """\
lesson,pupil,room,held_on,began,quiet,subject,kind,code,mark
1,p1,10,2024-01-31,2024-01-31T08:00:00Z,true,maths,lecture,A1,1.5
1,p2,10,2024-01-31,2024-01-31T08:00:00Z,true,maths,lecture,A1,-9
2,p1,11,unknown,2024-02-29T10:30:00Z,false,art,exam,B2,2
3,p2,,2024-02-29,2024-02-29T11:30:00Z,,,,,
"""

AGREEMENTS = """\
description: Who agreed to what.
grain: one row per pupil and purpose
primary_key: [pupil, purpose]
columns:
  pupil: {type: string, description: Pseudonym, required: true}
  purpose: {type: string, description: Code of the purpose, required: true}
  agreed: {type: boolean, description: Whether the pupil agreed, required: true}
"""

STATEMENT = """\
{"id": "7ccd3322-e1a5-411a-a67d-6a735c76f119", "timestamp": "2024-01-31T08:00:00Z", \
"actor": {"account": {"homePage": "https://example.org", "name": "p1"}}, \
"verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"}, "object": {"id": "https://example.org/lesson/1"}}
"""

FILES = {
    "dataset.yaml": DATASET,
    "README.md": "# Lessons\n",
    "tables/rooms/columns.yaml": ROOMS,
    "tables/rooms/rooms.csv": "room;size\n10;50.5\n11;60\n",
    "tables/lessons/columns.yaml": LESSONS,
    "tables/lessons/lessons 2024.csv": LESSON_ROWS,
    "tables/agreements/columns.yaml": AGREEMENTS,
    "tables/agreements/agreements.tsv": "pupil\tpurpose\tagreed\np1\tresearch\ttrue\np2\tresearch\tfalse\n",
    "texts/sheets/collection.yaml": "title: Sheets\ndescription: Work sheets.\nlanguage: en\nlicence: CC0-1.0\n",
    "texts/sheets/documents.jsonl": '{"id": "a", "title": "A", "text": "Add the numbers."}\n',
    "texts/notes/collection.yaml": "title: Notes\ndescription: Notes of the lessons.\n",
    "texts/notes/first.txt": "It rained.\n",
    "events/clicks/log.yaml": 'title: Clicks\ndescription: What was opened.\nxapi_version: "1.0.3"\n',
    "events/clicks/clicks.jsonl": STATEMENT,
}

COMMIT = "c0ffee" * 6 + "c0ff"
STORED_AT = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)


def write_everything(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def stored(folder: Path) -> Record:
    version = DatasetVersion("any", "2024.1", COMMIT, "v2024.1", "ab" * 32, STORED_AT)
    return record_of(
        folder,
        version=version,
        identifiers=("10.5072/lessons.1", "ark:/99999/lessons", "urn:uuid:7ccd3322-e1a5-411a-a67d-6a735c76f119"),
        landing_url="https://archive.example.org/lessons/2024.1",
        files_url="https://archive.example.org/lessons/2024.1/files",
    )


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A folder whose description has every field set."""
    return write_everything(tmp_path / "lessons")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three samples and the folder with every field, by name."""
    into = tmp_path_factory.mktemp("datasets")
    return {
        "college_scorecard": college_scorecard.write(2014, into),
        "course_records": course_records.write(into),
        "python_docs": python_docs.write(into),
        "lessons": write_everything(into / "lessons"),
    }


NAMES = ("college_scorecard", "course_records", "python_docs", "lessons")


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    """Each of the datasets in turn."""
    return folders[request.param]


@pytest.fixture
def record(folder: Path) -> Record:
    """The record of each dataset as a folder, without identifiers."""
    return record_of(folder)


@pytest.fixture
def published() -> Callable[[Path], Record]:
    """Make the record of a folder as a stored version with identifiers and a landing page."""
    return stored


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON schemas of the Data Package standard, by edition."""
    archive = Path(__file__).parents[5] / "shared/data/frictionless_examples/frictionless.tar.xz"
    if not archive.is_file():
        pytest.skip("needs ../shared/data/frictionless_examples, which is not part of this repository")
    into = tmp_path_factory.mktemp("frictionless")
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    return into / "profiles"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write a package: the descriptor with some changes, and its files."""

    def make(changes: dict[str, Any] | None = None, files: dict[str, bytes] | None = None) -> Path:
        folder = tmp_path / "package"
        shutil.rmtree(folder, ignore_errors=True)
        for name, body in (files or {"data/lessons.csv": ROWS.encode()}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        descriptor = {**PACKAGE, **(changes or {})}
        text = json.dumps({name: value for name, value in descriptor.items() if value is not None})
        (folder / "datapackage.json").write_text(text)
        return folder

    return make


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def run(source: Path) -> Report:
        landed = land(source, tmp_path / "landed")
        run.folder = landed.folder  # type: ignore[attr-defined]
        return validate(landed.folder, submission="lessons@1.0", content_sha256=landed.content_sha256)

    return run
