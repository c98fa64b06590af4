"""Proves in a real browser that every chart of a dashboard shows rows from its own query."""

import json
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml
from playwright.sync_api import Browser, Locator, Page, Response, Route, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LAUNCH = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLUG = "education-lakehouse"
# The window of a laptop, and of a small one; tall enough for every row of a tab: charts outside are not drawn.
USUAL, SMALL, HEIGHT = 1400, 1024, 6000
SETTLE_MS = 1500
CHART = "[data-test-chart-id]"
# No svg: every chart has one in its menu, and none of these charts draws with it.
DRAWN = "canvas, table, .header-line"
WIDTHS = """(chart) => {
  const table = chart.querySelector('table');
  return [chart.clientWidth, table ? table.scrollWidth : 0];
}"""
BROKEN_WORDS = r"""(chart) => {
  const broken = [];
  for (const cell of chart.querySelectorAll('tbody td')) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/[^\s-]+-?/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
        if (lines.size > 1) broken.push(word[0]);
      }
    }
  }
  return broken;
}"""
SOURCE = Path(__file__).parents[2] / "superset" / "source"


class DashboardError(AssertionError):
    """A chart is missing, empty, broken, or drawn without an answer of its own; the message lists all of them."""


@dataclass(frozen=True, slots=True)
class ChartProof:
    """One chart that was seen: where, what it drew, and how many rows its own query answered."""

    tab: str
    chart_id: int
    title: str
    drawn: str
    rows: int


def repository_charts() -> set[str]:
    """Return the titles of all charts placed on dashboards in this repository."""
    titles = {}
    for path in (SOURCE / "charts").glob("*.yaml"):
        titles |= {name: chart["title"] for name, chart in yaml.safe_load(path.read_text(encoding="utf-8")).items()}
    placed = set()
    for path in (SOURCE / "dashboards").glob("*.yaml"):
        dashboard = yaml.safe_load(path.read_text(encoding="utf-8"))
        placed |= {titles[name] for tab in dashboard["tabs"] for row in tab["rows"] for name in row.get("items", {})}
    return placed


def prove_dashboard(
    base_url: str,
    user: str,
    password: str,
    *,
    expected_charts: Collection[str],
    slug: str = SLUG,
    query: str = "",
    screenshots: Path | None = None,
    width: int = USUAL,
    timeout_seconds: float = 90.0,
) -> list[ChartProof]:
    """Open every tab and return one proof a chart; raise DashboardError when any chart fails or is missing.

    `query` is added to the address, for filters. `screenshots` names a folder that receives one PNG a tab. In
    a window that is less wide than usual, words may break within; no column is cut in any.
    """
    with open_page(base_url, user, password, width=width, timeout_seconds=timeout_seconds) as page:
        answers: dict[int, Response] = {}
        page.on("response", lambda response: _collect(response, answers))
        page.goto(f"{base_url}/superset/dashboard/{slug}/{query}")
        page.wait_for_selector(CHART)
        proofs: list[ChartProof] = []
        problems: list[str] = []
        tabs = page.locator(".dashboard-component-tabs [role=tab]")
        for number in range(tabs.count()):
            tab = tabs.nth(number)
            name = (tab.text_content() or "").strip()
            tab.click()
            _settle(page, timeout_seconds)
            for chart in _visible(page.locator(CHART)):
                _prove(chart, name, answers, proofs, problems)
                problems += [
                    f"{name} / {chart.get_attribute('data-test-chart-name')}: {one}" for one in _narrow(chart, width)
                ]
            if screenshots:
                _photograph(page, screenshots / f"{_file_name(name)}.png")
    problems += differences({proof.title for proof in proofs}, set(expected_charts))
    if problems:
        raise DashboardError("\n".join(problems))
    return proofs


def differences(seen: set[str], expected: set[str]) -> list[str]:
    """Return one line a chart that is missing, or there without being expected."""
    return [
        *(f"not on any tab: {title}" for title in sorted(expected - seen)),
        *(f"on the dashboard, not expected: {title}" for title in sorted(seen - expected)),
    ]


@contextmanager
def open_page(
    base_url: str, user: str, password: str, *, width: int = USUAL, timeout_seconds: float = 90.0
) -> Iterator[Page]:
    """Yield a logged-in page in a browser of its own."""
    with sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=LAUNCH)
        try:
            page = browser.new_page(viewport={"width": width, "height": HEIGHT})
            page.set_default_timeout(timeout_seconds * 1000)
            # The page's usage beacon can race the login and lose the session.
            page.route("**/superset/log/**", _answer_beacon)
            _log_in(page, base_url, user, password)
            yield page
        finally:
            browser.close()


def _answer_beacon(route: Route) -> None:
    route.fulfill(status=200, content_type="application/json", body="{}")


def _log_in(page: Page, base_url: str, user: str, password: str) -> None:
    page.goto(f"{base_url}/login/")
    page.fill("input[name=username], #username", user)
    page.fill("input[name=password], #password", password)
    page.press("input[name=password], #password", "Enter")
    page.wait_for_url(re.compile(r"^(?!.*/login/)"))


def _collect(response: Response, answers: dict[int, Response]) -> None:
    parts = urlsplit(response.url)
    if parts.path != "/api/v1/chart/data" or response.request.method != "POST":
        return
    form = json.loads(parse_qs(parts.query).get("form_data", ["{}"])[0])
    if "slice_id" in form:
        answers[int(form["slice_id"])] = response


def _settle(page: Page, timeout_seconds: float) -> None:
    """Wait until every visible chart has stopped loading and has drawn something, or shows that it cannot."""
    page.wait_for_function(
        """([chart, drawn]) => {
            const charts = [...document.querySelectorAll(chart)].filter(c => c.offsetParent !== null);
            return charts.length > 0 && charts.every(c => !c.querySelector('.loading, [data-test="loading-indicator"]')
                && c.querySelector(drawn + ', [role=alert], .ant-empty'));
        }""",
        arg=[CHART, DRAWN],
        timeout=timeout_seconds * 1000,
    )
    page.wait_for_timeout(SETTLE_MS)  # lines and bars grow in


def _visible(charts: Locator) -> list[Locator]:
    return [chart for chart in charts.all() if chart.is_visible()]


def _prove(
    chart: Locator, tab: str, answers: dict[int, Response], proofs: list[ChartProof], problems: list[str]
) -> None:
    chart_id = int(chart.get_attribute("data-test-chart-id") or 0)
    title = chart.get_attribute("data-test-chart-name") or ""
    place = f"{tab} / {title}"
    alert = chart.locator("[role=alert]")
    if alert.count():
        problems.append(f"{place}: {(alert.first.text_content() or '').strip()[:300]}")
    if chart.locator(".ant-empty").count():
        problems.append(f"{place}: says it is empty")
    drawn = [kind for kind in DRAWN.split(", ") if chart.locator(kind).count()]
    if not drawn:
        problems.append(f"{place}: has drawn nothing")
    response = answers.get(chart_id)
    if response is None:
        problems.append(f"{place}: asked for no data")
        return
    if response.status != 200:
        problems.append(f"{place}: its query answered {response.status}: {response.text()[:300]}")
        return
    rows = sum(result["rowcount"] for result in response.json()["result"])
    if rows == 0:
        problems.append(f"{place}: its query answered no rows")
    proofs.append(ChartProof(tab, chart_id, title, ", ".join(drawn), rows))


def _narrow(chart: Locator, width: int) -> Iterator[str]:
    room, needed = chart.evaluate(WIDTHS)
    if needed > room:
        yield f"its table is {needed} px wide in {room} px, so columns are cut"
    if width >= USUAL and (broken := chart.evaluate(BROKEN_WORDS)):
        yield f"its columns are too narrow for {sorted(set(broken))[:5]}, which break within"


def _photograph(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height = page.evaluate(
        "Math.ceil(document.querySelector('.dashboard-content, #app').getBoundingClientRect().bottom)"
    )
    width = page.evaluate("window.innerWidth")
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": min(height, HEIGHT)})


def _file_name(tab: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", tab.lower()).strip("-")
