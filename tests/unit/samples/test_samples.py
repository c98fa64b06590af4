import json
import platform

import pytest

from lakehouse.archive.eds import load_description
from lakehouse.archive.landing import land
from lakehouse.archive.reading import raw_tables, raw_texts, typed
from lakehouse.archive.validate import validate
from lakehouse.errors import UnreadableSubmissionError
from lakehouse.samples import college_scorecard, course_records, python_docs

ROWS = {2007: 5846, 2009: 5991, 2011: 6267, 2012: 6482, 2013: 6514, 2014: 6434, 2015: 5605, 2016: 5306}


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    return python_docs.write(tmp_path_factory.mktemp("docs"))


def _report(folder, tmp_path, submission):
    landed = land(folder, tmp_path / "landed")
    return validate(landed.folder, submission=submission, content_sha256=landed.content_sha256)


@pytest.mark.parametrize("wave", college_scorecard.WAVES)
def test_every_wave_of_the_scorecard_is_accepted(tmp_path, wave):
    report = _report(college_scorecard.write(wave, tmp_path), tmp_path, f"college_scorecard@{wave}")
    assert report.accepted, report.as_text()
    assert report.table_rows == {"outcomes": ROWS[wave]}
    assert report.personal_count == 0
    assert report.fair_score > 0.9
    without_outcomes = {f.place.split(": ")[1] for f in report.findings if f.code == "COLUMN_ALL_MISSING"}
    expected = {"earnings_med", "count_working", "count_not_working"} if wave >= 2015 else set()
    assert without_outcomes == expected


def test_the_scorecard_s_rows_are_typed(tmp_path):
    folder = college_scorecard.write(2007, tmp_path)
    description = load_description(folder)
    rows = typed(dict(raw_tables(folder, description))["outcomes"], description.tables["outcomes"])
    assert rows.slice(0, 1).to_pylist() == [
        {
            "unitid": 100654,
            "state_abbr": "AL",
            "pred_degree_awarded_ipeds": "Four-year+ degree",
            "year": 2007,
            "earnings_med": 36600.0,
            "count_not_working": 116,
            "count_working": 1139,
        }
    ]
    assert description.accumulates == "waves"


def test_there_is_no_other_wave(tmp_path):
    with pytest.raises(UnreadableSubmissionError, match="2008"):
        college_scorecard.write(2008, tmp_path)


def test_the_interpreter_s_documentation_is_accepted(docs, tmp_path):
    report = _report(docs, tmp_path, "python_docs@x")
    assert report.accepted, report.as_text()
    assert report.description.version == python_docs.version_label()
    assert platform.python_version() in (docs / "dataset.yaml").read_text()
    assert 1_000_000 < report.size_bytes < 3_500_000
    texts = dict(raw_texts(docs, load_description(docs)))
    assert texts["topics"].num_rows > 50
    assert texts["docstrings"].num_rows > 1000
    for table in texts.values():
        assert min(len(text.encode()) for text in table.column("text").to_pylist()) >= 200
    normal = {" ".join(t.split()).lower() for table in texts.values() for t in table.column("text").to_pylist()}
    assert len(normal) == report.document_count


def test_writing_again_gives_the_same_bytes(docs, tmp_path):
    records = course_records.write(tmp_path / "a")
    for first, second in ((docs, python_docs.write(tmp_path)), (records, course_records.write(tmp_path / "b"))):
        names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
        assert [(first / n).read_bytes() for n in names] == [(second / n).read_bytes() for n in names]


def test_the_course_records_are_refused_for_both_reasons(tmp_path):
    folder = course_records.write(tmp_path)
    report = _report(folder, tmp_path, "course_records@1")
    assert not report.accepted
    codes = {f.code: f for f in report.findings if f.level == "error"}
    assert {"PERSONAL_NAME_COLUMN", "PERSONAL_EMAIL", "PERSONAL_PHONE", "PERSONAL_SSN", "PERSONAL_BIRTH_DATE"} < set(
        codes
    )
    assert codes["REFERENCE_BROKEN"].occurrences == course_records.UNKNOWN_STUDENT_COUNT
    assert "students.student" in codes["REFERENCE_BROKEN"].message
    written = report.as_text() + json.dumps(report.to_json())
    students = (folder / "tables/students/students.csv").read_text().splitlines()[1:]
    for row in students:
        assert not any(value in written for value in row.split(",")[1:])


def test_another_seed_gives_other_records(tmp_path):
    first = course_records.write(tmp_path / "a") / "tables/students/students.csv"
    assert (
        course_records.write(tmp_path / "b", seed=8) / "tables/students/students.csv"
    ).read_text() != first.read_text()
