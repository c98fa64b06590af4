"""RO-Crates, judged by the community's validator without a network."""

import json
from pathlib import Path

import pytest

from lakehouse.archive.metadata import ro_crate
from lakehouse.archive.metadata.package import write_package
from lakehouse.archive.metadata.source import record_of
from tests.conformance import crates

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# What a description may leave unsaid: the address of an organisation, and who publishes.
UNSAID = {
    "The organization SHOULD have a URL.",
    "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crates.warm_cache(tmp_path_factory.mktemp("crates") / "cache")


def test_every_package_is_a_crate(folder: Path, tmp_path: Path, cache: Path):
    write_package(record_of(folder), "ro-crate", tmp_path / "crate", data=folder)
    result = crates.validate(tmp_path / "crate", cache, severity="RECOMMENDED")
    assert {issue.message for issue in result.get_issues()} <= UNSAID


def test_a_missing_file_is_found(everything: Path, tmp_path: Path, cache: Path):
    write_package(record_of(everything), "ro-crate", tmp_path / "crate", data=everything)
    (tmp_path / "crate/tables/rooms/rooms.csv").unlink()
    result = crates.validate(tmp_path / "crate", cache)
    assert not result.passed()
    assert any("rooms.csv" in issue.message for issue in result.get_issues())


def test_the_graph_names_people_sources_and_making(everything: Path):
    graph = {node["@id"]: node for node in ro_crate.document(record_of(everything))["@graph"]}
    assert graph["https://orcid.org/0000-0002-1825-0097"]["@type"] == "Person"
    assert graph["#making"]["instrument"] == {"@id": "#software-timetable%204.2"}
    assert graph["https://doi.org/10.5281/zenodo.1"]["@type"] == "CreativeWork"
    assert graph["tables/lessons/lessons%202024.csv"]["description"] == "Lessons held."
    referred = {
        link["@id"]
        for value in graph["./"].values()
        for link in (value if isinstance(value, list) else [value])
        if isinstance(link, dict)
    }
    assert referred <= set(graph)


def test_metadata_alone_name_the_same_files(everything: Path):
    document = json.loads(ro_crate.export(record_of(everything))["ro-crate-metadata.json"])
    parts = next(node for node in document["@graph"] if node["@id"] == "./")["hasPart"]
    assert len(parts) == len(record_of(everything).files)
