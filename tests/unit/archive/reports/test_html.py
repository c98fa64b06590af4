import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from lakehouse.archive.reports.html import html

HEADINGS = ("h1", "h2", "h3")
VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """The elements of a page with their attributes, their text, and whether they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(" ".join(data.split()))

    def all(self, *tags):
        return [(tag, attributes) for tag, attributes in self.elements if tag in tags]

    @property
    def text(self):
        return " ".join(word for word in self.words if word)


@pytest.fixture
def page(refused):
    return Page(html(refused))


def test_the_page_says_everything_the_report_says(page, refused):
    for finding in refused.findings:
        for words in (finding.code, finding.place, finding.message, finding.how_to_fix):
            assert " ".join(words.split()) in page.text
    for indicator in refused.fair:
        for words in (indicator.indicator, indicator.verdict, indicator.evidence, indicator.next_action):
            assert words in page.text
    assert page.open == []


def test_it_needs_nothing_from_anywhere(refused):
    text = html(refused)
    page = Page(text)
    assert page.all("script", "link", "img", "iframe", "object", "base", "form") == []
    assert [a["href"] for _, a in page.all("a") if not a["href"].startswith("#")] == []
    assert not re.search(r"url\(|@import|src=", text)
    assert "default-src 'none'" in text


def test_names_from_outside_stay_text(page, refused):
    assert page.all("b") == []
    assert "<b>name & | `x`.pdf" in page.text


def test_headings_go_down_one_step_at_a_time(page):
    levels = [HEADINGS.index(tag) for tag, _ in page.all(*HEADINGS)]
    assert levels[0] == 0
    assert levels.count(0) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_headers_with_scopes(page):
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) == len(page.all("thead")) > 4
    assert all(attributes.get("scope") in ("col", "row") for _, attributes in page.all("th"))


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(page):
    regions = [attributes for tag, attributes in page.all("div") if attributes.get("class") == "scroll"]
    assert len(regions) == len(page.all("table"))
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in regions)


def test_links_lead_to_places_of_the_page_and_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {attributes["href"].removeprefix("#") for _, attributes in page.all("a")}
    assert targets <= set(ids)
    assert {"findings", "error", "fair"} <= targets


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(accepted, scheme):
    blocks = re.findall(r":root \{(.*?)\}", html(accepted), re.DOTALL)
    assert len(blocks) == 2
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[scheme]))
    for ink in ("ink", "soft", "error", "warning", "note", "good"):
        for ground in ("paper", "panel"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def test_only_levels_asked_for_are_shown(refused):
    assert refused.count("note") > 0
    page = Page(html(refused, "warning"))
    assert "Notes: good to know" not in page.text
    assert "Warnings: look at these" in page.text


def test_a_dataset_without_findings_says_so(accepted):
    page = Page(html(replace(accepted, findings=())))
    assert "Nothing was found that needs mending." in page.text
    assert "accepted" in page.text
