"""Made-up enrolment rows of eight columns, and their table's definition; loaded by the tests and by the server."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.definition import Column, TableDefinition

COURSES = 400
BLOCK_ROWS = 1_000_000
START = np.datetime64("2026-01-01T00:00:00", "us")


def enrolments(name: str) -> TableDefinition:
    """Return the definition of a table of these rows."""
    return TableDefinition(
        name=name,
        grain="one row per enrolment",
        key=("enrolment",),
        columns=(
            Column("enrolment", pa.int64(), "Number of the enrolment.", nullable=False),
            Column("student", pa.string(), "Pseudonym.", nullable=False),
            Column("course", pa.string(), "Course code.", nullable=False),
            Column("term", pa.int32(), "Number of the term.", unit="1"),
            Column("mark", pa.float64(), "Points.", unit="1"),
            Column("attendance", pa.float64(), "Share of hours attended.", unit="1"),
            Column("passed", pa.bool_(), "Whether the course was passed."),
            Column("recorded_at", pa.timestamp("us"), "When the mark was recorded."),
        ),
    )


def rows(count: int, *, first: int = 0) -> pa.Table:
    """Return `count` rows numbered from `first`, the same ones each time."""
    draw = np.random.default_rng(first)
    mark = draw.normal(60.0, 15.0, count)
    students, courses = draw.integers(0, count // 5 + 1, count), draw.integers(0, COURSES, count)
    columns = {
        "enrolment": pa.array(np.arange(first, first + count)),
        "student": _named("s", students),
        "course": _named("c", courses),
        "term": pa.array(draw.integers(1, 13, count).astype(np.int32)),
        "mark": pa.array(mark),
        "attendance": pa.array(draw.random(count)),
        "passed": pa.array(mark >= 50.0),
        "recorded_at": pa.array(START + draw.integers(0, 10**13, count).astype("timedelta64[us]")),
    }
    return pa.table(columns, schema=enrolments("gold.any").arrow_schema())


def _named(letter: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def blocks(count: int) -> Iterator[pa.Table]:
    """Yield `count` rows, at most a million in memory at a time."""
    for first in range(0, count, BLOCK_ROWS):
        yield rows(min(BLOCK_ROWS, count - first), first=first)
