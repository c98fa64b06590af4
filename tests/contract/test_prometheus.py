"""The Prometheus that compose.yaml pins, on its very configuration: it is taken, finds our servers, and alerts."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from dagster_project.settings import PROJECT, load_settings
from dagster_project.wiring import ensure_folders, statement_log
from lakehouse.adapters.seaweedfs import free_ports
from lakehouse.policy.statements import Statement

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(600)]

FOLDER = PROJECT / "compose" / "prometheus"
SERVICES = yaml.safe_load((PROJECT / "compose" / "compose.yaml").read_text())["services"]
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
RUNS = {
    "queued": 'lakehouse_runs{job="ingest",status="queued"}',
    "started": 'lakehouse_runs{job="learn",status="started"}',
}
AFTER_S = 180.0
"""Two scrapes and two looks at the rules, thirty seconds each, and as much again on a busy machine."""

CASES = {
    "ServerDown": ("30s", {'up{job="minio"}': "1x9 0x20"}, "6m30s", "7m30s", {"job": "minio"}),
    "SourceAway": ("30s", {'lakehouse_source_answers{source="release"}': "1 0x20"}, "5m", "6m", {"source": "release"}),
    "RunFailed": (
        "1m",
        {'lakehouse_last_failure_timestamp_seconds{job="ingest"}': "600x60"},
        "25m",
        "24m",
        {"job": "ingest"},
    ),
    "GivenUp": ("30s", {'lakehouse_given_up{sensor="s"}': "0x5 1x9"}, "2m", "4m", {"sensor": "s"}),
    "RunQueueStands": ("1m", {RUNS["queued"]: "2x60", RUNS["started"]: "1x9 0x50"}, "24m", "26m", {}),
    "TablesNotCaredFor": (
        "1h",
        {'lakehouse_last_success_timestamp_seconds{job="maintain"}': "3600x90"},
        "73h",
        "74h",
        {"job": "maintain"},
    ),
    "TableLostRows": (
        "1m",
        {'lakehouse_table_rows{table="silver.a"}': "9x90 7x90"},
        "80m",
        "2h",
        {"table": "silver.a"},
    ),
    "StatementsFail": (
        "30s",
        {'lakehouse_recent_statements{verdict="failed"}': "10x9 11x9"},
        "4m",
        "6m",
        {"verdict": "failed"},
    ),
}
"""Of each alert: how often what is told changes, what is told, when all is quiet, when it fires, and of whom."""


@pytest.fixture(scope="module")
def programs():
    folder = load_settings().home / "tools" / "bin"
    for name in ("prometheus", "promtool"):
        if not (folder / name).is_file():
            pytest.skip(f"no {name} in {folder}; build it with `make prometheus` (needs Go 1.23 or newer)")
    return folder


def promtool(programs, *words):
    done = subprocess.run(
        [programs / "promtool", *words], capture_output=True, text=True, timeout=120, check=False, env={"PATH": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_the_rules_are_taken(programs):
    assert f"{len(ALERTS)} rules found" in promtool(programs, "check", "config", FOLDER / "prometheus.yml")
    assert "SUCCESS" in promtool(programs, "check", "rules", FOLDER / "alerts.yml")


def told_of(alert, labels):
    rule = ALERTS[alert]
    summary = rule["annotations"]["summary"]
    for name, value in labels.items():
        summary = summary.replace(f"{{{{ $labels.{name} }}}}", value)
    return {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": {"summary": summary}}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_it_should_and_not_before(programs, tmp_path, alert):
    interval, told, quiet, loud, labels = CASES[alert]
    looks = [{"eval_time": quiet, "alertname": alert}]
    looks.append({"eval_time": loud, "alertname": alert, "exp_alerts": [told_of(alert, labels)]})
    test = {
        "rule_files": [str(FOLDER / "alerts.yml")],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": interval,
                "input_series": [{"series": name, "values": values} for name, values in told.items()],
                "alert_rule_test": looks,
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    assert "SUCCESS" in promtool(programs, "test", "rules", tmp_path / "test.yml")


@contextmanager
def running(words, log: Path, variables):
    with log.open("wb") as said:
        process = subprocess.Popen(words, cwd=log.parent, env=variables, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def failed_statements(settings, number):
    log = statement_log(settings)
    for _ in range(number):
        asked = datetime.now(UTC) - timedelta(seconds=1)
        log.record(Statement(asked, "ada", "", "failed", "", "select 1", 1, 0.1))
    log.flush()


def asked(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]
    except (urllib.error.URLError, ConnectionError):
        return None


def until(url, holds, logs):
    """Ask until what is answered holds; return that."""
    end = time.monotonic() + AFTER_S
    while not ((found := asked(url)) and holds(found)):
        assert time.monotonic() < end, (found, [log.read_text()[-2000:] for log in logs])
        time.sleep(1)
    return found


def test_it_finds_our_servers_loads_the_rules_and_raises_the_alert_that_is_due(programs, run_minio, tmp_path):
    home = tmp_path / "home"
    port, metrics = free_ports(2)
    variables = {"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder", "LAKEHOUSE_METRICS_PORT": str(metrics)}
    settings = load_settings(variables)
    ensure_folders(settings)
    failed_statements(settings, 11)
    open_to_all = {"MINIO_PROMETHEUS_AUTH_TYPE": SERVICES["minio"]["environment"]["MINIO_PROMETHEUS_AUTH_TYPE"]}
    with ExitStack() as stack:
        minio = stack.enter_context(run_minio(variables=open_to_all))
        here = {"minio:9000": minio.root.endpoint, "metrics:8620": f"127.0.0.1:{metrics}"}
        here |= {"127.0.0.1:9090": f"127.0.0.1:{port}", "/etc/prometheus": str(tmp_path / "etc")}
        here |= {"=/prometheus": f"={tmp_path / 'series'}", "=:9090": f"=127.0.0.1:{port}"}

        def as_here(text):
            for there, address in here.items():
                text = text.replace(there, address)
            return text

        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "prometheus.yml").write_text(as_here((FOLDER / "prometheus.yml").read_text()))
        shutil.copy(FOLDER / "alerts.yml", tmp_path / "etc")
        logs = [tmp_path / "metrics.log", tmp_path / "prometheus.log"]
        python = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)}
        ours = [sys.executable, "-m", "dagster_project.cli", *SERVICES["metrics"]["command"][1:]]
        stack.enter_context(running(ours, logs[0], python | variables))
        words = [programs / "prometheus", *map(as_here, SERVICES["prometheus"]["command"])]
        stack.enter_context(running(words, logs[1], {"HOME": str(tmp_path)}))
        api = f"http://127.0.0.1:{port}/api/v1"

        def healths(found):
            return {one["labels"]["job"]: one["health"] for one in found["activeTargets"]}

        wanted = dict.fromkeys(("prometheus", "minio", "lakehouse"), "up")
        until(f"{api}/targets", lambda found: healths(found) == wanted, logs)
        firing = until(f"{api}/alerts", lambda found: found["alerts"], logs)["alerts"]
        assert [(one["labels"]["alertname"], one["state"], one["value"]) for one in firing] == [
            ("StatementsFail", "firing", "1.1e+01")
        ]
        rules = [rule for group in asked(f"{api}/rules")["groups"] for rule in group["rules"]]
        assert {(rule["name"], rule["health"]) for rule in rules} == {(name, "ok") for name in ALERTS}
