"""Packages of other standards become datasets: what they say is kept, and every doubt is a finding."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lakehouse.archive import inbox
from lakehouse.archive.eds import load_description
from lakehouse.archive.landing import land
from lakehouse.archive.metadata.licence_names import spdx
from tests.unit.archive.metadata.packages import ROWS, Build, Judge, resource, rows, said, schema


def test_a_package_is_accepted_as_it_is(build: Build, judge: Judge):
    report = judge(build())
    assert report.accepted, report.as_text()
    assert (report.dataset, report.dataset_version, report.table_rows) == ("lessons", "1.0", {"lessons": 2})
    assert rows(judge.folder, "lessons") == [{"lesson": 1, "subject": "maths"}, {"lesson": 2, "subject": "art"}]


def test_the_descriptor_stays_and_the_record_says_what_was_done(build: Build, judge: Judge):
    source = build()
    judge(source)
    assert (judge.folder / "datapackage.json").read_bytes() == (source / "datapackage.json").read_bytes()
    assert (judge.folder / "tables/lessons/lessons.csv").read_bytes() == (source / "data/lessons.csv").read_bytes()
    assert not (judge.folder / "data").exists()
    record = json.loads((judge.folder / "import.json").read_text())
    (step,) = record["files"]
    assert (step["from"], step["to"], step["how"]) == ("data/lessons.csv", "tables/lessons/lessons.csv", "moved")


def test_a_zip_with_the_folder_inside_is_accepted(build: Build, judge: Judge, tmp_path: Path):
    source = build()
    packed = tmp_path / "package.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in source.rglob("*"):
            archive.write(path, f"lessons/{path.relative_to(source).as_posix()}")
    assert judge(packed).accepted
    assert inbox.arrival(packed).key == inbox.arrival(source).key == "lessons@1.0"


def test_landing_again_gives_the_same_content(build: Build, tmp_path: Path):
    first, again = (land(build(), tmp_path / name).content_sha256 for name in ("one", "two"))
    assert first == again


def test_a_dataset_with_a_description_of_its_own_is_left_alone(build: Build, tmp_path: Path, everything: Path):
    shutil.copy(build() / "datapackage.json", everything / "datapackage.json")
    landed = land(everything, tmp_path / "landed")
    assert load_description(landed.folder).title.startswith("Lessons & rooms")
    assert not (landed.folder / "import.json").exists()


def test_what_is_missing_is_a_finding(build: Build, judge: Judge):
    assert said(judge(build({"version": None})), "FIELD_MISSING") == [
        "The field 'version' is missing from dataset.yaml."
    ]
    assert said(judge(build({"licenses": None})), "LICENCE_MISSING")
    report = judge(build({"description": None}))
    assert report.accepted
    assert any("the title stands for the description" in text for text in said(report, "PACKAGE_VALUE_ASSUMED"))


@pytest.mark.parametrize(
    ("path", "code", "exit_code"),
    [
        ("https://example.org/lessons.csv", "PACKAGE_DATA_REMOTE", 18),
        ("s3://bucket/lessons.csv", "PACKAGE_DATA_REMOTE", 18),
        ("//example.org/lessons.csv", "PACKAGE_DATA_REMOTE", 18),
        ("file:///etc/passwd", "PACKAGE_DATA_REMOTE", 18),
        ("../outside.csv", "PACKAGE_PATH_UNSAFE", 13),
        ("data/../../outside.csv", "PACKAGE_PATH_UNSAFE", 13),
        ("data\\..\\..\\outside.csv", "PACKAGE_PATH_UNSAFE", 13),
        ("/etc/passwd", "PACKAGE_PATH_UNSAFE", 13),
        ("~/lessons.csv", "PACKAGE_PATH_UNSAFE", 13),
        ("data/none.csv", "PACKAGE_FILE_MISSING", 18),
        (None, "PACKAGE_INVALID", 18),
        (["data/lessons.csv", 7], "PACKAGE_INVALID", 18),
    ],
)
def test_data_that_are_not_in_the_package_refuse_it(
    build: Build, judge: Judge, tmp_path: Path, path: object, code: str, exit_code: int
):
    (tmp_path / "outside.csv").write_text(ROWS)
    report = judge(build(resource(path=path)))
    assert not report.accepted
    (finding,) = [each for each in report.findings if each.code == code]
    assert finding.exit_code == exit_code
    assert report.table_rows == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"name": "lessons",}', "no JSON"),
        (b"[1]", "the file must hold one JSON object"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": "lessons", "version": "1"}', "there is no resource in the package"),
        (b'{"name": "lessons", "resources": 7}', "there is no resource in the package"),
    ],
)
def test_a_broken_descriptor_is_a_finding(build: Build, judge: Judge, body: bytes, reason: str):
    source = build()
    (source / "datapackage.json").write_bytes(body)
    report = judge(source)
    assert not report.accepted
    assert any(reason in text for text in said(report, "PACKAGE_INVALID")), report.as_text()


def test_names_that_no_column_may_have_are_changed_and_told(build: Build, judge: Judge):
    fields = [{"name": n, "type": "string", "description": n} for n in ("Country Name", "country-name", "639", "été")]
    source = build(schema(*fields), {"data/lessons.csv": "Country Name,country-name,639,été\na,b,c,d\n".encode()})
    report = judge(source)
    assert report.accepted, report.as_text()
    row = {"country_name": "a", "country_name_2": "b", "column_639": "c", "ete": "d"}
    assert rows(judge.folder, "lessons") == [row]
    assert any("column '639' is called 'column_639'" in text for text in said(report, "PACKAGE_NAME_CHANGED"))
    assert json.loads((judge.folder / "import.json").read_text())["files"][0]["how"] == "rewritten"


@pytest.mark.parametrize(
    ("dialect", "encoding", "body"),
    [
        ({"delimiter": "^"}, None, b"lesson^subject\n1^maths\n2^a,b\n"),
        ({"csv": {"delimiter": "^"}}, None, b"lesson^subject\n1^maths\n2^a,b\n"),
        ({"quoteChar": "'"}, None, b"lesson,subject\n1,maths\n2,'a,b'\n"),
        ({"escapeChar": "\\"}, None, b"lesson,subject\n1,maths\n2,a\\,b\n"),
        ({"skipInitialSpace": True}, None, b'lesson, subject\n1, maths\n2, "a,b"\n'),
        ({"header": False}, None, b'1,maths\n2,"a,b"\n'),
        ({"commentChar": "#"}, None, b'# so\nlesson,subject\n1,maths\n# it is\n2,"a,b"\n'),
        ({}, "utf-16", 'lesson,subject\n1,maths\n2,"a,b"\n'.encode("utf-16")),
    ],
)
def test_other_ways_of_writing_are_read(
    build: Build, judge: Judge, dialect: dict[str, Any], encoding: str | None, body: bytes
):
    report = judge(build(resource(dialect=dialect, encoding=encoding), {"data/lessons.csv": body}))
    assert report.accepted, report.as_text()
    assert rows(judge.folder, "lessons") == [{"lesson": 1, "subject": "maths"}, {"lesson": 2, "subject": "a,b"}]


def test_letters_of_another_encoding_are_kept(build: Build, judge: Judge):
    source = build(resource(encoding="ISO-8859-1"), {"data/lessons.csv": "lesson,subject\n1,été\n".encode("latin-1")})
    assert judge(source).accepted
    assert rows(judge.folder, "lessons") == [{"lesson": 1, "subject": "été"}]


def test_a_file_that_is_not_what_it_is_said_to_be_is_a_finding(build: Build, judge: Judge):
    source = build(resource(encoding="ascii"), {"data/lessons.csv": "lesson,subject\n1,été\n".encode("latin-1")})
    report = judge(source)
    assert said(report, "PACKAGE_FILE_UNREADABLE")
    assert "été" not in report.to_json()


def test_inline_data_become_a_table(build: Build, judge: Judge):
    data = [{"lesson": 1, "subject": "maths"}, {"lesson": 2, "subject": None}]
    assert judge(build(resource(path=None, data=data))).accepted
    assert rows(judge.folder, "lessons") == [{"lesson": 1, "subject": "maths"}, {"lesson": 2, "subject": None}]


def test_text_files_become_a_collection_and_others_are_kept(build: Build, judge: Judge):
    resources = [
        {"name": "notes", "path": "notes.txt", "title": "Notes"},
        {"name": "map", "path": "map.geojson"},
    ]
    report = judge(build({"resources": resources}, {"notes.txt": b"It rained.\n", "map.geojson": b"{}"}))
    assert report.accepted, report.as_text()
    assert report.document_count == 1
    assert said(report, "PACKAGE_PART_LEFT_OUT")
    assert (judge.folder / "map.geojson").read_bytes() == b"{}"


def test_a_record_that_is_none_is_a_finding(everything: Path, judge: Judge):
    (everything / "import.json").write_text('{"remarks": 7}')
    assert said(judge(everything), "IMPORT_RECORD_UNREADABLE")


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0/es/", "CC-BY-SA-3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://spdx.org/licenses/MIT.html", "MIT"),
        ("https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("ODC-PDDL-1.0", "PDDL-1.0"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("my own", "my own"),
        ("https://example.org/licence", "https://example.org/licence"),
    ],
)
def test_licences_by_name_and_address(stated: str, licence: str):
    assert spdx(stated) == licence
