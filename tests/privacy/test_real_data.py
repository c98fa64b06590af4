"""What is found in open data sets with labels, and that data without direct identifiers are not refused."""

import csv
import gzip
import io
import json
import zipfile
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from lakehouse.archive.privacy import ColumnScan, TextScan
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.finder import find_everything
from lakehouse.archive.privacy.names import is_name_cell

KINDS = {
    "PERSON": "person_name", "STREET_ADDRESS": "street_address", "CREDIT_CARD": "payment_card",
    "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "US_SSN": "social_security",
    "IP_ADDRESS": "ip_address", "DOMAIN_NAME": "url", "ZIP_CODE": "postcode", "US_DRIVER_LICENSE": "licence",
    "DATE_TIME": "date",
}  # fmt: skip
# Not looked for in running text: no law names them, or they are years and weekdays.
UNSOUGHT = ("GPE", "ORGANIZATION", "TITLE", "NRP", "AGE")
# A maiden name is a name, which the corpus labels as one.
ALIKE = ({"phone", "fax"}, {"person_name", "maiden_name"})
LEAST_RECALL = {"email": 0.99, "payment_card": 0.97, "iban": 0.99, "social_security": 0.99, "url": 0.99}
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
MOODLE_LABELS = {"Name": ("person_name", 0.7), "Surname": ("name_column", 0.99), "Birthdate": ("birth_date", 0.99)}


def measured_half(corpus, shared):
    path = shared / "pii_presidio" / "synth_dataset_v2.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [one for one in json.load(lines) if corpus.is_for_measuring(one["template_id"])]


def test_presidios_corpus_is_measured_type_by_type(corpus, score, shared, told):
    found, unseen, unsought = score.Score(), score.Score(), 0
    sentences = measured_half(corpus, shared)
    for one in sentences:
        spans = [(s["entity_type"], s["start_position"], s["end_position"]) for s in one["spans"]]
        unsought += sum(kind in UNSOUGHT for kind, _, _ in spans)
        labels = [(KINDS[kind], start, end) for kind, start, end in spans if kind in KINDS]
        finds = find_everything(one["full_text"])
        found.add(one["full_text"], labels, finds, alike=ALIKE)
        if corpus.is_unseen(one["template_id"]):
            unseen.add(one["full_text"], labels, finds, alike=ALIKE)
    title = f"Presidio's corpus, {len(sentences)} sentences, patterns the tagger never saw; {unsought} spans unsought"
    told(found.table(title))
    recall, precision = unseen.recall("person_name"), unseen.precision("person_name")
    told(f"Presidio's corpus, patterns nobody looked at: person_name recall {recall:.3f}, precision {precision:.3f}")
    for kind, least in LEAST_RECALL.items():
        assert found.recall(kind) >= least, kind
        assert found.precision(kind) >= 0.99, kind
    assert found.recall("person_name") >= 0.89
    assert found.precision("person_name") >= 0.87
    assert recall >= 0.9
    assert precision >= 0.8


def test_whole_names_of_presidios_corpus_are_found_in_cells_by_the_lists(corpus, shared, told):
    names = {
        span["entity_value"]
        for one in measured_half(corpus, shared)
        for span in one["spans"]
        if span["entity_type"] == "PERSON"
    }
    whole = sorted(name for name in names if len(name.split()) == 2 and "." not in name and name.istitle())
    found = sum(is_name_cell(name, Where.ELSEWHERE) for name in whole)
    told(f"Presidio's whole names as cells, by lists only: {found} of {len(whole)}")
    assert found / len(whole) >= 0.5


def sheet(path):
    """Return the columns of a workbook's first sheet as text, by header."""
    with zipfile.ZipFile(path) as book:
        strings = [
            "".join(part.text or "" for part in item.iter(f"{SHEET}t"))
            for item in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        rows = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml")).iter(f"{SHEET}row")
        table = [[_cell(cell, strings) for cell in row] for row in rows]
    return {name: [row[place] if place < len(row) else "" for row in table[1:]] for place, name in enumerate(table[0])}


def _cell(cell, strings):
    value = cell.find(f"{SHEET}v")
    text = value.text if value is not None else ""
    return strings[int(text)] if cell.get("t") == "s" else text


def scanned(columns):
    found = {}
    for name, values in columns.items():
        scan = ColumnScan(name, "")
        scan.add(pa.array(values, pa.string()), 1)
        found[name] = {s.kind: s for s in scan.suspicions()}
    return found


@pytest.mark.parametrize("book", ["Demographics", "AllCombined"])
def test_the_labelled_columns_of_the_moodle_course_are_found(shared, told, book):
    columns = sheet(shared / "moodle_la_course" / f"{book}.xlsx")
    found = scanned(columns)
    for name, (kind, least) in MOODLE_LABELS.items():
        values = [value for value in columns[name] if value]
        suspicion = found[name][kind]
        told(f"Moodle {book}.{name}: {kind}, {suspicion.count} of {len(values)} values")
        assert suspicion.personal
        assert suspicion.count / len(values) >= least
    blocked = {name for name, kinds in found.items() if any(s.personal for s in kinds.values())}
    told(f"Moodle {book}: {len(columns)} columns, refused {', '.join(sorted(blocked))}")
    assert blocked == set(MOODLE_LABELS)


@pytest.mark.parametrize("book", ["Results", "Events"])
def test_the_other_books_of_the_moodle_course_hold_nobody(shared, book):
    columns = sheet(shared / "moodle_la_course" / f"{book}.xlsx")
    columns = {name: values[:20_000] for name, values in columns.items()}
    assert [name for name, kinds in scanned(columns).items() if any(s.personal for s in kinds.values())] == []


def test_names_without_a_speaking_header_are_found_by_the_lists(shared, told):
    columns = sheet(shared / "moodle_la_course" / "Demographics.xlsx")
    whole = [f"{a} {b}" for a, b in zip(columns["Name"], columns["Surname"], strict=True)]
    suspicion = scanned({"x": whole})["x"]["person_name"]
    told(f"Moodle names under the header x, by lists only: {suspicion.count} of {len(whole)}")
    assert suspicion.personal


@pytest.mark.parametrize("table", ["assessments", "courses", "studentAssessment", "studentInfo",
                                   "studentRegistration", "studentVle_first13905", "vle"])  # fmt: skip
def test_oulad_has_no_direct_identifier(shared, table):
    with gzip.open(shared / "oulad" / f"{table}.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))[:30_000]
    found = scanned({name: [row[place] for row in rows] for place, name in enumerate(header)})
    assert [(name, kind) for name, kinds in found.items() for kind, s in kinds.items() if s.personal] == []
    if "id_student" in found:
        assert "student_number" in found["id_student"]


def test_the_college_scorecard_has_no_identifier_at_all(shared):
    with gzip.open(shared / "college_scorecard" / "scorecard.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = csv.reader(io.StringIO(file.read()))
    found = scanned({name: [row[place] for row in rows] for place, name in enumerate(header)})
    assert {name: list(kinds) for name, kinds in found.items() if kinds} == {}


def test_textbooks_are_not_refused(shared, told):
    with gzip.open(shared / "openstax_paragraphs" / "paragraphs.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    scan = TextScan()
    scan.add(pa.array(texts), 1)
    found = scan.suspicions()
    told("textbooks: " + ", ".join(f"{s.kind} in {s.document_count} of {len(texts)}" for s in found))
    assert [s.kind for s in found if s.personal] == []
