"""Packages of other standards become datasets: what they say is kept, and every doubt is a finding."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.archive import inbox
from lakehouse.archive.eds import Description, load_description
from lakehouse.archive.landing import land
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.metadata.croissant_reader import contexts_elsewhere, verdict
from lakehouse.archive.metadata.forms import export
from lakehouse.archive.metadata.licence_names import spdx
from lakehouse.archive.metadata.source import record_of
from lakehouse.archive.reading import raw_tables, typed
from lakehouse.archive.validate import Report, validate

PACKAGE: dict[str, Any] = {
    "name": "lessons",
    "title": "Lessons",
    "description": "Which lessons were held.",
    "version": "1.0",
    "licenses": [{"name": "CC-BY-4.0"}],
    "resources": [
        {
            "name": "lessons",
            "path": "data/lessons.csv",
            "description": "Lessons held.",
            "schema": {
                "fields": [
                    {"name": "lesson", "type": "integer", "description": "Number"},
                    {"name": "subject", "type": "string", "description": "Subject"},
                ],
                "primaryKey": "lesson",
            },
        }
    ],
}
ROWS = "lesson,subject\n1,maths\n2,art\n"

Build = Callable[..., Path]
Judge = Callable[[Path], Report]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write a package: the descriptor with some changes, and its files."""

    def make(changes: dict[str, Any] | None = None, files: dict[str, bytes] | None = None) -> Path:
        folder = tmp_path / "package"
        shutil.rmtree(folder, ignore_errors=True)
        for name, body in (files or {"data/lessons.csv": ROWS.encode()}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        descriptor = {**PACKAGE, **(changes or {})}
        text = json.dumps({name: value for name, value in descriptor.items() if value is not None})
        (folder / "datapackage.json").write_text(text)
        return folder

    return make


def resource(**changes: Any) -> dict[str, Any]:
    merged = {**PACKAGE["resources"][0], **changes}
    return {"resources": [{name: value for name, value in merged.items() if value is not None}]}


def schema(*fields: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return resource(schema={"fields": list(fields), **rest})


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def run(source: Path) -> Report:
        landed = land(source, tmp_path / "landed")
        run.folder = landed.folder  # type: ignore[attr-defined]
        return validate(landed.folder, submission="lessons@1.0", content_sha256=landed.content_sha256)

    return run


def said(report: Report, code: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.code == code]


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    description = load_description(folder)
    raw = dict(raw_tables(folder, description))[table]
    return typed(raw, description.tables[table]).to_pylist()


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


def test_constraints_levels_and_missing_values_are_taken_over(build: Build, judge: Judge):
    report = judge(
        build(
            schema(
                {"name": "lesson", "type": "integer", "constraints": {"required": True, "minimum": 1, "maximum": "9"}},
                {"name": "subject", "type": "string", "constraints": {"enum": ["maths", "art"], "minLength": 2}},
                missingValues=["", "-"],
            ),
            {"data/lessons.csv": b"lesson,subject\n1,maths\n-,sports\n10,art\n"},
        )
    )
    columns = load_description(judge.folder).tables["lessons"].columns
    assert (columns["lesson"].minimum, columns["lesson"].maximum, columns["lesson"].required) == (1, 9, True)
    assert columns["lesson"].missing_codes == ("-",)
    assert columns["subject"].levels == ("maths", "art")
    assert {"VALUE_REQUIRED", "VALUE_OUT_OF_RANGE", "VALUE_NOT_A_LEVEL"} <= {each.code for each in report.findings}
    assert any("minLength" in text for text in said(report, "PACKAGE_CONSTRAINT_DROPPED"))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"type": "year"}, "integer"),
        ({"type": "date"}, "date"),
        ({"type": "date", "format": "%d/%m/%Y"}, "string"),
        ({"type": "datetime", "format": "any"}, "datetime"),
        ({"type": "datetime", "format": "%H"}, "string"),
        ({"type": "number"}, "number"),
        ({"type": "number", "decimalChar": ","}, "string"),
        ({"type": "integer", "groupChar": " "}, "string"),
        ({"type": "boolean", "trueValues": ["True"], "falseValues": ["0"]}, "boolean"),
        ({"type": "boolean", "trueValues": ["yes"]}, "string"),
        ({"type": "geopoint"}, "string"),
        ({}, "string"),
    ],
)
def test_types(build: Build, judge: Judge, field: dict[str, Any], kind: str):
    report = judge(build(schema({"name": "lesson", **field}), {"data/lessons.csv": b"lesson\n\n"}))
    assert load_description(judge.folder).tables["lessons"].columns["lesson"].type == kind
    assert bool(said(report, "PACKAGE_TYPE_WIDENED")) == (kind == "string")


@pytest.mark.parametrize(
    ("field", "fitting", "odd"),
    [
        ({"type": "time"}, ("00:00:00", "23:59:60.5+01:00"), ("00:01", "24:00:00")),
        ({"type": "time", "format": "%H/%M"}, ("00/00", "9/5"), ("00/01/00", "9-5")),
        ({"type": "yearmonth"}, ("2017-01", "2017-12"), ("2017-13", "2017")),
        ({"type": "duration"}, ("P1Y2M", "-PT0.5S"), ("1 day", "PT1D")),
        ({"type": "date", "format": "%d.%m.%Y"}, ("01.02.2020", "1.2.2020"), ("32.01.2020", "2020-01-02")),
        ({"type": "datetime", "format": "fmt:%Y-%m-%dt%H %M"}, ("2020-01-02T03  04",), ("2020-01-02T03:04",)),
    ],
)
def test_text_in_place_of_a_type_must_look_like_one(
    build: Build, judge: Judge, field: dict[str, Any], fitting: tuple[str, ...], odd: tuple[str, ...]
):
    lines = ["lesson", *fitting, *odd, ""]
    report = judge(build(schema({"name": "lesson", **field}), {"data/lessons.csv": "\n".join(lines).encode()}))
    (told,) = [each for each in report.findings if each.code == "VALUE_NOT_MATCHING"]
    assert told.rows == tuple(range(len(fitting) + 1, len(fitting) + len(odd) + 1))


@pytest.mark.parametrize("form", ["any", "%d %B %Y", "%I %p"])
def test_a_format_that_depends_on_a_language_gets_no_pattern(build: Build, judge: Judge, form: str):
    judge(build(schema({"name": "lesson", "type": "date", "format": form}), {"data/lessons.csv": b"lesson\n1 May\n"}))
    assert load_description(judge.folder).tables["lessons"].columns["lesson"].pattern is None


def test_references_between_renamed_tables_hold(build: Build, judge: Judge):
    def named(name: str, path: str, *fields: str, **rest: object) -> dict[str, Any]:
        listed = [{"name": field, "type": "integer", "description": field} for field in fields]
        return {"name": name, "path": path, "schema": {"fields": listed, **rest}}

    key = {"fields": "Room", "reference": {"resource": "all-rooms", "fields": "Room"}}
    lost = {"fields": ["lesson"], "reference": {"resource": "nowhere", "fields": ["x"]}}
    report = judge(
        build(
            {
                "resources": [
                    named("lessons", "lessons.csv", "lesson", "Room", foreignKeys=[key, lost]),
                    named("all-rooms", "rooms.csv", "Room"),
                ]
            },
            {"lessons.csv": b"lesson,Room\n1,10\n2,12\n", "rooms.csv": b"Room\n10\n11\n"},
        )
    )
    assert load_description(judge.folder).tables["lessons"].columns["room"].references == "all_rooms.room"
    assert said(report, "REFERENCE_BROKEN")
    assert any("'x' of 'nowhere'" in text for text in said(report, "PACKAGE_CONSTRAINT_DROPPED"))


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


# Croissant ------------------------------------------------------------------------------------------------------------

croissant = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@croissant
def test_a_croissant_package_is_accepted(everything: Path, judge: Judge):
    source = undescribed(everything, "croissant")
    report = judge(source)
    assert "PACKAGE_INVALID" not in {each.code for each in report.findings}
    assert report.table_rows["lessons"] == 4
    assert inbox.arrival(source).key == "lessons@2024.1"


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
    assert after["terms"] == {name: before["terms"][name] for name in ("purposes", "access", "attribution")}
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
                "levels": {code: code for code in levels} if isinstance(levels, list | tuple) else levels,
            }
            assert {key: found["columns"][column].get(key) for key in wanted} == wanted, (name, column)


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
