"""A record holds all that outlives the data, in bytes that depend on nothing else; citations can be read back."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive.citation import bibtex, csl, ris, sentence
from lakehouse.archive.identifiers import Naming
from lakehouse.archive.metadata.source import Identifier, record_of
from lakehouse.archive.records import Names, Sources, is_personal, make_record, store_record
from lakehouse.errors import ChecksumError
from lakehouse.ports import DatasetVersion
from lakehouse.tables.records import RECORDS

NAMING = Naming("99999", "http://127.0.0.1:8600")
NAMES = Names("ark:99999/d1x", "ark:99999/v1x")
WHEN = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def sources(dataset, judged):
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,50.5\n11,60\n")
    report = judged(dataset)
    assert report.accepted
    version = DatasetVersion("lessons", "1", "a" * 40, "v1", report.content_sha256, WHEN)
    return Sources(dataset, report, version, 1)


def test_the_same_sources_give_the_same_bytes(sources):
    assert make_record(sources, NAMES, NAMING) == make_record(sources, NAMES, NAMING)


def test_the_row_has_every_column_of_its_table_but_those_of_the_run(sources):
    row = make_record(sources, NAMES, NAMING).row
    assert set(row) == {column.name for column in RECORDS.columns} - {"run_id", "code_commit", "recorded_at"}


def test_the_record_names_files_with_checksums_and_every_form(sources):
    record = make_record(sources, NAMES, NAMING)
    told = json.loads(record.files["record.json"])
    assert {file["path"] for file in told["files"]} >= {"dataset.yaml", "tables/rooms/rooms.csv"}
    assert all(re.fullmatch("[0-9a-f]{64}", file["sha256"]) for file in told["files"])
    assert set(told["forms"]) | {"record.json"} == set(record.files)
    assert {"schema-org/schema-org.json", "datacite/datacite.xml", "citation.bib"} <= set(told["forms"])
    assert told["table_rows"] == {"rooms": 2, "lessons": 3}
    assert told["url"] == "http://127.0.0.1:8600/datasets/lessons/1"


def test_another_identifier_makes_another_record(sources):
    plain = make_record(sources, NAMES, NAMING)
    with_doi = make_record(sources, replace(NAMES, others=("10.5072/x",)), NAMING)
    assert plain.folder != with_doi.folder
    assert json.loads(with_doi.files["datacite/datacite.json"])["doi"] == "10.5072/x"


def test_the_changelog_comes_from_the_version_before(sources):
    before = replace(sources.version, version="0")
    report = replace(sources.report, table_rows={"rooms": 1, "lessons": 3})
    told = json.loads(make_record(replace(sources, previous=(before, report)), NAMES, NAMING).files["record.json"])
    assert told["previous"] == "0"
    assert told["changes"] == [{"kind": "rows_changed", "place": "rooms", "what": "rows", "before": "1", "after": "2"}]


def test_storing_twice_changes_nothing_and_other_bytes_are_refused(sources, tmp_path):
    objects = LocalObjects(tmp_path / "objects")
    record = make_record(sources, NAMES, NAMING)
    store_record(objects, record)
    store_record(objects, record)
    objects.put(f"{record.folder}/citation.txt", b"somebody else's")
    with pytest.raises(ChecksumError, match=r"citation\.txt"):
        store_record(objects, record)


@pytest.mark.parametrize(
    ("more", "count", "personal"),
    [
        ("", 0, False),
        ("", 3, True),
        ("consent: {basis: not_personal}\n", 0, False),
        ("consent: {basis: public_task}\n", 0, True),
        ("subjects:\n  pupil: {description: Pupils, identifiers: [lessons.lesson]}\n", 0, True),
    ],
)
def test_what_counts_as_personal(dataset, more, count, personal):
    from lakehouse.archive.eds import load_description

    (dataset / "dataset.yaml").write_text((dataset / "dataset.yaml").read_text() + more)
    assert is_personal(load_description(dataset), count) is personal


@pytest.fixture
def cited(dataset):
    text = (dataset / "dataset.yaml").read_text()
    (dataset / "dataset.yaml").write_text(
        text + 'creators:\n  - {name: "Doe, Jane", identifier: "https://orcid.org/0000-0002-1825-0097"}\n'
        "  - {name: A & B School}\npublisher: A {School} \\ 100%\nkeywords: [rooms]\n"
    )
    version = DatasetVersion("lessons", "1", "a" * 40, "v1", "b" * 64, WHEN)
    record = record_of(dataset, version=version, landing_url="http://h/datasets/lessons/1")
    return replace(record, identifiers=(Identifier("ARK", "ark:99999/v1x"),))


def test_a_sentence_to_cite(cited):
    assert sentence(cited) == (
        "Doe, Jane; A & B School (2026): Lessons. Version 1. A {School} \\ 100%. [Data set]. ark:99999/v1x. "
        "http://h/datasets/lessons/1"
    )


def test_a_title_stands_first_where_nobody_is_named(cited):
    nameless = replace(cited, description=cited.description.model_copy(update={"creators": (), "publisher": None}))
    assert sentence(nameless).startswith("Lessons (2026). Version 1. [Data set]. ark:")


def test_a_doi_is_cited_by_its_address(cited):
    with_doi = replace(cited, identifiers=(Identifier("DOI", "10.5072/x"), *cited.identifiers))
    assert sentence(with_doi).endswith(" https://doi.org/10.5072/x")
    assert "\r\nDO  - 10.5072/x\r\n" in ris(with_doi)
    assert csl(with_doi)["DOI"] == "10.5072/x"


def test_bibtex_balances_and_escapes(cited):
    entry = bibtex(cited)
    assert entry.startswith("@misc{lessons_1,\n")
    assert "author = {{Doe, Jane} and {A \\& B School}}" in entry
    assert r"publisher = {A \{School\} \textbackslash{} 100\%}" in entry
    bare = re.sub(r"\\[{}]", "", entry)
    assert bare.count("{") == bare.count("}")


def test_ris_is_one_record_of_tagged_lines(cited):
    lines = ris(cited).split("\r\n")
    assert lines[0] == "TY  - DATA"
    assert lines[-2:] == ["ER  - ", ""]
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines[:-1])
    assert [line for line in lines if line.startswith("AU")] == ["AU  - Doe, Jane", "AU  - A & B School"]


def test_csl_tells_people_from_organisations(cited):
    assert csl(cited)["author"] == [{"family": "Doe", "given": "Jane"}, {"literal": "A & B School"}]


def test_line_ends_in_a_title_start_no_new_ris_line(cited):
    hostile = cited.description.model_copy(update={"title": "A\nER  - \nTY  - BOOK"})
    assert ris(replace(cited, description=hostile)).count("\r\n") == ris(cited).count("\r\n")
    assert "\nER" not in ris(replace(cited, description=hostile)).replace("\r\nER", "")
