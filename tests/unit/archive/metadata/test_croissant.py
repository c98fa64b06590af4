"""Croissant descriptions, read by the reference library: valid, and with the records of the files."""

import csv
import json
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from lakehouse.archive.metadata import croissant
from lakehouse.archive.metadata.forms import export
from lakehouse.archive.metadata.package import write_package
from lakehouse.archive.metadata.source import Record, record_of

# Of libraries that the reference library stands on.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

mlcroissant = pytest.importorskip("mlcroissant")

FORMS = {"croissant": "1.0", "croissant-1.1": "1.1"}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


def package(folder: Path, into: Path, form: str = "croissant") -> object:
    write_package(record_of(folder), form, into, data=folder)
    return mlcroissant.Dataset(str(into / "croissant.json"))


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "isoformat"):
        return value.to_pydatetime().replace(tzinfo=None)
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.item() if hasattr(value, "item") else value


def as_typed(cell: str, kind: str) -> object:
    if not cell:
        return None
    kinds: dict[str, Callable[[str], object]] = {
        "integer": int,
        "number": float,
        "boolean": lambda text: text == "true",
        "date": datetime.fromisoformat,
        "datetime": lambda text: datetime.fromisoformat(text).replace(tzinfo=None),
        "string": str,
    }
    return kinds[kind](cell)


def rows_of(folder: Path, record: Record, table: str) -> list[dict[str, object]]:
    columns = record.description.tables[table].columns
    rows = []
    for file in record.files_in(f"tables/{table}"):
        with (folder / file.path).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                rows.append({f"{table}/{name}": as_typed(row[name], columns[name].type) for name in columns})
    return rows


def test_the_reference_library_finds_no_fault(record: Record, form: str):
    document = json.loads(export(record, form)["croissant.json"])
    dataset = mlcroissant.Dataset(document)
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.ctx.issues.warnings == set()
    assert dataset.metadata.ctx.conforms_to.value == f"http://mlcommons.org/croissant/{FORMS[form]}"
    assert [each.sha256 for each in dataset.metadata.file_objects] == [file.sha256 for file in record.files]


def test_a_stored_version_with_every_field(everything: Path, published: Callable[[Path], Record], form: str):
    document = json.loads(export(published(everything), form)["croissant.json"])
    metadata = mlcroissant.Dataset(document).metadata
    assert metadata.ctx.issues.warnings == set()
    assert metadata.version == "2024.1"
    assert metadata.url == "https://archive.example.org/lessons/2024.1"
    assert metadata.file_objects[-1].content_url.startswith("https://archive.example.org/lessons/2024.1/files/")
    assert metadata.data_use_cases == ["research", "teaching"]
    assert metadata.data_limitations == ["Not for: advertising.", "Do not try to find out who anybody is."]
    assert metadata.data_collection == "Exported from the timetable, names of teachers left out."
    assert "lessons.pupil: direct identifier" in metadata.personal_sensitive_information
    assert "ground for holding them: consent" in metadata.personal_sensitive_information
    assert metadata.data_release_maintenance_plan == "To be deleted after 2034-07-31."
    assert [day.date().isoformat() for day in metadata.data_collection_timeframe] == ["2023-08-01", "2024-07-31"]
    assert "doi={10.5072/lessons.1}" in metadata.cite_as


def test_keys_references_and_levels(everything: Path):
    sets = {each["@id"]: each for each in croissant.document(record_of(everything), "1.0")["recordSet"]}
    assert sets["lessons"]["key"] == [{"@id": "lessons/lesson"}, {"@id": "lessons/pupil"}]
    fields = {each["@id"]: each for each in sets["lessons"]["field"]}
    assert fields["lessons/room"]["references"] == {"field": {"@id": "rooms/room"}}
    assert fields["lessons/subject"]["references"] == {"field": {"@id": "lessons/subject/levels/code"}}
    assert fields["lessons/held_on"]["dataType"] == ["sc:Text", "sc:Date"]
    levels = sets["lessons/subject/levels"]
    assert levels["dataType"] == "sc:Enumeration"
    assert levels["data"][0] == {
        "lessons/subject/levels/code": "maths",
        "lessons/subject/levels/meaning": "Mathematics",
    }


@pytest.mark.parametrize(
    ("name", "table"),
    [("college_scorecard", "outcomes"), ("course_records", "students"), ("course_records", "enrolments")],
)
def test_records_read_back_equal_the_csv(folders: dict[str, Path], tmp_path: Path, form: str, name: str, table: str):
    folder = folders[name]
    dataset = package(folder, tmp_path / "package", form)
    read = [{key: plain(value) for key, value in row.items()} for row in dataset.records(table)]
    assert read == rows_of(folder, record_of(folder), table)
    assert read


def test_documents_and_levels_read_back(folders: dict[str, Path], tmp_path: Path):
    dataset = package(folders["python_docs"], tmp_path / "package")
    lines = (folders["python_docs"] / "texts/topics/documents.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [{f"topics/{key}": value for key, value in json.loads(line).items()} for line in lines]
    assert [{key: plain(value) for key, value in row.items()} for row in dataset.records("topics")] == expected


def test_several_files_null_cells_references_and_events_read_back(everything: Path, tmp_path: Path):
    # The reference library reads CSV with commas only, so the table with semicolons is written with commas here.
    rooms = everything / "tables/rooms"
    (rooms / "columns.yaml").write_text((rooms / "columns.yaml").read_text().replace('delimiter: ";"\n', ""))
    (rooms / "rooms.csv").write_text("room,size\n10,50.5\n")
    (rooms / "more rooms.csv").write_text("room,size\n11,60\n")
    dataset = package(everything, tmp_path / "package")
    assert sorted(row["rooms/room"] for row in dataset.records("rooms")) == [10, 11]
    lessons = [{key: plain(value) for key, value in row.items()} for row in dataset.records("lessons")]
    assert [row["lessons/room"] for row in lessons] == [10, 10, 11, None]
    assert [row["lessons/held_on"] for row in lessons] == ["2024-01-31", "2024-01-31", "unknown", "2024-02-29"]
    assert lessons[0]["lessons/began"] == datetime.fromisoformat("2024-01-31T08:00:00")
    assert [row["agreements/agreed"] for row in dataset.records("agreements")] == [True, False]
    assert [plain(row["notes/content"]) for row in dataset.records("notes")] == ["It rained.\n"]
    assert [plain(row["clicks/object"]) for row in dataset.records("clicks")] == ["https://example.org/lesson/1"]


def test_an_altered_file_is_refused_by_its_checksum(folders: dict[str, Path], tmp_path: Path):
    dataset = package(folders["course_records"], tmp_path / "package")
    students = next((tmp_path / "package/tables/students").glob("*.csv"))
    students.write_bytes(students.read_bytes().replace(b"1,", b"2,", 1))
    with pytest.raises(Exception, match="Download") as raised:
        list(dataset.records("students"))
    assert "is not identical with the reference" in str(raised.value.__cause__)
