"""`lakehouse policy check`: each decision with its reason, and an exit code for scripts."""

import datetime as dt

import pyarrow as pa
import pytest

from dagster_project.cli import main
from dagster_project.permitting import check
from dagster_project.settings import load_settings
from dagster_project.wiring import ensure_folders, lakehouse
from lakehouse.archive.eds import Description
from lakehouse.archive.terms import terms_rows
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import PurposeError
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import write_audit_publish

COLUMN = {"type": "string", "description": "A column."}
CONSENT = {"basis": "consent", "table": "answers", "subject": "pupil", "purpose": "purpose", "given": "given"}


@pytest.fixture
def settings(tmp_path):
    """A lakehouse in a folder that has published the terms of one dataset."""
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    ensure_folders(settings)
    columns = {"pupil": COLUMN, "name": {**COLUMN, "role": "direct_identifier"}}
    answers = {"pupil": COLUMN, "purpose": COLUMN, "given": {**COLUMN, "type": "boolean"}}
    tables = {
        name: {"name": name, "description": "D.", "grain": "G.", "columns": columns}
        for name, columns in {"marks": columns, "answers": answers}.items()
    }
    description = Description.model_validate(
        {
            "eds_version": "1.0", "name": "school", "version": "1", "title": "T", "description": "D",
            "accumulates": "waves", "licence": "CC-BY-4.0", "tables": tables, "consent": CONSENT,
            "subjects": {"pupil": {"description": "P.", "identifiers": ["marks.pupil"]}},
            "terms": {"purposes": ["research"], "attribution": "By [us]."},
        }
    )  # fmt: skip
    version = DatasetVersion("school", "1", "c" * 40, "v1", "0" * 64, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    write = TableWrite(TERMS, terms_rows(description, version))
    write_audit_publish(lakehouse(settings), [write], key="t", provenance=Provenance(run_id="t", code_commit="c"))
    return settings


def test_what_is_permitted_is_shown_with_rows_columns_and_duties(settings, capsys):
    assert check(settings, "lakehouse", "education_research", "school") == 0
    said = capsys.readouterr().out
    assert "permitted school/marks: its terms permit research\n" in said
    assert "    rows: only subjects who agreed, as answers says\n" in said
    assert "    empty columns: name\n" in said
    assert "    asked in return: attribution; print: By [us].\n" in said


def test_what_is_denied_has_an_exit_code_only_when_it_was_asked_for(settings, capsys):
    assert check(settings, "lakehouse", "teaching", "school") == 29
    assert check(settings, "lakehouse", "teaching", None) == 0
    assert capsys.readouterr().out.count("denied school/marks: its terms permit research, operations\n") == 2
    assert check(settings, "lakehouse", "teaching", "nothing") == 29


def test_a_purpose_that_is_not_the_users_is_an_error(settings):
    with pytest.raises(PurposeError, match="user anyone may not ask for commercial"):
        check(settings, "anyone", "commercial", "school")


def test_the_command_needs_a_user_and_a_purpose(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["policy", "check", "school"])
    assert ended.value.code == 2
    assert "--user" in capsys.readouterr().err


RULES = """
users: {ada: {purposes: [any], default_purpose: research, roles: [reader]}}
roles: {reader: [registered]}
tables:
  school_marks:
    dimensions: [regoin, form, name, pupil]
    masks: {phone: empty}
    rows: {reader: {town: [Ely]}}
  school_lessons: {dimensions: [form]}
"""


def test_rules_that_name_nothing_are_told(settings, capsys):
    (settings.home / "policy.yaml").write_text(RULES)
    marks = pa.table({"pupil": ["p1"], "name": ["N"], "form": ["7a"]})
    columns = tuple(Column(name, pa.string(), "A column.") for name in marks.column_names)
    table = TableDefinition("silver.school_marks", "one row", columns, key=("pupil",), dataset="school")
    house, made = lakehouse(settings), Provenance(run_id="t", code_commit="c")
    write_audit_publish(house, [TableWrite(table, marks)], key="marks", provenance=made)
    there = "which is no column of it; there are pupil, name, form"
    nothing = "by which nothing is grouped: it"
    of_marks = [
        f"tables.school_marks.dimensions names 'regoin', {there}",
        f"tables.school_marks.masks names 'phone', {there}",
        f"tables.school_marks.rows names 'town', {there}",
        f"tables.school_marks.dimensions names 'name', {nothing} is empty for whoever sees groups only",
        f"tables.school_marks.dimensions names 'pupil', {nothing} says who a row is about",
    ]

    def told(dataset):
        check(settings, "ada", "research", dataset)
        begin = "without effect policy.yaml: "
        return [one.removeprefix(begin) for one in capsys.readouterr().out.splitlines() if one.startswith(begin)]

    assert told("school") == of_marks
    assert told(None) == [*of_marks, "tables.school_lessons names no table that is published"]
