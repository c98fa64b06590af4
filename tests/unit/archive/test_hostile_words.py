"""A dataset whose every word is an attack: no output of the archive lets one of them be more than text."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as Xml

import pytest
import yaml
from markdown_it import MarkdownIt

from lakehouse.archive.citation import export as cite
from lakehouse.archive.metadata.forms import export, exporters
from lakehouse.archive.metadata.source import record_of
from lakehouse.archive.reports.html import html
from lakehouse.archive.reports.sarif import sarif
from lakehouse.archive.validate import validate
from lakehouse.catalogue.pages import script_json
from lakehouse.ports import DatasetVersion

ATTACK = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> "
    "![p](http://evil.example/p) [q](javascript:alert(3)) | }, @x{"
)
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Tags(HTMLParser):
    """Collects the elements of a page and those attributes that could act."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.found += [name for name, value in attributes if name.startswith("on") or "javascript:" in (value or "")]


@pytest.fixture
def hostile_set(dataset):
    path = dataset / "dataset.yaml"
    fields = yaml.safe_load(path.read_text())
    fields |= {
        "title": ATTACK,
        "description": ATTACK,
        "keywords": [ATTACK],
        "publisher": ATTACK,
        "licence": "CC-BY-4.0",
        "creators": [{"name": ATTACK, "affiliation": ATTACK, "identifier": "https://orcid.org/0000-0002-1825-0097"}],
        "terms": {"attribution": ATTACK, "purposes": ["research"]},
        "spatial_coverage": [ATTACK],
        "derived_from": [ATTACK],
        "provenance": {"how_made": ATTACK},
    }
    path.write_text(yaml.safe_dump(fields, allow_unicode=True, sort_keys=False))
    (dataset / "tables/rooms/rooms.csv").write_text(f'room,size,"{ATTACK}"\n10,1,2\n')
    return dataset


def test_reports_show_it_as_text(hostile_set):
    report = validate(hostile_set, submission=ATTACK, content_sha256="0" * 64)
    assert "COLUMN_UNDECLARED" in {finding.code for finding in report.findings}
    blocks = READER.parse(report.as_markdown())
    kinds = {block.type for block in blocks} | {token.type for block in blocks for token in block.children or []}
    assert not kinds & {"html_block", "html_inline", "image", "link_open", "code_inline", "fence"}
    tags = Tags()
    tags.feed(html(report))
    assert set(tags.found).isdisjoint({"script", "img", "iframe"})
    assert not [name for name in tags.found if name.startswith("on") or "javascript" in name]
    assert json.loads(sarif(report))["version"] == "2.1.0"


def test_every_exported_form_can_be_read_and_says_just_that(hostile_set):
    (hostile_set / "tables/rooms/rooms.csv").write_text("room,size\n10,1\n11,2\n")
    version = DatasetVersion("lessons", "1", "a" * 40, "lessons/1", "b" * 64, datetime(2026, 1, 1, tzinfo=UTC))
    here = "http://127.0.0.1/x"
    record = record_of(hostile_set, version=version, identifiers=("ark:99999/v1",), landing_url=here, files_url=here)
    for form in exporters():
        for name, body in export(record, form).items():
            if name.endswith((".json", ".jsonld")):
                assert ATTACK in json.dumps(json.loads(body), ensure_ascii=False).replace('\\"', '"')
            elif name.endswith(".xml"):
                assert ATTACK in "".join(Xml.fromstring(body).itertext())
    page = script_json(json.loads(export(record, "schema-org")["schema-org.json"]))
    assert "<" not in page
    bib = cite(record)["citation.bib"].decode()
    assert bib.count("{") - bib.count("\\{") == bib.count("}") - bib.count("\\}")
    assert len(re.findall(r"^@", bib, re.MULTILINE)) == 1
