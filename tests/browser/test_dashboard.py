import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
from conftest import PROJECT, Guesser
from dashboard_proof import CHROMIUM, SLUG, SMALL, differences, open_page, prove_dashboard, repository_charts

pytestmark = [pytest.mark.browser, pytest.mark.slow]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
SAMPLE_ROWS = 60  # of every table, half of them of each dataset
PASSAGES = 12  # of each version on each test set
WRONG = "not-the-password"


@needs_chromium
def test_every_chart_on_every_tab_shows_rows_of_its_own_query(dashboards, tmp_path):
    proofs = prove_dashboard(
        dashboards.url, "admin", dashboards.password, expected_charts=repository_charts(), screenshots=tmp_path
    )
    assert {proof.title for proof in proofs} == repository_charts()
    assert all(proof.rows for proof in proofs)
    assert len({proof.tab for proof in proofs}) == len(list(tmp_path.glob("*.png"))) == 4
    assert not re.findall(r"(?i)\berror\b|fault=|traceback", dashboards.sql_log.read_text())


@needs_chromium
def test_a_viewer_may_filter_and_only_the_named_charts_change(dashboards):
    chosen = "(filters:!((col:dataset,op:IN,val:!(python_docs))))"
    mask = f"(extraFormData:{chosen},filterState:(value:!(python_docs)),id:NATIVE_FILTER-dataset,ownState:())"
    proofs = prove_dashboard(
        dashboards.url,
        "viewer",
        dashboards.viewer_password,
        expected_charts=repository_charts(),
        query=f"?native_filters=(NATIVE_FILTER-dataset:{mask})",
        width=SMALL,
    )
    rows = {proof.title: proof.rows for proof in proofs}
    assert rows["Submissions and their verdicts, refused ones first"] == SAMPLE_ROWS / 2
    assert rows["Decisions to retrain"] == SAMPLE_ROWS
    assert rows["What the current model predicts on held-out passages"] == PASSAGES
    assert rows["Which model is current, and why"] == 2


@needs_chromium
def test_a_chart_that_may_be_empty_says_why_it_is(dashboards):
    chosen = "(filters:!((col:dataset,op:IN,val:!(nothing))))"
    mask = f"(extraFormData:{chosen},filterState:(value:!(nothing)),id:NATIVE_FILTER-dataset,ownState:())"
    with open_page(dashboards.url, "admin", dashboards.password) as page:
        page.goto(f"{dashboards.url}/superset/dashboard/{SLUG}/?native_filters=(NATIVE_FILTER-dataset:{mask})")
        said = page.locator("[data-test-chart-name='What was found, and how to fix it'] .ant-empty-description")
        said.wait_for()
        content = said.evaluate("(one) => getComputedStyle(one, '::after').content")
    assert content == '"Nothing was found: no error, no warning and no note."'


def test_missing_and_unexpected_charts_are_named():
    assert differences({"a"}, {"a"}) == []
    assert differences({"a", "b"}, {"a", "c"}) == ["not on any tab: c", "on the dashboard, not expected: b"]


def test_a_viewer_runs_no_sql_and_lists_no_users(dashboards):
    viewer = Guesser(dashboards.port, "127.0.0.6")
    _send_form(viewer, "viewer", dashboards.viewer_password)
    assert viewer.ask("GET", f"/superset/dashboard/{SLUG}/")[0] == 200, "a viewer is logged in"
    _, token = viewer.ask("GET", "/api/v1/security/csrf_token/")
    status, refused = viewer.ask(
        "POST",
        "/api/v1/sqllab/execute/",
        json.dumps({"database_id": 1, "sql": "select 1"}),
        headers={"Referer": dashboards.url, "X-CSRFToken": str(json.loads(token).get("result", ""))},
    )
    assert status in {401, 403}, refused
    assert viewer.ask("GET", "/api/v1/security/users/")[0] in {401, 403}


def test_provisioning_again_changes_nothing(dashboards):
    again = dashboards.provision()
    assert again.returncode == 0, again.stderr[-2000:]
    assert "unchanged" in again.stdout


def test_provisioning_fails_when_the_sql_engine_does_not_answer(dashboards):
    closed = {**dashboards.environment, "SUPERSET_SQL_URI": "grpc://127.0.0.1:9"}
    done = subprocess.run(
        [str(dashboards.venv / "bin" / "python"), str(PROJECT / "superset" / "provision.py")],
        env=closed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 43
    assert "does not answer" in done.stderr
    assert dashboards.environment["SUPERSET_SQL_PASSWORD"] not in done.stdout + done.stderr


def test_what_the_source_dropped_goes_and_what_a_person_made_stays(dashboards, tmp_path):
    home, folder = tmp_path / "home", tmp_path / "scripts"
    home.mkdir()
    shutil.copy(dashboards.home / "superset.db", home)
    shutil.copytree(PROJECT / "superset", folder)
    _edit(
        folder / "source" / "dashboards" / "education_lakehouse.yaml",
        "training_curve: 6, hit_rate_by_dataset: 6",
        "training_curve: 12",
    )
    _edit(
        folder / "source" / "dashboards" / "education_lakehouse.yaml",
        "scoreboard, hit_rate_by_dataset",
        "scoreboard",
    )
    charts = folder / "source" / "charts" / "models.yaml"
    charts.write_text(re.sub(r"(?ms)^hit_rate_by_dataset:.*?(?=^\w)", "", charts.read_text()))
    with contextlib.closing(sqlite3.connect(home / "superset.db")) as metadata, metadata:
        metadata.execute(
            "update slices set uuid = x'00', is_managed_externally = 0 where slice_name = 'Decisions to retrain'"
        )
    done = subprocess.run(
        [str(dashboards.venv / "bin" / "python"), str(folder / "provision.py")],
        env={**dashboards.environment, "SUPERSET_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1 deleted" in done.stdout
    with contextlib.closing(sqlite3.connect(home / "superset.db")) as metadata:
        titles = [title for (title,) in metadata.execute("select slice_name from slices")]
    assert "Next token in the top 5, share by version, newest test set" not in titles
    assert titles.count("Decisions to retrain") == 2


def _edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_metadata_holds_no_credential_of_the_sql_engine(dashboards):
    with contextlib.closing(sqlite3.connect(f"file:{dashboards.home}/superset.db?mode=ro", uri=True)) as metadata:
        content = "\n".join(metadata.iterdump())
    assert "sql-engine.invalid" in content
    assert dashboards.environment["SUPERSET_SQL_PASSWORD"] not in content
    assert dashboards.password not in content


@pytest.mark.parametrize(("network", "form"), [("127.0.2", True), ("127.0.3", False)])
def test_the_eleventh_wrong_password_in_a_minute_is_refused(dashboards, network, form):
    for attempt in range(1, 6):  # a slow machine may take longer than a minute for eleven
        guesser, begun = Guesser(dashboards.port, f"{network}.{attempt}"), time.monotonic()
        statuses = [_guess_form(guesser) if form else _guess_api(guesser) for _ in range(11)]
        if time.monotonic() - begun < 60:
            break
    assert statuses[-1] == 429
    assert 429 not in statuses[:10]


def _guess_form(guesser: Guesser) -> int:
    return _send_form(guesser, "admin", WRONG)


def _send_form(guesser: Guesser, user: str, password: str) -> int:
    _, page = guesser.ask("GET", "/login/")
    token = re.search(r'csrf_token"[^>]*value="([^"]+)"', page)
    assert token, "the login page holds no token"
    body = urllib.parse.urlencode({"username": user, "password": password, "csrf_token": token[1]})
    return guesser.ask("POST", "/login/", body, "application/x-www-form-urlencoded")[0]


def _guess_api(guesser: Guesser) -> int:
    body = json.dumps({"username": "admin", "password": WRONG, "provider": "db"})
    return guesser.ask("POST", "/api/v1/security/login", body)[0]


@pytest.mark.parametrize("path", [f"/superset/dashboard/{SLUG}/", "/api/v1/dashboard/", "/api/v1/database/"])
def test_nothing_is_shown_without_a_login(dashboards, path):
    status, body = Guesser(dashboards.port, "127.0.0.4").ask("GET", path)
    assert status in {302, 401, 403, 404}
    assert "Submissions" not in body


@pytest.mark.parametrize("path", ["/swagger/v1", "/api/v1/_openapi"])
def test_the_api_is_not_described_to_strangers(dashboards, path):
    assert Guesser(dashboards.port, "127.0.0.5").ask("GET", path)[0] in {302, 401, 403, 404}


def test_pages_load_nothing_from_elsewhere_and_cannot_be_framed(dashboards):
    with urllib.request.urlopen(f"{dashboards.url}/login/", timeout=30) as answer:
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        cookies = answer.headers.get_all("Set-Cookie") or []
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*", " ".join(policy.values()))
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


@pytest.mark.parametrize("key", ["", "short", "thisISaSECRET_1234"])
def test_superset_does_not_start_with_a_weak_key(dashboards, key):
    done = subprocess.run(
        [str(dashboards.venv / "bin" / "python"), str(PROJECT / "superset" / "superset_config.py")],
        env={**dashboards.environment, "SUPERSET_SECRET_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "SUPERSET_SECRET_KEY" in done.stderr
