"""A small submission that must be refused: planted personal data, and enrolments of students who are not there."""

import csv
import random
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

STUDENT_COUNT = 120
ENROLMENT_COUNT = 400
UNKNOWN_STUDENT_COUNT = 17

GIVEN = ("Maria", "James", "Fatima", "Wei", "Olivia", "Carlos", "Priya", "Noah", "Elena", "David", "Amina", "Lucas")
FAMILY = ("Garcia", "Smith", "Khan", "Chen", "Johnson", "Lopez", "Patel", "Miller", "Rossi", "Brown", "Okafor", "Weber")
COURSES = ("algebra", "biology", "chemistry", "geometry", "history", "literature", "physics", "writing")

DESCRIPTION = """\
eds_version: "1.0"
name: course_records
version: "1"
title: Course records of an invented school
description: Students and their enrolments, all invented, written to show what the archive refuses.
accumulates: snapshots
licence: CC0-1.0
creators:
  - name: The makers of this lakehouse
keywords: [demonstration, refused on purpose]
language: en
provenance:
  how_made: Generated with a fixed seed; no person of this dataset exists.
terms:
  purposes: [teaching, operations]
  access: open
disciplines:
  education:
    education_level: ["3"]
    setting: school
    grade_scale: percent
    grade_columns: [enrolments.marks]
subjects:
  student:
    description: An invented student.
    identifiers: [students.student, students.full_name, students.email, students.phone, students.ssn,
                  enrolments.student]
"""

STUDENTS = """\
description: Students of an invented school.
grain: one row per student
primary_key: [student]
columns:
  student: {type: integer, description: Number of the student, required: true}
  full_name: {type: string, description: Name of the student, role: direct_identifier}
  email: {type: string, description: E-mail address, role: direct_identifier}
  phone: {type: string, description: Telephone number, role: direct_identifier}
  ssn: {type: string, description: Social security number, role: direct_identifier}
  date_of_birth: {type: date, description: Date of birth, role: quasi_identifier}
"""

ENROLMENTS = """\
description: Courses the students take.
grain: one row per student and course
columns:
  student: {type: integer, description: Who takes the course, required: true, references: students.student}
  course: {type: string, description: Name of the course, required: true}
  marks: {type: integer, description: Marks reached, unit: "1", minimum: 0, maximum: 100, role: sensitive}
"""


def write(into: Path, *, seed: int = 7) -> Path:
    """Write the dataset folder and return it; an older one there is replaced. The same seed gives the same bytes."""
    chance = random.Random(seed)  # noqa: S311 - invented data, no secret
    folder = into / "course_records"
    shutil.rmtree(folder, ignore_errors=True)
    _write_table(folder / "tables" / "students", STUDENTS, _students(chance))
    _write_table(folder / "tables" / "enrolments", ENROLMENTS, _enrolments(chance))
    (folder / "dataset.yaml").write_text(DESCRIPTION, encoding="utf-8")
    return folder


def _students(chance: random.Random) -> Iterator[tuple[object, ...]]:
    yield ("student", "full_name", "email", "phone", "ssn", "date_of_birth")
    for number in range(1, STUDENT_COUNT + 1):
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        # 555-01xx numbers and areas from 900 up are never given to anybody; the mail domain is nobody's.
        phone = f"({chance.randrange(201, 990)}) 555-{chance.randrange(100, 200):04d}"
        ssn = f"{chance.randrange(900, 1000)}-{chance.randrange(1, 70):02d}-{chance.randrange(1, 10_000):04d}"
        born = date(2005, 1, 1) + timedelta(days=chance.randrange(1500))
        mail = f"{given}.{family}{number}@invented-school-mail.org".lower()
        yield (number, f"{given} {family}", mail, phone, ssn, born.isoformat())


def _enrolments(chance: random.Random) -> Iterator[tuple[object, ...]]:
    yield ("student", "course", "marks")
    for row in range(ENROLMENT_COUNT):
        known = row >= UNKNOWN_STUDENT_COUNT
        student = chance.randrange(1, STUDENT_COUNT + 1) if known else 9000 + row
        yield (student, chance.choice(COURSES), chance.randrange(40, 101))


def _write_table(folder: Path, dictionary: str, rows: Iterator[tuple[object, ...]]) -> None:
    folder.mkdir(parents=True)
    (folder / "columns.yaml").write_text(dictionary, encoding="utf-8")
    with (folder / f"{folder.name}.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
