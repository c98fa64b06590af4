"""The catalogue in Chromium: searching while typing, the keyboard alone, facets, linked data, contrast and names."""

import itertools
import json
import re
import shutil
import threading
import time
import urllib.request

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from dagster_project.catalogue import library
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import open_loop
from dagster_project.settings import load_settings
from dagster_project.wiring import ensure_folders
from lakehouse.adapters.seaweedfs import free_ports
from lakehouse.archive import inbox
from lakehouse.catalogue.app import application
from lakehouse.samples import college_scorecard

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
LEAST_CONTRAST = 4.5
LANDING = "/datasets/college_scorecard"

HANDBOOK = """\
eds_version: "1.0"
name: handbook
version: "1"
title: Handbook of a school with Tagesbetreuungsangebotsinanspruchnahmeverordnungen
description: Rules, dates and <b>hints</b>.
accumulates: snapshots
licence: CC0-1.0
keywords: [school, rules]
"""

# Every text a person can see, its colour and the first background behind it that is not see-through.
TEXTS = """() => {
  const parse = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || !box.width || box.width <= 1 || getComputedStyle(element).visibility !== 'visible') continue;
    if (element.closest('.unseen, .skip, details:not([open]) > :not(summary)')) continue;
    let behind = element, back = [0, 0, 0, 0];
    while (behind && (back = parse(getComputedStyle(behind).backgroundColor))[3] < 1) behind = behind.parentElement;
    const text = element.textContent.trim().slice(0, 40);
    found.push({text, tag: element.tagName, colour: parse(getComputedStyle(element).color), back});
  }
  return found;
}"""
FIELDS = """() => [...document.querySelectorAll('input, select, textarea')].filter((e) => !e.labels || !e.labels.length
  || ![...e.labels].some((l) => l.textContent.trim())).map((e) => e.outerHTML)"""
HEADINGS = (
    """() => [...document.querySelectorAll('h1, h2, h3, h4')].filter((e) => e.offsetParent).map((e) => +e.tagName[1])"""
)
NAMELESS = """() => [...document.querySelectorAll('a, button, summary, [role=region], nav, aside, section')]
  .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))
    || (e.hasAttribute('aria-labelledby') && !document.getElementById(e.getAttribute('aria-labelledby'))))
  .map((e) => e.outerHTML.slice(0, 80))"""
LANDMARKS = """() => ['header', 'main', 'footer', 'nav'].map((n) => document.querySelectorAll(`body ${n}`).length)"""
LONG_NAMES = """() => document
  .querySelectorAll('dt, dd code, .panel p code, .crumbs span, .body > section p, h3, li small')
  .forEach((e) => e.append('x'.repeat(70)))"""
TWICE = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Two waves of one dataset and a handbook, stored by the real graph; served on a free port."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    home = tmp_path_factory.mktemp("catalogue")
    (port,) = free_ports(1)
    settings = load_settings(
        {"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder", "LAKEHOUSE_CATALOGUE_PORT": str(port)}
    )
    ensure_folders(settings)
    keys = [inbox.submit(folder, settings.home / "inbox").key for folder in _submissions(home / "scratch")]
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        for key in keys:
            outcome = loop.store(key)
            assert outcome.success, outcome.failure
    server = uvicorn.Server(uvicorn.Config(application(library(settings)), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    _wait_for(url)
    yield url
    server.should_exit = True
    thread.join()


def _submissions(scratch):
    for year in (2007, 2009):
        (scratch / str(year)).mkdir(parents=True)
        yield college_scorecard.write(year, scratch / str(year))
    handbook = scratch / "handbook"
    (handbook / "texts" / "pages").mkdir(parents=True)
    (handbook / "dataset.yaml").write_text(HANDBOOK)
    (handbook / "texts" / "pages" / "collection.yaml").write_text("title: Pages\ndescription: The pages.\n")
    (handbook / "texts" / "pages" / "one.txt").write_text("Doors open at eight.")
    yield handbook


def _wait_for(url):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                if json.load(answer)["datasets"] == 2:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail("the catalogue shows no datasets after 60 s")


@pytest.fixture(scope="module")
def browser(address):
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield launched
        launched.close()


@pytest.fixture
def page(browser, address):
    """A page that fails its test when anything is loaded from elsewhere or the console complains."""
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 850})
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url))
    yield opened
    context.close()
    assert complaints == []


def test_typing_filters_the_results_without_loading_a_page(page):
    page.goto("/")
    expect(page.locator(".card")).to_have_count(2)
    page.evaluate("window.kept = true")
    page.locator("#q").press_sequentially("schol", delay=20)
    expect(page.locator("#found")).to_have_text(re.compile("0 datasets"))
    page.locator("#q").fill("score")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card h3")).to_contain_text("College Scorecard")
    expect(page).to_have_url(re.compile(r"\?q=score$"))
    assert page.evaluate("window.kept"), "the page was loaded anew"
    assert page.evaluate("document.activeElement.id") == "q"
    expect(page.get_by_role("status").first).to_have_text(re.compile("1 dataset for “score”"))


def test_a_search_that_fails_while_typing_says_so(browser, address):
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.goto("/")
    page.route("**/?q=*", lambda route: route.fulfill(status=503, body="away"))
    page.locator("#q").fill("score")
    expect(page.get_by_role("heading", level=2)).to_contain_text("The search failed (503)")
    page.unroute("**/?q=*")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".card")).to_have_count(1)
    context.close()


def test_lines_are_copied_by_a_button(browser, address):
    context = browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(LANDING)
    page.get_by_role("button", name="Copy: How to get it by SQL").click()
    expect(page.get_by_role("status")).to_have_text("Copied: How to get it by SQL")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_role("group", name="How to get it by SQL").text_content()
    assert copied.startswith("SELECT * FROM lakehouse.silver.college_scorecard_outcomes")
    context.close()


def test_without_scripts_the_form_works_the_same(browser, address):
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.locator("#q").fill("handbook")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("CC0-1.0").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page).to_have_url(re.compile("licence=CC0-1.0"))
    context.close()


def test_a_facet_narrows_and_can_be_taken_back(page):
    page.goto("/")
    page.get_by_label("CC0-1.0").check()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card h3")).to_contain_text("Handbook of a school")
    page.get_by_role("link", name=re.compile("Licence: CC0-1.0")).click()
    expect(page.locator(".card")).to_have_count(2)


def test_everything_can_be_done_with_the_keyboard_alone(page):
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "q":
            break
    page.keyboard.type("college")
    expect(page.locator(".card")).to_have_count(1)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('.card h3')"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus can be seen"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(LANDING))


def test_a_checkbox_keeps_the_focus_when_results_change(page):
    page.goto("/")
    box = page.get_by_label("CC0-1.0")
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator(".card")).to_have_count(1)
    assert page.evaluate("[document.activeElement.name, document.activeElement.value]") == ["licence", "CC0-1.0"]


def test_a_landing_page_holds_linked_data_and_the_ways_to_get_and_cite(page):
    page.goto(LANDING)
    linked = json.loads(page.locator('script[type="application/ld+json"]').text_content())
    assert linked["@context"] == "https://schema.org/"
    assert linked["@type"] == "Dataset"
    assert {"name", "description", "license", "creator", "identifier", "distribution", "version"} <= set(linked)
    for heading in ("How to cite", "How to get it", "First rows", "Data dictionary", "Files", "What changed"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_role("region", name="First rows of outcomes").locator("tbody tr")).to_have_count(10)
    expect(page.get_by_role("region", name="Changes")).to_contain_text("5991")
    jumps = page.get_by_role("navigation", name="On this page").get_by_role("link")
    assert jumps.count() >= 10
    missing = "(links) => links.filter((a) => !document.querySelector(a.hash)).map((a) => a.hash)"
    assert jumps.evaluate_all(missing) == []


def test_an_identifier_leads_to_its_version(page):
    page.goto(f"{LANDING}/2007")
    name = page.locator("aside code").first.text_content()
    page.goto("/")
    page.goto(f"/id/{name}")
    expect(page).to_have_url(re.compile(f"{LANDING}/2007$"))


def test_markup_in_a_description_is_text(page):
    page.goto("/datasets/handbook")
    expect(page.locator(".prose")).to_have_text("Rules, dates and <b>hints</b>.")


def luminance(colour):
    parts = (part / 255 for part in colour[:3])
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["/", "/?q=college&licence=ODC-By-1.0", LANDING, "/datasets/none"])
def test_text_stands_out_and_everything_has_a_name(browser, address, scheme, place):
    context = browser.new_context(base_url=address, color_scheme=scheme)
    page = context.new_page()
    page.goto(place)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    texts = page.evaluate(TEXTS)
    assert len(texts) >= 5
    faint = [text for text in texts if contrast(text["colour"], text["back"]) < LEAST_CONTRAST]
    assert faint == []
    assert page.evaluate(FIELDS) == []
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(TWICE) == []
    headings = page.evaluate(HEADINGS)
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings)), headings
    header, main, footer, navigation = page.evaluate(LANDMARKS)
    assert main == footer == 1
    assert header >= 1
    assert navigation >= 1
    assert page.evaluate("document.documentElement.lang") == "en"
    context.close()


def test_nothing_moves_for_those_who_ask_for_that(browser, address):
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/")
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).transitionDuration") == "0s"
    context.close()


@pytest.mark.parametrize("width", [1024, 1400])
def test_all_columns_of_the_files_are_seen(browser, address, width):
    context = browser.new_context(base_url=address, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(LANDING)
    files = page.locator("[role=region][aria-label=Files]")
    expect(files.get_by_role("columnheader")).to_have_text(["File", "Size", "Kind", "SHA-256"])
    assert files.evaluate("(region) => region.scrollWidth <= region.clientWidth"), "what is on the right is cut"
    context.close()


@pytest.mark.parametrize("place", [LANDING, "/datasets/handbook"])
def test_rows_are_seen_whole_on_a_small_laptop(browser, address, place):
    context = browser.new_context(base_url=address, viewport={"width": 1024, "height": 900})
    page = context.new_page()
    page.goto(place)
    rows = page.locator("[role=region][aria-label^='First rows']").first
    assert rows.evaluate("(region) => region.scrollWidth <= region.clientWidth"), "what is on the right is cut"
    expect(page.get_by_role("complementary")).to_contain_text("Licence")
    context.close()


@pytest.mark.parametrize("place", ["/", LANDING, "/datasets/handbook"])
def test_a_phone_needs_no_scrolling_sideways(browser, address, place):
    context = browser.new_context(base_url=address, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(place)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate(LONG_NAMES)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "a long name breaks"
    if place == "/":
        page.get_by_role("link", name="Narrow down").click()
        expect(page.get_by_label("CC0-1.0")).to_be_in_viewport()
    context.close()
