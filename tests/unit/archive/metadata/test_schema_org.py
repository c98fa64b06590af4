"""schema.org descriptions: RDF that expands, and the rules of dataset search engines."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

import pytest
import rdflib

from lakehouse.archive.metadata import schema_org
from lakehouse.archive.metadata.source import Record, record_of

# https://developers.google.com/search/docs/appearance/structured-data/dataset, as rules.
REQUIRED = ("name", "description")
RECOMMENDED = (
    "alternateName",
    "citation",
    "creator",
    "distribution",
    "funder",
    "identifier",
    "isAccessibleForFree",
    "keywords",
    "license",
    "measurementTechnique",
    "sameAs",
    "spatialCoverage",
    "temporalCoverage",
    "url",
    "variableMeasured",
    "version",
)


def search_faults(document: dict[str, object]) -> list[str]:
    """Say what a search engine of datasets would report as an error."""
    found = [f"{name} is missing" for name in REQUIRED if not document.get(name)]
    if not 50 <= len(str(document.get("description", ""))) <= 5000:
        found.append("description is not 50 to 5000 characters long")
    for name in ("url", "sameAs", "license"):
        if urlparse(str(document.get(name, "https://x"))).scheme not in ("http", "https"):
            found.append(f"{name} is no address")
    return found + list(part_faults(document))


def part_faults(document: dict[str, object]) -> Iterator[str]:
    for creator in document.get("creator", []):  # type: ignore[attr-defined]
        if creator.get("@type") not in ("Person", "Organization") or not creator.get("name"):
            yield f"creator {creator} is no named person or organisation"
    for download in document.get("distribution", []):  # type: ignore[attr-defined]
        if not download.get("contentUrl") or not download.get("encodingFormat"):
            yield f"{download.get('name')} has no contentUrl or encodingFormat"
    for end in str(document.get("temporalCoverage", "2020")).split("/"):
        date.fromisoformat({4: f"{end}-01-01", 7: f"{end}-01"}.get(len(end), end))


def test_every_dataset_can_be_found(record: Record):
    document = json.loads(schema_org.export(record)["schema-org.json"])
    assert search_faults(document) == []


def test_a_full_description_fills_all_that_is_recommended(everything: Path, published: Callable[[Path], Record]):
    document = schema_org.document(published(everything))
    assert [name for name in RECOMMENDED if name not in document] == []
    assert document["url"] == "https://archive.example.org/lessons/2024.1"
    assert document["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert document["isAccessibleForFree"] is False
    download = next(d for d in document["distribution"] if d["name"].endswith("2024.csv"))  # type: ignore[attr-defined]
    assert download["contentUrl"].endswith("/files/tables/lessons/lessons%202024.csv")
    assert document["creator"][0]["@type"] == "Person"  # type: ignore[index]
    assert document["creator"][1]["@type"] == "Organization"  # type: ignore[index]


def test_the_rules_find_faults():
    assert search_faults({"name": "x", "description": "short", "url": "nowhere"}) == [
        "description is not 50 to 5000 characters long",
        "url is no address",
    ]


def test_a_short_description_is_followed_by_what_is_inside(everything: Path):
    path = everything / "dataset.yaml"
    lines = [
        "description: Lessons." if line.startswith("description:") else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    text = schema_org.document(record_of(everything))["description"]
    assert isinstance(text, str)
    assert "Lessons. " in text
    assert text.endswith("What was opened.")


# rdflib's own parser still uses a class that it calls old.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_it_expands_to_triples(record: Record):
    # The vocabulary is given in place of the address of schema.org's context, which nothing here may fetch.
    document = schema_org.document(record) | {"@context": {"@vocab": "https://schema.org/"}}
    graph = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
    schema = rdflib.Namespace("https://schema.org/")
    dataset = next(graph.subjects(rdflib.RDF.type, schema.Dataset))
    assert str(graph.value(dataset, schema.name)) == record.description.title
    assert len(list(graph.objects(dataset, schema.distribution))) == len(record.files)
    assert len(list(graph.objects(dataset, schema.variableMeasured))) == sum(
        len(table.columns) for table in record.description.tables.values()
    )
    checksums = {str(value) for value in graph.objects(None, schema.sha256)}
    assert checksums == {file.sha256 for file in record.files}


@pytest.mark.parametrize(
    ("licence", "said"),
    [("MIT OR Apache-2.0", "MIT OR Apache-2.0"), ("CC0-1.0", "https://spdx.org/licenses/CC0-1.0")],
)
def test_a_licence_is_an_address_where_there_is_one(everything: Path, licence: str, said: str):
    path = everything / "dataset.yaml"
    path.write_text(path.read_text().replace("licence: CC-BY-4.0", f"licence: {licence}"))
    assert schema_org.document(record_of(everything))["license"] == said
