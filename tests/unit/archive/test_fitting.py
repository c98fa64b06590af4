"""A version whose columns the stored tables cannot take is refused by name, before anything of it is kept."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest

from assets import validate
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive.fitting import fitted
from lakehouse.archive.reading import table_definition
from lakehouse.ports import DatasetVersion
from lakehouse.tables.withdrawals import retracted


def with_rooms(report, *, name="rooms", **columns):
    """Return the report on the same dataset with columns of its rooms described otherwise."""
    rooms = report.description.tables["rooms"]
    known = rooms.columns
    told = {column: known.get(column, known["size"]).model_copy(update=new) for column, new in columns.items()}
    rooms = rooms.model_copy(update={"name": name, "columns": {**known, **told}})
    return replace(report, description=report.description.model_copy(update={"tables": {name: rooms}}))


@pytest.fixture
def report(dataset, judged):
    made = judged(dataset)
    assert made.accepted, made.as_text()
    return made


@pytest.fixture
def tables(report, tmp_path):
    """Tables that hold an earlier version of the rooms."""
    made = IcebergTables.local(tmp_path / "tables")
    made.ensure(table_definition("lessons", report.description.tables["rooms"], "silver"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("column", "stored", "wanted"),
    [("size", "number", "string"), ("room", "integer", "number"), ("size", "number", "datetime")],
)
def test_another_type_is_a_finding_with_both_types_and_what_to_do(report, tables, column, stored, wanted):
    held = fitted(with_rooms(report, **{column: {"type": wanted}}), tables.misfits)
    (finding,) = [one for one in held.findings if one.level == "error"]
    assert (finding.code, held.exit_code, held.accepted) == ("COLUMN_RETYPED", 22, False)
    assert finding.place == f"tables/rooms/columns.yaml: {column}"
    assert f"hold '{column}' as {stored}, this one describes it as {wanted}" in finding.message
    assert f"{column}_{wanted}" in finding.how_to_fix
    assert held.rules_version != report.rules_version


def test_what_the_tables_can_take_is_no_finding(report, tables):
    changed = with_rooms(report, size={"required": True}, floor={"type": "integer", "required": True})
    assert fitted(changed, tables.misfits) == changed


def test_a_table_of_another_dataset_is_a_finding(report, tables):
    tables.ensure(table_definition("lessons_s", report.description.tables["rooms"], "bronze"))
    held = fitted(with_rooms(report, name="s_rooms"), tables.misfits)
    (finding,) = [one for one in held.findings if one.level == "error"]
    assert (finding.code, finding.place, held.exit_code) == ("TABLE_NAME_TAKEN", "tables/s_rooms/columns.yaml", 28)
    assert "bronze.lessons_s_rooms belongs to dataset 'lessons_s'" in finding.message


def test_a_column_that_was_renamed_stays_one_column_and_its_old_name_is_told(report, tables):
    rooms = report.description.tables["rooms"]
    columns = {"room": rooms.columns["room"], "floor": rooms.columns["size"].model_copy(update={"formerly": ("size",)})}
    renamed = rooms.model_copy(update={"columns": columns})
    told = replace(report, description=report.description.model_copy(update={"tables": {"rooms": renamed}}))
    assert fitted(told, tables.misfits) == told
    for layer in ("bronze", "silver"):
        tables.ensure(table_definition("lessons", renamed, layer))
    assert tables.read("silver.lessons_rooms").column_names[:2] == ["room", "floor"]
    (finding,) = [one for one in fitted(report, tables.misfits).findings if one.level == "error"]
    assert (finding.code, finding.exit_code) == ("COLUMN_RENAMED", 22)
    assert "renamed 'size' to 'floor'" in finding.message


def test_a_version_that_waits_to_be_stored_is_held_to_as_a_stored_one_is(report):
    waiting = with_rooms(report, size={"type": "integer"}).description
    (finding,) = [one for one in fitted(report, no_tables, [waiting]).findings if one.level == "error"]
    assert (finding.code, finding.place) == ("COLUMN_RETYPED", "tables/rooms/columns.yaml: size")
    assert "Version 1, which is saved and waits to be stored, holds 'size' as integer, this one" in finding.message
    assert "`lakehouse retract lessons@1`" in finding.how_to_fix
    rooms = report.description.tables["rooms"]
    columns = {"room": rooms.columns["room"], "floor": rooms.columns["size"].model_copy(update={"formerly": ("size",)})}
    renamed = report.description.model_copy(update={"tables": {"rooms": rooms.model_copy(update={"columns": columns})}})
    (finding,) = [one for one in fitted(report, no_tables, [renamed]).findings if one.level == "error"]
    assert (finding.code, "renamed 'size' to 'floor'" in finding.message) == ("COLUMN_RENAMED", True)
    later = replace(report, description=renamed)
    assert fitted(later, no_tables, [report.description]) == later


def test_a_version_is_held_to_those_before_it_that_still_wait(report, monkeypatch, tmp_path):
    saved = [DatasetVersion("lessons", str(n), "c" * 40, f"v{n}", f"{n}" * 64, NOW) for n in range(5)]
    known = SimpleNamespace(versions=lambda dataset: saved if dataset == "lessons" else [])
    shelf = SimpleNamespace(
        judge=lambda key: replace(report, content_sha256="3" * 64),
        accepted_report=lambda content: with_rooms(report, size={"type": WAITING[content[0]]}),
    )
    house = SimpleNamespace(tables=SimpleNamespace(misfits=no_tables), objects=LocalObjects(tmp_path / "objects"))
    rows = {
        "gold.loads": [{"dataset": "lessons", "dataset_version": "0", "layer": "silver"}],
        "gold.expectation_results": [{"dataset": "lessons", "dataset_version": "1", "blocked": True}],
    }
    rows["gold.loads"].append({"dataset": "lessons", "dataset_version": "2", "layer": "bronze"})
    monkeypatch.setattr(validate, "read_released", lambda _, table, columns: pa.Table.from_pylist(rows[table.name]))
    held = validate.verdict_on("lessons@3", shelf, house, known)
    assert ["as date" in one.message for one in held.findings if one.level == "error"] == [True]
    retracted(house.objects, "2" * 64, {"version": "lessons@2", "receipt": "r", "reason": "slip"})
    assert validate.verdict_on("lessons@3", shelf, house, known).accepted
    house.objects.delete(house.objects.keys("")[0])
    assert not validate.verdict_on("lessons@3", shelf, house, known).accepted
    rows["gold.loads"][1]["layer"] = "silver"
    assert validate.verdict_on("lessons@3", shelf, house, known).accepted


# 0 is stored, 1 was stopped by a promise, 2 waits, and 4 came later.
WAITING = {"0": "string", "1": "boolean", "2": "date", "4": "datetime"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def no_tables(table):
    return []
