"""A million made-up rows with known errors, the promises they break, and the same promises in other tools' words."""

import json
from pathlib import Path

import numpy as np
import pandera.polars as pa
import polars as pl

ROWS = 1_000_000
COURSES = tuple(f"c{n}" for n in range(400))
STATES = ("enrolled", "failed", "passed", "withdrawn")
DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
ERRORS_EACH = 25
# Column, what to put there, and the code of the finding; a repeated key comes besides.
SPOILT = {
    "pseudonym": (None, "VALUE_REQUIRED"),
    "term": ("third", "TYPE_WRONG"),
    "mark": ("170.5", "VALUE_OUT_OF_RANGE"),
    "status": ("asleep", "VALUE_NOT_A_LEVEL"),
    "course": ("c999", "REFERENCE_BROKEN"),
    "recorded_on": ("31.12.2024", "TYPE_WRONG"),
}
DATASET = """\
eds_version: "1.0"
name: enrolments
version: "1"
title: Enrolments
description: Made-up enrolments.
licence: CC0-1.0
accumulates: snapshots
"""
DICTIONARY = """\
description: Enrolments of made-up students.
grain: one row per enrolment
primary_key: [enrolment]
columns:
  enrolment: {type: integer, description: Number of the enrolment, required: true}
  pseudonym: {type: string, description: Random code, required: true}
  course: {type: string, description: Code of the course, references: courses.course}
  term: {type: integer, description: Number of the term}
  mark: {type: number, description: Points reached, unit: "1", minimum: 0, maximum: 100}
  attendance: {type: string, description: Share of hours attended}
  status: {type: string, description: How it ended, levels: [enrolled, failed, passed, withdrawn]}
  recorded_on: {type: date, description: Day it was recorded}
  room: {type: string, description: Code of the room}
"""
COURSE_DICTIONARY = """\
description: Courses.
grain: one row per course
primary_key: [course]
columns:
  course: {type: string, description: Code of the course, required: true}
"""


def frame() -> pl.DataFrame:
    """Return the sound rows, every cell as text, the same ones each time."""
    draw = np.random.default_rng(1)
    days = np.array([str(np.datetime64("2020-01-01") + n) for n in range(1_000)])
    return pl.DataFrame(
        {
            "enrolment": np.arange(1, ROWS + 1).astype(str),
            "pseudonym": np.char.add("s", draw.integers(10**6, 10**7, ROWS).astype(str)),
            "course": np.array(COURSES)[draw.integers(0, len(COURSES), ROWS)],
            "term": draw.integers(1, 13, ROWS).astype(str),
            "mark": np.round(np.clip(draw.normal(60, 15, ROWS), 0, 100), 2).astype(str),
            "attendance": np.round(draw.random(ROWS), 4).astype(str),
            "status": np.array(STATES)[draw.integers(0, len(STATES), ROWS)],
            "recorded_on": days[draw.integers(0, len(days), ROWS)],
            "room": np.char.add("room-", draw.integers(1_000, 10_000, ROWS).astype(str)),
        }
    )


def spoilt(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, set[int]]]:
    """Return the rows with `ERRORS_EACH` errors of each kind, and the numbers of the bad rows by column."""
    chosen = np.random.default_rng(2).choice(np.arange(10, ROWS), ERRORS_EACH * (len(SPOILT) + 1), replace=False)
    *by_column, repeats = np.split(np.sort(chosen.reshape(-1, ERRORS_EACH)), len(SPOILT) + 1)
    for (name, (text, _)), at in zip(SPOILT.items(), by_column, strict=True):
        values = rows[name].to_list()
        for row in at[0].tolist():
            values[row] = text
        rows = rows.with_columns(pl.Series(name, values))
    keys = rows["enrolment"].to_list()
    for row in repeats[0].tolist():
        keys[row] = keys[row - 1]
    named = {name: {int(row) + 1 for row in at[0]} for name, at in zip(SPOILT, by_column, strict=True)}
    return rows.with_columns(pl.Series("enrolment", keys)), named | {"enrolment": {int(r) + 1 for r in repeats[0]}}


def write(folder: Path, rows: pl.DataFrame) -> Path:
    """Write the submission and return its CSV file."""
    for table, dictionary in (("courses", COURSE_DICTIONARY), ("marks", DICTIONARY)):
        (folder / "tables" / table).mkdir(parents=True)
        (folder / "tables" / table / "columns.yaml").write_text(dictionary)
    (folder / "dataset.yaml").write_text(DATASET)
    (folder / "tables/courses/courses.csv").write_text("\n".join(("course", *COURSES)) + "\n")
    path = folder / "tables/marks/marks.csv"
    rows.write_csv(path)
    return path


def frictionless_schema() -> str:
    """Return the promises in frictionless' words."""
    kinds = {"enrolment": "integer", "term": "integer", "mark": "number", "recorded_on": "date"}
    limits = {
        "pseudonym": {"required": True},
        "mark": {"minimum": 0, "maximum": 100},
        "status": {"enum": list(STATES)},
        "course": {"enum": list(COURSES)},
    }
    names = ("enrolment", "pseudonym", "course", "term", "mark", "attendance", "status", "recorded_on", "room")
    fields = [{"name": n, "type": kinds.get(n, "string"), "constraints": limits.get(n, {})} for n in names]
    return json.dumps({"fields": fields, "primaryKey": ["enrolment"], "missingValues": [""]})


def great_expectations_promises() -> str:
    """Return what Great Expectations needs to know."""
    return json.dumps({"status": STATES, "course": COURSES, "date": DATE})


PANDERA = pa.DataFrameSchema(
    {
        "enrolment": pa.Column(pl.Int64, unique=True),
        "pseudonym": pa.Column(pl.String, nullable=False),
        "term": pa.Column(pl.String, pa.Check.str_matches(r"^[0-9]+$")),
        "mark": pa.Column(pl.Float64, pa.Check.in_range(0, 100)),
        "status": pa.Column(pl.String, pa.Check.isin(STATES)),
        "course": pa.Column(pl.String, pa.Check.isin(COURSES)),
        "recorded_on": pa.Column(pl.String, pa.Check.str_matches(DATE)),
    }
)


def by_pandera(path: Path) -> set[int]:
    """Return the numbers of the bad rows that pandera names."""
    rows = pl.read_csv(path, schema_overrides={"term": pl.String, "recorded_on": pl.String})
    try:
        PANDERA.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        return set(error.failure_cases["index"].drop_nulls().to_list())
    return set()
