"""Silver tables that are made elsewhere: which ones are, and that nobody can tell by what is published."""

import pickle

import pyarrow.compute as pc
import yaml

from assets.house import Engine
from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.wiring import lakehouse
from lakehouse.adapters.iceberg_files import write_rows
from lakehouse.adapters.iceberg_schema import conform
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.ports import StoredRows

DATASET = """\
eds_version: "1.0"
name: lessons
version: "{label}"
title: Lessons {label}
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
TEACHERS = """\
description: Who taught.
grain: one row per teacher
columns:
  name: {type: string, description: Name of the teacher, role: direct_identifier}
  number: {type: integer, description: Number of the teacher, role: direct_identifier}
"""
SILVER, NAMED = "silver.lessons_held", "silver.lessons_teachers"
BECAUSE = {"severity": "warning", "reason": "Because the test says so."}
PROMISES = {
    "DAY_THERE": {"check": "present", "column": "held_on"} | BECAUSE,
    "FEW": {"check": "between", "column": "lesson", "maximum": 9, "mostly": 0.5, "severity": "quarantine"},
    "EACH_ONCE": {"check": "unique", "columns": ["held_on"]} | BECAUSE,
    "MIDDLE": {"check": "measured", "measure": "median", "column": "lesson", "maximum": 5} | BECAUSE,
}
NAME_THERE = {"NAME_THERE": {"check": "present", "column": "name"} | BECAUSE}
PROMISED = {
    "about": "Lessons.",
    "owner": "team:test",
    "expect": {code: BECAUSE | promise for code, promise in PROMISES.items()},
}


class Nearby:
    """Makes rows in this very process, as Spark does on other machines (tests/contract/test_spark.py)."""

    def __init__(self, settings):
        self.tables = lakehouse(settings).tables
        self.made = []

    def make(self, into, source, snapshot_id, where, change):
        self.tables.ensure(into)
        (rows,) = self.pick(source, snapshot_id, where, change)
        with self.tables.opened(into.name) as stored:
            files = write_rows(stored, conform(rows, into))
        self.made.append((into.name, rows.num_rows))
        return StoredRows(rows.num_rows, broken=(), files=tuple(files))

    def pick(self, source, snapshot_id, where, change):
        rows = self.tables.read(source, snapshot_id=snapshot_id)
        for name, value in where.items():
            rows = rows.filter(pc.equal(rows[name], value))
        yield pickle.loads(pickle.dumps(change))(rows)


def lessons(bench, label, *rows):
    table = bench.settings.home / "scratch" / label / "tables" / "held"
    table.mkdir(parents=True)
    (table.parent.parent / "dataset.yaml").write_text(DATASET.format(label=label))
    (table / "columns.yaml").write_text(HELD)
    (table / "held.csv").write_text("\n".join(["lesson,held_on", *rows, ""]))
    people = table.with_name("teachers")
    people.mkdir()
    (people / "columns.yaml").write_text(TEACHERS)
    (people / "teachers.csv").write_text("name,number\nAda King,7\n")
    return bench.arrive(table.parent.parent)


def taught(bench):
    """Return who taught in each version, by the pseudonyms of silver, and whether these are those of the lake's key."""
    made = SilverKey(bench.settings.home / "keys").open()
    teachers = {row["dataset_version"]: (row["name"], row["number"]) for row in bench.rows(NAMED)}
    return set(teachers), set(teachers.values()) == {(made.text("Ada King"), made.number(7))}


def test_a_table_that_promises_a_number_of_rows_is_made_elsewhere(bench):
    maker = Nearby(bench.settings)
    loop = Loop(build(bench.settings, engine=Engine(maker)), bench.loop.instance)
    outcome = loop.ingest(lessons(bench, "1", "1,2024-01-31", "2,unknown"))
    assert outcome.success, outcome.failure
    assert maker.made == [(SILVER, 2), (NAMED, 1)]
    assert taught(bench) == ({"1"}, True)
    rows = [(row["dataset_version"], row["lesson"], str(row["held_on"])) for row in bench.rows(SILVER)]
    assert sorted(rows) == [("1", 1, "2024-01-31"), ("1", 2, "None")]
    (judged,) = [row for row in bench.rows("gold.expectation_results") if row["table_name"] == SILVER]
    assert (judged["code"], judged["kept"], judged["observed"], judged["row_count"]) == ("ROWS_STEADY", True, 2, 2)
    assert [row["row_count"] for row in bench.rows("gold.loads") if row["table_name"] == SILVER] == [2]


def test_what_a_table_made_elsewhere_promises_is_judged_as_if_it_were_made_here(bench):
    folder = bench.settings.home / "promises"
    folder.mkdir()
    (folder / "mine.yaml").write_text(yaml.safe_dump({SILVER: PROMISED, NAMED: PROMISED | {"expect": NAME_THERE}}))
    promising = bench.settings.model_copy(update={"expectations": str(folder)})
    maker = Nearby(bench.settings)
    rows = ("1,2024-01-31", "2,unknown", "3,2024-01-31", "10,2024-02-01", "4,unknown")
    for label, engine in (("here", Engine()), ("there", Engine(maker))):
        loop = Loop(build(promising, engine=engine), bench.loop.instance)
        outcome = loop.ingest(lessons(bench, label, *rows))
        assert outcome.success, outcome.failure
    assert maker.made == [(SILVER, 4)], "what names of people promise is judged of the names, so here"
    assert taught(bench) == ({"here", "there"}, True)

    def seen(table, *columns):
        found = {label: [] for label in ("here", "there")}
        for row in bench.rows(table):
            found[row["dataset_version"]].append([row[name] for name in columns])
        return [sorted(each, key=str) for each in found.values()]

    here, there = seen(SILVER, "lesson", "held_on")
    assert here == there
    assert len(there) == 4, "one is set aside"
    told = ("code", "kept", "row_count", "unexpected_count", "observed", "blocked")
    here, there = seen("gold.expectation_results", *told)
    assert here == there
    assert ["FEW", True, 5, 1, 0.8, False] in there
    assert seen("gold.rows_aside", "row_number", "code", "table_name") == [[[4, "FEW", SILVER]]] * 2
