"""A dataset of one table whose rows are many and whose keys are in no order, of any size."""

from pathlib import Path

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
    """Write the dataset with so many megabytes of CSV."""
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
