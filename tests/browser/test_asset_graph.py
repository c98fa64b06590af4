"""Dagster's page shows one graph that reads left to right as the flow."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.services import http_ok
from dagster_project.settings import load_settings, machine_environment
from lakehouse.adapters.seaweedfs import free_ports

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLOW = ("ingest", "validate", "version", "store", "train", "evaluate", "publish", "retrain")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pages(tmp_path):
    """Dagster's web server on an empty lakehouse; yields its address."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    (port,) = free_ports(1)
    environment = machine_environment() | {
        "DAGSTER_HOME": str(prepare_dagster_home(settings)),
        "LAKEHOUSE_HOME": str(tmp_path),
        "LAKEHOUSE_STORAGE": "folder",
    }
    program = Path(sys.executable).with_name("dagster-webserver")
    command = [str(program), "-m", "dagster_project.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "pages.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 120
        while not http_ok(f"{address}/server_info"):
            assert process.poll() is None, (tmp_path / "pages.log").read_text()[-2000:]
            assert time.monotonic() < end, (tmp_path / "pages.log").read_text()[-2000:]
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_the_groups_stand_from_left_to_right_in_the_order_of_the_flow(pages):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        page = browser.new_page(viewport={"width": 1800, "height": 900})
        page.goto(f"{pages}/asset-groups")
        left = {}
        for name in FLOW:
            box = page.locator("foreignObject").filter(has_text=re.compile(f"^{name}")).last
            box.wait_for(timeout=60_000)
            place = box.bounding_box()
            assert place is not None, name
            left[name] = place["x"]
        browser.close()
    assert sorted(FLOW, key=left.__getitem__) == list(FLOW)
