"""Packages on disk and the command that writes them."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dagster_project.commands.export import FORMS
from dagster_project.exporting import export_to
from dagster_project.settings import load_settings
from lakehouse.adapters.datalad import DataladVersions
from lakehouse.archive.content_hash import file_sha256
from lakehouse.archive.landing import land
from lakehouse.archive.metadata.forms import export, exporters
from lakehouse.archive.metadata.package import write_package
from lakehouse.archive.metadata.source import file_entries, identifier, media_type_of, record_of
from lakehouse.errors import NoDescriptionError, NoVersionError, OutputExistsError, UnknownFormError


def test_the_command_offers_every_form():
    assert tuple(exporters()) == FORMS


def test_an_unknown_form_is_refused(everything: Path):
    with pytest.raises(UnknownFormError, match="'bibtex'; choose one of croissant, "):
        export(record_of(everything), "bibtex")


def test_data_are_copied_byte_by_byte(everything: Path, tmp_path: Path):
    before = {entry.path: entry.sha256 for entry in file_entries(everything)}
    files = write_package(record_of(everything), "ro-crate", tmp_path / "out", data=everything)
    assert files == sorted([*before, "ro-crate-metadata.json"])
    assert {name: file_sha256(tmp_path / "out" / name) for name in before} == before


def test_metadata_alone_copy_nothing(everything: Path, tmp_path: Path):
    assert write_package(record_of(everything), "datacite", tmp_path / "out") == ["datacite.json", "datacite.xml"]


def test_nothing_is_overwritten(everything: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="out is there already"):
        write_package(record_of(everything), "datacite", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lessons", "out"]


def test_a_file_of_the_same_name_makes_way(everything: Path, tmp_path: Path):
    (everything / "datapackage.json").write_text("{}")
    write_package(record_of(everything), "frictionless", tmp_path / "out", data=everything)
    assert json.loads((tmp_path / "out/datapackage.json").read_text())["name"] == "lessons"


def test_a_folder_without_a_description_is_refused(tmp_path: Path):
    with pytest.raises(NoDescriptionError, match="no usable description"):
        record_of(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_STORAGE", "folder")
    return tmp_path / "home"


def test_a_stored_version_is_exported(everything: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    scratch = tmp_path / "scratch"
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (scratch / "lakehouse-unpacked-killed_1").mkdir(parents=True)
    landed = land(everything, tmp_path / "landed")
    store = DataladVersions(home / "archive" / "datasets")
    version = store.save(landed.folder, "lessons", "2024.1", landed.content_sha256)
    out, files = export_to(load_settings(), "lessons@2024.1", "croissant", with_data=True, out=tmp_path / "out")
    document = json.loads((out / "croissant.json").read_text())
    assert document["version"] == "2024.1"
    assert document["datePublished"] == version.created_at.date().isoformat()
    assert "tables/rooms/rooms.csv" in files
    assert list(scratch.iterdir()) == [], "what a killed command unpacked goes, too"
    with pytest.raises(NoVersionError, match=r"lessons has the versions 2024\.1"):
        export_to(load_settings(), "lessons@2025", "croissant", with_data=False, out=tmp_path / "other")


def test_the_command_says_what_it_wrote_and_what_is_wrong(everything: Path, tmp_path: Path, home: Path):
    command = [sys.executable, "-m", "dagster_project.cli", "export"]
    out = tmp_path / "out"
    done = subprocess.run(
        [*command, str(everything), "--format", "schema-org", "--out", str(out)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(out / "schema-org.json"), "")
    again = subprocess.run(
        [*command, "lessons@9", "--format", "schema-org", "--out", str(out)], capture_output=True, text=True
    )
    assert again.returncode == NoVersionError.exit_code
    assert again.stderr.startswith("error: 'lessons@9' is neither a folder nor a stored version")


def test_help_and_validation_load_no_library_of_a_form():
    program = (
        "import sys, dagster_project.cli, dagster_project.submitting, lakehouse.archive.metadata.forms;"
        "print(sorted({'mlcroissant', 'rdflib', 'scipy', 'frictionless'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "scheme", "value"),
    [
        ("10.1234/a", "DOI", "10.1234/a"),
        ("https://doi.org/10.1234/a", "DOI", "10.1234/a"),
        ("doi:10.1234/a", "DOI", "10.1234/a"),
        ("ark:/12345/x", "ARK", "ark:/12345/x"),
        ("urn:uuid:1", "URN", "urn:uuid:1"),
        ("https://example.org", "URL", "https://example.org"),
        ("a book", "Other", "a book"),
    ],
)
def test_identifiers_show_their_scheme(text: str, scheme: str, value: str):
    assert (identifier(text).scheme, identifier(text).value) == (scheme, value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.csv", ("text/csv", None)),
        ("a.2024.csv.gz", ("text/csv", "gzip")),
        ("a.jsonl.zst", ("application/jsonl", "zstd")),
        ("README", ("application/octet-stream", None)),
        ("a.gz", ("application/octet-stream", "gzip")),
    ],
)
def test_media_types(name: str, found: tuple[str, str | None]):
    assert media_type_of(name) == found
