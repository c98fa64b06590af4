"""A version retracted by the command: no byte of its rows is left, its page and its DOI stay."""

import importlib.util
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project.catalogue import library
from dagster_project.cli import lakehouse as command
from dagster_project.identifying import register_doi
from dagster_project.settings import load_settings
from dagster_project.withdrawing import or_retained, told
from lakehouse.archive.withdraw.run import Outcome
from lakehouse.errors import NoVersionError, RetainedError, RetractedError
from lakehouse.storage_ports import Retained

_DOUBLE = Path(__file__).parents[1] / "contract" / "datacite_double.py"
_spec = importlib.util.spec_from_file_location("datacite_double", _DOUBLE)
double = importlib.util.module_from_spec(_spec)
sys.modules["datacite_double"] = double
_spec.loader.exec_module(double)

NEEDLE = "ZQX7731NOTE"
DATASET = """\
eds_version: "1.0"
name: notes
version: "{version}"
title: Notes
description: Notes of a class.
accumulates: snapshots
licence: CC-BY-4.0
publisher: A School
"""
COLUMNS = """\
description: Notes.
grain: one row per note
primary_key: [number]
columns:
  number: {type: integer, description: Number of the note, required: true}
  note: {type: string, description: What was noted}
"""
COLLECTION = "title: Stories\ndescription: Told in class.\n"


def hand_in(bench, given, version, note):
    folder = given / f"notes-{version}"
    (folder / "tables" / "notes").mkdir(parents=True)
    (folder / "texts" / "stories").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(DATASET.format(version=version))
    (folder / "tables" / "notes" / "columns.yaml").write_text(COLUMNS)
    (folder / "tables" / "notes" / "notes.csv").write_text(f"number,note\n1,{note}\n")
    (folder / "texts" / "stories" / "collection.yaml").write_text(COLLECTION)
    (folder / "texts" / "stories" / f"{version}.txt").write_text(f"A story of {note} told in {version}.\n")
    outcome = bench.loop.store(bench.arrive(folder))
    assert outcome.success, outcome.failure


def holding(home):
    """Return the files that hold the needle as plain bytes; Parquet and git objects have tests of their own."""
    return sorted(
        path.relative_to(home).as_posix()
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and NEEDLE.encode() in path.read_bytes()
    )


def run(bench, environment, *words):
    done = CliRunner().invoke(command, list(words), env=environment)
    if done.exception is not None:
        raise done.exception
    return done.output


def environment_of(home, registry):
    return {
        "LAKEHOUSE_HOME": str(home),
        "LAKEHOUSE_STORAGE": "folder",
        "LAKEHOUSE_CATALOGUE_URL": "https://data.example.org",
        "LAKEHOUSE_DATACITE_URL": registry.url,
        "LAKEHOUSE_DATACITE_REPOSITORY": double.REPOSITORY,
        "LAKEHOUSE_DATACITE_PASSWORD": double.PASSWORD,
        "LAKEHOUSE_DATACITE_PREFIX": double.PREFIX,
    }


def assert_the_flow_goes_on(bench):
    """The other version changes nothing, the removed one is not taken again."""
    again = bench.loop.store("notes@1")
    assert (again.success, again.exit_code) == (False, RetractedError.exit_code)
    assert bench.loop.store("notes@2").success
    assert [row["note"] for row in bench.rows("silver.notes_notes")] == ["harmless"]
    assert [row["note"] for row in bench.rows("bronze.notes_notes")] == ["harmless"]
    assert bench.shelf.waiting() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_retracted_version_leaves_its_page_its_identifiers_and_no_rows(bench, tmp_path_factory):
    given = tmp_path_factory.mktemp("given")
    for version, note in (("1", NEEDLE), ("2", "harmless")):
        hand_in(bench, given, version, note)
    home = bench.settings.home
    assert any(name.startswith("dagster/") for name in holding(home)), "Dagster's pages quote rows"
    with double.registry() as registry:
        environment = environment_of(home, registry)
        settings = load_settings(environment)
        doi = register_doi(settings, "notes@1", "findable").doi
        order = ("retract", "notes@1", "--reason", "published without permission", "--by", "A. Keeper")
        assert "would remove the data of notes@1 (notes 1, stories 1)" in run(bench, environment, *order, "--dry-run")
        answer = run(bench, environment, *order)
        assert registry.dois[doi]["state"] == "registered"
        with pytest.raises(RetractedError, match="not findable"):
            register_doi(settings, "notes@1", "findable")
    assert answer.startswith("removed the data of notes@1 (notes 1, stories 1)\nreceipt r2")
    assert holding(home) == []
    assert [row["note"] for row in bench.rows("silver.notes_notes")] == ["harmless"]

    shown = library(bench.settings)
    shown.refresh()
    first, second = shown.holdings.versions["notes"]
    assert (first.removal.reason, first.removal.decided_by) == ("published without permission", "A. Keeper")
    assert (second.removal, shown.holdings.newest("notes").label) == (None, "2")
    assert {shown.holdings.identifiers[name] for name in (doi,)} == {("notes", "1")}
    told = run(bench, environment, "explain", "notes@1")
    assert "GONE: its data were removed on" in told
    assert "by A. Keeper: published without permission" in told
    assert "publisher: A School" in told
    assert "notes@1 was removed before, receipt r" in run(bench, environment, *order)
    with pytest.raises(NoVersionError):
        run(bench, environment, "retract", "notes@7", "--reason", "r", "--by", "b")
    assert_the_flow_goes_on(bench)


def test_what_a_lock_keeps_is_told_with_an_exit_code_of_its_own():
    kept = Retained("lake", "releases/1.json", "v1", "2027-01-01T00:00:00+00:00")
    outcome = Outcome(None, "w1", Path("w1.json"), carried_out=False, retained=(kept,))
    with pytest.raises(RetainedError, match="version v1: not removed until 2027-01-01"):
        or_retained(outcome, told(outcome))
