"""DataCite metadata against the JSON schema of the ``datacite`` client, widened by what version 4.6 adds."""

import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from lakehouse.archive.metadata import datacite
from lakehouse.archive.metadata.source import Record, record_of

NAMESPACE = "{http://datacite.org/schema/kernel-4}"
# What 4.6 adds to 4.5, after the revision history in DataCite's own metadata.xsd of 2024-12-05.
ADDED_IN_4_6 = {
    "resourceTypeGeneral": ["Award", "Project"],
    "relatedIdentifierType": ["CSTR", "RRID"],
    "contributorType": ["Translator"],
    "relationType": ["HasTranslation", "IsTranslationOf"],
    "dateType": ["Coverage"],
}


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    body = (Path(__file__).parent / "schemas" / "datacite-v4.5.json").read_text(encoding="utf-8")
    document = copy.deepcopy(json.loads(body))
    for name, values in ADDED_IN_4_6.items():
        document["definitions"][name]["enum"] += values
    return document


def faults(document: object, schema: dict[str, object]) -> list[str]:
    return [error.message for error in jsonschema.Draft201909Validator(schema).iter_errors(document)]


def test_every_dataset_fits_the_schema(record: Record, schema: dict[str, object]):
    written = datacite.export(record)
    assert faults(json.loads(written["datacite.json"]), schema) == []


def test_a_stored_version_with_every_field_fits(
    everything: Path, published: Callable[[Path], Record], schema: dict[str, object]
):
    document = json.loads(datacite.export(published(everything))["datacite.json"])
    assert faults(document, schema) == []
    assert document["doi"] == "10.5072/lessons.1"
    assert document["publicationYear"] == "2025"
    assert {"date": "2023-08/2024-07-31", "dateType": "Coverage"} in document["dates"]
    assert [each["alternateIdentifierType"] for each in document["alternateIdentifiers"]][:2] == ["ARK", "URN"]
    related = {
        (e["relatedIdentifier"], e["relatedIdentifierType"], e["relationType"]) for e in document["relatedIdentifiers"]
    }
    assert ("10.1234/other", "DOI", "IsDerivedFrom") in related
    assert ("10.5281/zenodo.1", "DOI", "IsDerivedFrom") in related
    assert ("https://example.org/lessons", "URL", "IsDerivedFrom") in related
    assert document["relatedItems"][0]["titles"][0]["title"] == "A book without an identifier"
    assert document["fundingReferences"][0]["funderIdentifierType"] == "Crossref Funder ID"
    assert document["creators"][0]["nameType"] == "Personal"
    assert document["creators"][1]["nameIdentifiers"][0]["nameIdentifierScheme"] == "ROR"
    assert document["rightsList"][0]["rightsIdentifier"] == "cc-by-4.0"


def test_the_schema_refuses_a_wrong_document(everything: Path, schema: dict[str, object]):
    document = datacite.document(record_of(everything))
    assert faults({**document, "publicationYear": "soon"}, schema)
    assert faults({**document, "creators": []}, schema)


def test_what_nobody_said_is_unavailable(everything: Path, schema: dict[str, object]):
    path = everything / "dataset.yaml"
    kept = [
        line for line in path.read_text().splitlines() if not line.startswith(("publisher", "creators", "  - {name"))
    ]
    path.write_text("\n".join(line for line in kept if "timetable, version" not in line and line != "  software:"))
    document = datacite.document(record_of(everything))
    assert document["creators"] == [{"name": "(:unav)"}]
    assert document["publisher"] == {"name": "(:unav)"}
    assert faults(document, schema) == []


def test_xml_says_what_the_json_says(everything: Path, published: Callable[[Path], Record]):
    written = datacite.export(published(everything))
    document = json.loads(written["datacite.json"])
    root = ET.fromstring(written["datacite.xml"])

    def texts(path: str) -> list[str | None]:
        return [e.text for e in root.findall("/".join(NAMESPACE + step for step in path.split("/")))]

    assert root.tag == f"{NAMESPACE}resource"
    assert texts("identifier") == [document["doi"]]
    assert texts("titles/title") == ['Lessons & rooms <of> a "school"']
    assert texts("creators/creator/creatorName") == [c["name"] for c in document["creators"]]
    assert texts("subjects/subject") == [s["subject"] for s in document["subjects"]]
    assert texts("dates/date") == [d["date"] for d in document["dates"]]
    assert texts("rightsList/rights") == [r["rights"] for r in document["rightsList"]]
    assert texts("relatedIdentifiers/relatedIdentifier") == [
        r["relatedIdentifier"] for r in document["relatedIdentifiers"]
    ]
    assert texts("relatedItems/relatedItem/titles/title") == [i["titles"][0]["title"] for i in document["relatedItems"]]
    assert texts("fundingReferences/fundingReference/funderName") == ["A Fund", "Another Fund"]
    assert texts("descriptions/description") == [d["description"] for d in document["descriptions"]]


def test_xml_without_a_doi_waits_for_one(record: Record):
    root = ET.fromstring(datacite.export(record)["datacite.xml"])
    assert root.findtext(f"{NAMESPACE}identifier") == "(:tba)"
