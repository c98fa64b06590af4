"""Croissant is adopted, and a dataset survives the way through other standards."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.archive import inbox
from lakehouse.archive.eds import Description, load_description
from lakehouse.archive.landing import land
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.metadata.croissant_reader import contexts_elsewhere, verdict
from lakehouse.archive.metadata.forms import export
from lakehouse.archive.metadata.source import record_of
from tests.unit.archive.metadata.packages import Judge, said

croissant = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@croissant
def test_a_croissant_package_is_accepted(everything: Path, judge: Judge):
    source = undescribed(everything, "croissant")
    report = judge(source)
    assert "PACKAGE_INVALID" not in {each.code for each in report.findings}
    assert report.table_rows["lessons"] == 4
    assert inbox.arrival(source).key == "lessons@2024.1"


@croissant
def test_people_whose_consent_is_asked_elsewhere_do_not_come_in_without_it(everything: Path, judge: Judge):
    source = undescribed(everything, "croissant")
    path = source / "croissant.json"
    assert any("Pupils of the school" in text for text in said(judge(source), "PACKAGE_CONSENT_UNTOLD"))
    document = json.loads(path.read_text())
    document["rai:personalSensitiveInformation"] = ["ground for holding them: public task", "marks.a: secret"]
    path.write_text(json.dumps(document))
    assert said(judge(source), "PACKAGE_CONSENT_UNTOLD") == []


@croissant
def test_a_faulty_croissant_is_a_finding(everything: Path, judge: Judge):
    source = undescribed(everything, "croissant")
    path = source / "croissant.json"
    document = json.loads(path.read_text())
    document["recordSet"][0]["field"][0]["source"]["fileObject"] = {"@id": "nowhere"}
    path.write_text(json.dumps(document))
    report = judge(source)
    assert not report.accepted
    assert any("nowhere" in text for text in said(report, "PACKAGE_INVALID"))


@croissant
def test_a_context_that_lies_elsewhere_is_not_fetched():
    document = {
        "@context": ["https://example.org/context", {"@import": "https://example.org/more"}],
        "@type": "Dataset",
    }
    judged = verdict(document)
    assert judged.metadata is None
    assert sorted(contexts_elsewhere(document)) == ["https://example.org/context", "https://example.org/more"]
    assert contexts_elsewhere({"@context": {"a": "b"}, "x": [{"@context": "https://example.org"}]})


def undescribed(folder: Path, form: str) -> Path:
    """Turn a dataset into a package of another standard: its metadata in that form, without its own descriptions."""
    for name, body in export(record_of(folder), form).items():
        (folder / name).write_bytes(body)
    for name in ("dataset.yaml", "columns.yaml", "collection.yaml", "log.yaml"):
        for path in folder.rglob(name):
            path.unlink()
    return folder


def told(description: Description) -> dict[str, Any]:
    """Return all that a description says, files apart."""
    return description.model_dump(mode="json", exclude_defaults=True)


def test_a_dataset_survives_the_way_through_a_data_package(everything: Path, tmp_path: Path):
    before = told(load_description(everything))
    landed = land(undescribed(everything, "frictionless"), tmp_path / "landed")
    after = told(load_description(landed.folder))
    # The language of one collection has no word there.
    assert before["texts"]["sheets"].pop("language") == "en"
    assert after == before


@croissant
def test_a_dataset_survives_the_way_through_croissant(everything: Path, tmp_path: Path):
    before = told(load_description(everything))
    # In a child, as it comes: with what the library for Croissant needs.
    landed = land_in_child(undescribed(everything, "croissant"), tmp_path / "landed")
    after = told(load_description(landed.folder))
    for field in (
        "name",
        "version",
        "title",
        "description",
        "licence",
        "creators",
        "publisher",
        "keywords",
        "language",
    ):
        assert after[field] == before[field], field
    for field in ("source_url", "derived_from", "temporal_coverage", "spatial_coverage"):
        assert after[field] == before[field], field
    assert after["provenance"]["how_made"] == before["provenance"]["how_made"]
    assert after["terms"] == before["terms"]
    assert after["tables"].keys() == before["tables"].keys()
    assert after["texts"].keys() == before["texts"].keys()
    assert after["events"] == before["events"]
    for name, table in before["tables"].items():
        found = after["tables"][name]
        assert {key: found.get(key) for key in ("description", "grain", "primary_key")} == {
            key: table.get(key) for key in ("description", "grain", "primary_key")
        }
        for column, stated in table["columns"].items():
            # Words for missing values make a column text for Croissant's readers.
            kind = "string" if stated.get("missing_codes") else stated["type"]
            levels = stated.get("levels")
            wanted = {
                "type": kind,
                "description": stated["description"],
                "unit": stated.get("unit"),
                "references": stated.get("references"),
                "role": stated.get("role"),
                "levels": {code: code for code in levels} if isinstance(levels, list | tuple) else levels,
            }
            assert {key: found["columns"][column].get(key) for key in wanted} == wanted, (name, column)
