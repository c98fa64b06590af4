"""Packages of other standards that are hostile: they are described and judged like everything else, or refused."""

import json

import pytest

DEEP = 10_000
RESOURCE = {"name": "t", "path": "t.csv", "schema": {"fields": [{"name": "a", "type": "integer"}]}}


def package(folder, body, name="datapackage.json"):
    folder.mkdir()
    (folder / name).write_text(body if isinstance(body, str) else json.dumps(body))
    (folder / "t.csv").write_text("a\n1\n")
    return folder


@pytest.mark.parametrize("name", ["datapackage.json", "croissant.json"])
@pytest.mark.parametrize(
    "body",
    [
        "[" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        '{"name": "x", "resources": ' + "[" * DEEP + "]" * DEEP + "}",
        '{"@context": {}, "@type": "sc:Dataset", "recordSet": ' + "[" * DEEP + "]" * DEEP + "}",
        '{"name": ' + "9" * 100_000 + "}",
        '{"name": "x", "name": "y", "resources": {}}',
        "",
        "null",
        '"text"',
        "\0",
    ],
    ids=["brackets", "objects", "resources", "records", "number", "twice", "empty", "null", "text", "NUL"],
)
def test_descriptors_that_are_bombs(hostile, tmp_path, name, body):
    outcome = hostile(package(tmp_path / "set", body, name), seconds=30)
    assert outcome.report is not None, outcome.error


@pytest.mark.parametrize(
    "path",
    [
        "../outside.csv",
        "/etc/passwd",
        "http://127.0.0.1:9/x.csv",
        "file:///etc/passwd",
        "a/../../outside.csv",
        "t\0.csv",
        ".",
    ],
)
def test_paths_of_resources_lead_nowhere(hostile, tmp_path, path):
    (tmp_path / "outside.csv").write_text("a\nsecret\n")
    folder = package(tmp_path / "set", {"name": "x", "resources": [{**RESOURCE, "path": path}]})
    outcome = hostile(folder, seconds=30)
    assert "secret" not in outcome.words
    assert "root:" not in outcome.words


def test_very_many_resources_of_one_file(hostile, tmp_path):
    many = [{**RESOURCE, "name": f"t{n}"} for n in range(200)]
    outcome = hostile(package(tmp_path / "set", {"name": "x", "resources": many}))
    assert outcome.forms["short"] < 20_000


def test_records_that_hold_themselves(hostile, tmp_path):
    field = {"@type": "cr:Field", "@id": "r/f", "name": "f", "subField": {"@id": "r/f"}, "references": {"@id": "r/f"}}
    body = {
        "@context": {"cr": "http://mlcommons.org/croissant/", "sc": "https://schema.org/"},
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "x",
        "distribution": [
            {"@type": "cr:FileObject", "@id": "a", "containedIn": {"@id": "b"}, "contentUrl": "t.csv"},
            {"@type": "cr:FileObject", "@id": "b", "containedIn": {"@id": "a"}, "contentUrl": "t.csv"},
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "r", "field": [field, field]}],
    }
    assert hostile(package(tmp_path / "set", body, "croissant.json"), seconds=30).report is not None
