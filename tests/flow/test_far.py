"""Silver tables that are made elsewhere: which ones are, and that nobody can tell by what is published."""

import pyarrow.compute as pc
import yaml

from assets.house import Engine
from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.wiring import lakehouse
from lakehouse.adapters.iceberg_files import write_rows
from lakehouse.adapters.iceberg_schema import conform
from lakehouse.ports import StoredRows

DATASET = """\
eds_version: "1.0"
name: lessons
version: "{label}"
title: Lessons
description: Lessons held.
accumulates: snapshots
licence: CC-BY-4.0
"""
HELD = """\
description: Lessons held.
grain: one row per lesson
primary_key: [lesson]
columns:
  lesson: {type: integer, description: Number of the lesson, required: true}
  held_on: {type: date, description: Day, missing_codes: [unknown]}
"""
SILVER = "silver.lessons_held"
THERE = {"check": "present", "column": "held_on", "severity": "warning", "reason": "Because the test says so."}
PROMISED = {"about": "Lessons.", "owner": "team:test", "expect": {"DAY_THERE": THERE}}


class Nearby:
    """Makes rows in this very process, as Spark does on other machines (tests/contract/test_spark.py)."""

    def __init__(self, settings):
        self.tables = lakehouse(settings).tables
        self.made = []

    def make(self, into, source, snapshot_id, where, change):
        self.tables.ensure(into)
        rows = self.tables.read(source, snapshot_id=snapshot_id)
        for name, value in where.items():
            rows = rows.filter(pc.equal(rows[name], value))
        with self.tables.opened(into.name) as stored:
            files = write_rows(stored, conform(change(rows), into))
        self.made.append((into.name, rows.num_rows))
        return StoredRows(rows.num_rows, broken=(), files=tuple(files))


def lessons(bench, label, *rows):
    table = bench.settings.home / "scratch" / label / "tables" / "held"
    table.mkdir(parents=True)
    (table.parent.parent / "dataset.yaml").write_text(DATASET.format(label=label))
    (table / "columns.yaml").write_text(HELD)
    (table / "held.csv").write_text("\n".join(["lesson,held_on", *rows, ""]))
    return bench.arrive(table.parent.parent)


def test_a_table_that_promises_a_number_of_rows_is_made_elsewhere_and_one_that_promises_more_is_not(bench):
    maker = Nearby(bench.settings)
    loop = Loop(build(bench.settings, engine=Engine(maker)), bench.loop.instance)
    outcome = loop.ingest(lessons(bench, "1", "1,2024-01-31", "2,unknown"))
    assert outcome.success, outcome.failure
    assert maker.made == [(SILVER, 2)]
    rows = [(row["dataset_version"], row["lesson"], str(row["held_on"])) for row in bench.rows(SILVER)]
    assert sorted(rows) == [("1", 1, "2024-01-31"), ("1", 2, "None")]
    (judged,) = bench.rows("gold.expectation_results")
    assert (judged["code"], judged["kept"], judged["observed"], judged["row_count"]) == ("ROWS_STEADY", True, 2, 2)
    assert [row["row_count"] for row in bench.rows("gold.loads") if row["table_name"] == SILVER] == [2]

    folder = bench.settings.home / "promises"
    folder.mkdir()
    (folder / "mine.yaml").write_text(yaml.safe_dump({SILVER: PROMISED}))
    promising = bench.settings.model_copy(update={"expectations": str(folder)})
    loop = Loop(build(promising, engine=Engine(maker)), loop.instance)
    outcome = loop.ingest(lessons(bench, "2", "1,2024-01-31", "2,unknown", "3,unknown"))
    assert outcome.success, outcome.failure
    assert len(maker.made) == 1, "a promise about its values is judged over all rows at once, here"
    assert len(bench.rows(SILVER)) == 5
    assert {row["code"]: row["unexpected_count"] for row in bench.rows("gold.expectation_results")}["DAY_THERE"] == 2
