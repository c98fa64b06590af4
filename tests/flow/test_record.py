"""A version's record: made once on its way to the tables, made anew when its content, its names or its DOI change."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from dagster_project.catalogue import library
from dagster_project.exporting import export_to
from dagster_project.identifying import register_doi
from dagster_project.settings import load_settings
from dagster_project.wiring import lakehouse, naming
from dagster_project.withdrawing import withdraw_subject
from lakehouse.archive.withdraw.search import Request
from lakehouse.ark import is_whole
from lakehouse.errors import NoVersionError, UnknownSettingError

_DOUBLE = Path(__file__).parents[1] / "contract" / "datacite_double.py"
_spec = importlib.util.spec_from_file_location("datacite_double", _DOUBLE)
double = importlib.util.module_from_spec(_spec)
sys.modules["datacite_double"] = double
_spec.loader.exec_module(double)

DATASET = """\
eds_version: "1.0"
name: marks
version: "{version}"
title: Marks
description: Marks of pupils.
accumulates: snapshots
licence: CC-BY-4.0
publisher: A School
subjects:
  pupil: {{description: Pupils of the school, identifiers: [marks.pupil]}}
"""
COLUMNS = """\
description: Marks.
grain: one row per pupil
primary_key: [pupil]
columns:
  pupil: {type: integer, description: Number of the pupil, required: true}
  mark: {type: integer, description: Mark}
"""
FILES = {
    "croissant": "croissant.json",
    "croissant-1.1": "croissant.json",
    "frictionless": "datapackage.json",
    "ro-crate": "ro-crate-metadata.json",
    "datacite": "datacite.xml",
    "schema-org": "schema-org.json",
}


@pytest.fixture
def hand_in(bench, tmp_path):
    def submit(version, rows, columns=COLUMNS):
        folder = tmp_path / f"marks-{version}"
        (folder / "tables" / "marks").mkdir(parents=True)
        (folder / "dataset.yaml").write_text(DATASET.format(version=version))
        (folder / "tables" / "marks" / "columns.yaml").write_text(columns)
        (folder / "tables" / "marks" / "marks.csv").write_text("pupil,mark\n" + "".join(f"{p},{m}\n" for p, m in rows))
        outcome = bench.loop.store(bench.arrive(folder))
        assert outcome.success, outcome.failure
        return f"marks@{version}"

    return submit


def record_of(bench, row):
    key = f"records/{row['dataset']}/{row['dataset_version']}/{row['record_sha256'][:12]}/record.json"
    return json.loads(lakehouse(bench.settings).objects.get(key))


def newest(bench, version):
    rows = [row for row in bench.rows("archive.records") if row["dataset_version"] == version]
    return max(rows, key=lambda row: row["recorded_at"])


def test_versions_get_identifiers_records_and_a_changelog(bench, hand_in, tmp_path):
    hand_in("1", [(1, 5), (2, 6)])
    hand_in("2", [(1, 5), (2, 6), (3, 7)], COLUMNS.replace("Mark}", 'Mark, unit: "1"}'))
    names = {row["identifier"]: (row["dataset"], row["dataset_version"]) for row in bench.rows("archive.identifiers")}
    assert sorted(names.values(), key=str) == [("marks", "1"), ("marks", "2"), ("marks", None)]
    assert all(is_whole(name) for name in names)
    told = record_of(bench, newest(bench, "2"))
    assert told["identifiers"]["version"] in names
    assert [(one["kind"], one["place"]) for one in told["changes"]] == [
        ("column_changed", "marks.mark"),
        ("rows_changed", "marks"),
    ]
    shown = library(bench.settings)
    assert shown.refresh()
    assert [one.label for one in shown.holdings.versions["marks"]] == ["1", "2"]
    assert shown.fault is None
    one, row = shown.holdings.find("marks", "1"), newest(bench, "1")
    for form, file in FILES.items():
        assert row["version_identifier"] in shown.file(one, f"{form}/{file}").decode(), form
    # What the command line writes is what the catalogue answers.
    out, (name,) = export_to(bench.settings, "marks@1", "schema-org", with_data=False, out=tmp_path / "alone")
    assert (out / name).read_bytes() == shown.file(one, f"schema-org/{name}")
    out, _ = export_to(bench.settings, "marks@1", "croissant", with_data=True, out=tmp_path / "whole")
    beside = json.loads((out / "croissant.json").read_text())
    assert row["version_identifier"] in beside["identifier"]
    assert all((out / file["contentUrl"]).is_file() for file in beside["distribution"] if "contentUrl" in file)


def test_the_same_again_and_the_same_content_under_another_label_change_nothing(bench, hand_in):
    key = hand_in("1", [(1, 5)])
    before = bench.state()
    assert bench.loop.store(key).success
    assert bench.state() == before
    hand_in("1b", [(1, 5)])
    assert len(bench.rows("archive.records")) == 1
    assert len(bench.rows("archive.identifiers")) == 2


def test_a_withdrawal_leaves_a_new_record_and_a_page_that_says_so(bench, hand_in):
    hand_in("1", [(987654321, 5), (987654322, 6)])
    before = newest(bench, "1")
    withdraw_subject(
        bench.settings, Request("987654321", kind="pupil", reason="asked by letter", by="a clerk"), dry_run=False
    )
    after = newest(bench, "1")
    assert (before["row_count"], after["row_count"]) == (2, 1)
    assert after["dataset_commit"] != before["dataset_commit"]
    assert after["version_identifier"] == before["version_identifier"]
    told = record_of(bench, after)
    assert told["table_rows"] == {"marks": 1}
    assert told["commit"] == after["dataset_commit"]
    shown = library(bench.settings)
    shown.refresh()
    version = shown.holdings.find("marks", "1")
    assert [(one.kind, one.rows_removed, one.reason) for one in version.withdrawals] == [
        ("pupil", 1, "asked by letter")
    ]
    everything = json.dumps(told) + str([dict(row) for row in bench.rows("archive.records")])
    assert "987654321" not in everything


def test_a_doi_is_reserved_recorded_and_made_findable(bench, hand_in, monkeypatch):
    key = hand_in("1", [(1, 5)])
    with double.registry() as registry:
        settings = load_settings(
            {
                "LAKEHOUSE_HOME": str(bench.settings.home),
                "LAKEHOUSE_STORAGE": "folder",
                "LAKEHOUSE_CATALOGUE_URL": "https://data.example.org",
                "LAKEHOUSE_DATACITE_URL": registry.url,
                "LAKEHOUSE_DATACITE_REPOSITORY": double.REPOSITORY,
                "LAKEHOUSE_DATACITE_PASSWORD": double.PASSWORD,
                "LAKEHOUSE_DATACITE_PREFIX": double.PREFIX,
            }
        )
        done = register_doi(settings, key, "findable")
        assert register_doi(settings, key, "findable") == done
        held = registry.dois[done.doi]
    assert held["state"] == "findable"
    assert held["url"] == "https://data.example.org/datasets/marks/1" == naming(settings).landing_url("marks", "1")
    assert [row["scheme"] for row in bench.rows("archive.identifiers")].count("DOI") == 1
    assert newest(bench, "1")["version_identifier"] == done.doi
    assert record_of(bench, newest(bench, "1"))["identifiers"]["others"] == [done.doi]


def test_a_doi_needs_an_account_an_address_and_a_version(bench, hand_in):
    with pytest.raises(UnknownSettingError, match=r"LAKEHOUSE_DATACITE_URL.*LAKEHOUSE_CATALOGUE_URL"):
        register_doi(bench.settings, "marks@1", "findable")
    account = bench.settings.model_copy(
        update={"datacite_url": "http://127.0.0.1:9", "datacite_repository": "a", "datacite_prefix": "10.1"}
    )
    from pydantic import SecretStr

    account = account.model_copy(update={"datacite_password": SecretStr("b")})
    with pytest.raises(NoVersionError, match="marks@1"):
        register_doi(account, "marks@1", "draft")
