"""Data Packages, validated by Frictionless with their data, and against the profiles of the specification."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.archive.metadata import data_package
from lakehouse.archive.metadata.package import write_package
from lakehouse.archive.metadata.source import Record, record_of

frictionless = pytest.importorskip("frictionless")


def validated(folder: Path, into: Path) -> list[list[object]]:
    """Return the errors of a package with its data.

    JSON lines are read here and handed over as rows: the library reads them only with an extra that is not installed.
    """
    write_package(record_of(folder), "frictionless", into, data=folder)
    descriptor = json.loads((into / "datapackage.json").read_text(encoding="utf-8"))
    for resource in descriptor["resources"]:
        if resource.get("format") == "jsonl":
            lines = (into / resource["path"]).read_text(encoding="utf-8").splitlines()
            resource["data"] = [json.loads(line) for line in lines]
            for name in ("path", "format", "mediatype", "encoding", "bytes", "hash"):
                resource.pop(name)
    package = frictionless.Package.from_descriptor(descriptor, basepath=str(into))
    return package.validate().flatten(["type", "fieldName", "rowNumber", "note"])


def test_what_is_sound_is_valid(folders: dict[str, Path], tmp_path: Path):
    for name in ("college_scorecard", "python_docs"):
        assert validated(folders[name], tmp_path / name) == []


def test_every_field_of_a_description_is_valid(everything: Path, tmp_path: Path):
    assert validated(everything, tmp_path / "package") == []


def test_the_broken_references_of_the_refused_sample_are_found(folders: dict[str, Path], tmp_path: Path):
    errors = validated(folders["course_records"], tmp_path / "package")
    assert {error[0] for error in errors} == {"foreign-key"}
    assert len(errors) == 17


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("1,p1,10,2024-01-31,", "one,p1,10,2024-01-31,", "type-error"),
        ("maths,lecture,A1,1.5", "sports,lecture,A1,1.5", "constraint-error"),
        ("maths,lecture,A1,1.5", "maths,lecture,a1,1.5", "constraint-error"),
        ("2,p1,11,", "2,p1,12,", "foreign-key"),
        ("1,p2,10,", "1,p1,10,", "primary-key"),
        ("unknown", "later", "type-error"),
    ],
)
def test_the_schema_says_what_the_dictionary_says(everything: Path, tmp_path: Path, old: str, new: str, kind: str):
    path = everything / "tables/lessons/lessons 2024.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert kind in {error[0] for error in validated(everything, tmp_path / "package")}


def test_an_altered_file_is_found_by_its_checksum(everything: Path, tmp_path: Path):
    write_package(record_of(everything), "frictionless", tmp_path / "package", data=everything)
    (tmp_path / "package/tables/rooms/rooms.csv").write_text("room;size\n10;50.5\n11;61\n")
    report = frictionless.Package(str(tmp_path / "package/datapackage.json")).validate()
    assert "hash-count" in {error[0] for error in report.flatten(["type"])}


def test_several_files_are_one_resource(everything: Path, tmp_path: Path):
    (everything / "tables/rooms/rooms_2.csv").write_text("room;size\n12;70\n")
    assert validated(everything, tmp_path / "package") == []
    rooms = frictionless.Package(str(tmp_path / "package/datapackage.json")).get_resource("rooms")
    assert [row["room"] for row in rooms.read_rows()] == [10, 11, 12]


def test_own_fields_keep_what_the_form_has_no_word_for(everything: Path, published: Callable[[Path], Record]):
    document = data_package.document(published(everything))
    own = document["eds"]
    assert own["accumulates"] == "waves"
    assert own["consent"]["table"] == "agreements"
    assert own["terms"]["retention_until"] == "2034-07-31"
    assert document["id"] == "https://doi.org/10.5072/lessons.1"
    assert document["licenses"] == [{"name": "CC-BY-4.0", "path": "https://spdx.org/licenses/CC-BY-4.0"}]
    assert document["resources"][0]["path"].startswith("https://archive.example.org/")


@pytest.mark.parametrize("edition", ["1.0", "2.0"])
def test_every_descriptor_fits_the_profiles(record: Record, edition: str, profiles: Path):
    import jsonschema

    document = json.loads(data_package.export(record)["datapackage.json"])
    package = json.loads((profiles / edition / "datapackage.json").read_text(encoding="utf-8"))
    table = json.loads((profiles / edition / "tableschema.json").read_text(encoding="utf-8"))
    errors = [error.message[:200] for error in jsonschema.Draft7Validator(package).iter_errors(document)]
    for resource in document["resources"]:
        schema = resource.get("schema")
        errors += [e.message[:200] for e in jsonschema.Draft7Validator(table).iter_errors(schema)] if schema else []
    assert errors == []
