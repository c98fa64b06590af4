"""Packages of Frictionless and Croissant go to their tables as they are, or are refused on record."""

import json
from pathlib import Path

import pytest

from dagster_project.accepting import accept_finding
from tests.conformance.agreement import unpacked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return unpacked("frictionless_examples/frictionless.tar.xz", tmp_path / "frictionless")


@pytest.fixture
def croissants(tmp_path: Path) -> Path:
    return unpacked("croissant_conformance/croissant_0.8_1.0.tar.xz", tmp_path / "croissant")


def findings(bench, dataset: str) -> set[str]:
    return {row["code"] for row in bench.rows("archive.findings") if row["submission"].startswith(f"{dataset}@")}


def test_data_packages_become_tables(bench, packages):
    examples = packages / "example-data-packages"
    for name, key in (
        ("donation-codes", "donation_codes@0.1.0"),
        ("countries-and-currencies", "countries_and_currencies@v0.1.0"),
    ):
        assert bench.arrive(examples / name) == key
        outcome = bench.loop.ingest(key)
        assert outcome.success, outcome.failure
    codes = bench.rows("silver.donation_codes_donation_codes")
    assert [(row["donation_code"], row["description"]) for row in codes] == [
        ("A", "Cash"),
        ("B", "Services"),
        ("C", "Goods"),
    ]
    assert len(bench.rows("silver.countries_and_currencies_currencies")) > 0
    assert {"PACKAGE_NAME_CHANGED", "PACKAGE_VALUE_ASSUMED"} <= findings(bench, "donation_codes")


def test_a_package_without_a_version_is_refused_until_it_has_one(bench, packages):
    package = packages / "example-data-packages" / "periodic-table"
    key = bench.arrive(package)
    assert not bench.loop.ingest(key).success
    assert "FIELD_MISSING" in findings(bench, "period_table")
    path = package / "datapackage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "1.0"}))
    outcome = bench.loop.ingest(bench.arrive(package))
    assert outcome.success, outcome.failure
    rows = {row["symbol"]: row for row in bench.rows("silver.period_table_data")}
    assert (len(rows), rows["He"]["atomic_number"]) == (118, 2)


def test_a_croissant_package_becomes_a_table_once_somebody_answers_for_its_pictures(bench, croissants):
    package = croissants / "datasets" / "1.0" / "coco2014-mini"
    key = bench.arrive(package)
    assert not bench.loop.ingest(key).success
    said = {"place": "data/train2014.zip", "by": "Ada Example", "reason": "pictures of things, looked at one by one"}
    assert accept_finding(bench.settings, key, "PERSONAL_FILE_UNREAD", **said) == 0
    dataset = key.partition("@")[0]
    assert bench.rows(f"silver.{dataset}_split_enums")
    assert {"PACKAGE_PART_LEFT_OUT", "PACKAGE_VALUE_ASSUMED"} <= findings(bench, dataset)


def test_a_croissant_package_with_names_of_people_is_refused(bench, croissants):
    outcome = bench.loop.ingest(bench.arrive(croissants / "datasets" / "1.0" / "titanic"))
    assert not outcome.success
    assert "PERSONAL_NAME" in findings(bench, "titanic")
