"""Whatever is found, in whatever part of a submission, no form of the report repeats a value of a person."""

import gzip
import json

import pytest

from lakehouse.archive.reports.html import html
from lakehouse.archive.reports.markdown import markdown
from lakehouse.archive.reports.sarif import sarif
from lakehouse.archive.reports.text import short_text

SECRETS = {
    "email": "zebedee.quagmire@west-school.org", "phone": "(212) 555-0123", "plain_phone": "2125550123",
    "ssn": "900-12-3456", "iban": "DE89370400440532013000", "card": "4111 1111 1111 1111", "ip": "8.8.4.4",
    "mac": "00:1b:44:11:3a:b7", "vin": "1M8GDM9AXKP042788", "name": "Zebedee Quagmire", "born": "2009-03-04",
    "address": "4711 Long Pine Avenue", "profile": "https://www.linkedin.com/in/zebedee-quagmire",
    "medicare": "1EG4-TE5-MK73", "record": "MR7654321", "nino": "AB 12 34 56 C", "coordinates": "48.85837, 2.29448",
}  # fmt: skip
# What is left of each when it is cut, split or written otherwise.
TRACES = {
    *SECRETS.values(),
    "Quagmire",
    "quagmire",
    "Zebedee",
    "555-0123",
    "900-12",
    "4111 1111",
    "Long Pine",
    "7654321",
}
HEADERS = {"plain_phone": "mobile", "name": "full_name", "born": "date_of_birth", "record": "mrn"}


def planted(dataset):
    """Put every value into a table, a typed column, JSON Lines as text and number, a log, texts and names."""
    names = [HEADERS.get(kind, f"note_{kind}") for kind in SECRETS]
    rows = [f'1{n},"{list(SECRETS.values())[n % len(SECRETS)]}",' + ",".join(f'"{v}"' for v in SECRETS.values())
            for n in range(20)]  # fmt: skip
    header = ",".join(["room", "size", *names])
    (dataset / "tables/rooms/rooms.csv").write_text("\n".join([header, *rows, rows[0] + ",more"]) + "\n")
    numbers = {"lesson": 2125550123, "room": "Zebedee Quagmire", "mobile": 2125550123, "held_on": "2009-03-04 Zebedee"}
    lines = [json.dumps({**numbers, "subject": value, "code": value}) for value in SECRETS.values()]
    (dataset / "tables/lessons/lessons.csv").unlink()
    (dataset / "tables/lessons/lessons.jsonl").write_text("\n".join([*lines, '{"code": "Quagmire']) + "\n")
    texts = [{"id": f"t{n}", "title": v, "text": f"About {v}."} for n, v in enumerate(SECRETS.values())]
    sheets = "\n".join([*map(json.dumps, texts), '{"id": "Quagmire", "text": 2125550123}'])
    (dataset / "texts/sheets/documents.jsonl").write_text(sheets + "\n")
    log = dataset / "events" / "clicks"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text('title: Clicks\ndescription: Clicks.\nxapi_version: "1.0.3"\n')
    said = [
        {
            "actor": {"mbox": "mailto:zebedee.quagmire@west-school.org", "name": "Zebedee Quagmire"},
            "verb": {"id": value},
            "object": {"id": "https://west-school.org/a", "mobile": 2125550123},
            "result": {"response": value, "score": {"scaled": 2125550123}, "extensions": {"https://e.org/x": value}},
            "timestamp": value,
        }
        for value in SECRETS.values()
    ]
    body = "\n".join([*map(json.dumps, said), '{"actor": "Zebedee Quagmire'])
    (log / "clicks.jsonl.gz").write_bytes(gzip.compress(body.encode()))
    return dataset


FORMS = {
    "text": lambda report: report.as_text(), "short text": short_text, "markdown": markdown, "html": html,
    "json": lambda report: report.to_json(), "sarif": sarif,
}  # fmt: skip


def test_no_form_of_the_report_repeats_a_value(dataset, judged, caplog):
    report = judged(planted(dataset))
    assert {"PERSONAL_EMAIL", "PERSONAL_NAME_COLUMN", "PERSONAL_PHONE"} <= {f.code for f in report.findings}
    told = {name: form(report) + caplog.text for name, form in FORMS.items()}
    assert [(name, trace) for name, written in told.items() for trace in sorted(TRACES) if trace in written] == []


ROLE = ("code: {type: string,", "code: {type: string, role: quasi_identifier,")
SUBJECTS = "subjects: {pupil: {description: Who learns., identifiers: [lessons.lesson]}}\n"
FAULTS = "4,10,2024-01-31,2024-01-31T08:00:00Z,true,chess,z9\n"


def messages(report):
    return {(one.code, one.place.split(": ")[-1]): one.message for one in report.findings}


@pytest.mark.parametrize("marked", ["a role", "subjects"])
def test_of_a_table_about_people_no_message_shows_a_value_and_of_others_it_does(dataset, judged, marked):
    rows = dataset / "tables/lessons/lessons.csv"
    rows.write_text(rows.read_text() + FAULTS)
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,-7\n11,60\n")
    plain = messages(judged(dataset))
    assert "the first is 'chess'" in plain["VALUE_NOT_A_LEVEL", "subject"]
    assert "the first is 'z9'" in plain["VALUE_NOT_MATCHING", "code"]
    changed, text = ("tables/lessons/columns.yaml", None) if marked == "a role" else ("dataset.yaml", SUBJECTS)
    path = dataset / changed
    path.write_text(path.read_text().replace(*ROLE) if text is None else path.read_text() + text)
    told = messages(judged(dataset))
    assert "the first is of the shape xxxxx" in told["VALUE_NOT_A_LEVEL", "subject"]
    assert "the first is of the shape x9" in told["VALUE_NOT_MATCHING", "code"]
    assert "the first is '-7'" in told["VALUE_OUT_OF_RANGE", "size"], "rooms are no people"
