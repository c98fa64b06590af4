"""What Prometheus is told: runs, release, rows and statements as they are, and which source is away."""

import re
from datetime import UTC, datetime

import dagster as dg
import pytest
import yaml
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client import generate_latest

from dagster_project.metrics import registry
from dagster_project.settings import PROJECT, load_settings
from dagster_project.wiring import lakehouse, statement_log
from lakehouse.policy.statements import Statement
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish


@dg.job(name="learn")
def learned():
    """Do nothing."""


@dg.op
def fail():
    raise RuntimeError("on purpose")


@dg.job(name="ingest")
def failed():
    fail()


@pytest.fixture
def told(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    with dg.DagsterInstance.ephemeral() as instance:
        numbers = registry(settings, instance)
        yield settings, instance, lambda: parsed(generate_latest(numbers).decode())


def parsed(text):
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_before_anything_is_there_nothing_is_claimed(told):
    *_, numbers = told
    found = numbers()
    assert found["lakehouse_release_number"] == 0
    assert not any("last_success" in name or "table_rows" in name for name in found)
    assert {value for name, value in found.items() if name.startswith("lakehouse_runs")} == {0.0}


def test_runs_are_counted_by_job_and_by_how_they_ended(told):
    _, instance, numbers = told
    before = datetime.now(UTC).timestamp()
    learned.execute_in_process(instance=instance)
    failed.execute_in_process(instance=instance, raise_on_error=False)
    found = numbers()
    assert found['lakehouse_runs{job="learn",status="success"}'] == 1
    assert found['lakehouse_runs{job="ingest",status="failure"}'] == 1
    assert found['lakehouse_runs{job="ingest",status="success"}'] == 0
    assert found['lakehouse_last_success_timestamp_seconds{job="learn"}'] >= before
    assert 'lakehouse_last_success_timestamp_seconds{job="ingest"}' not in found


def test_the_rows_of_the_current_release_are_told(told, new_table, marks_of, provenance):
    settings, _, numbers = told
    table = new_table()
    for number, students in enumerate((("ann", "ben"), ("eve",)), start=1):
        key = f"k{number}"
        write_audit_publish(
            lakehouse(settings), [TableWrite(table, marks_of(*students))], key=key, provenance=provenance
        )
        rows = {1: 2, 2: 3}[number]
        assert numbers()[f'lakehouse_table_rows{{table="{table.name}"}}'] == rows
    assert numbers()["lakehouse_release_number"] == lakehouse(settings).releases.current().number
    assert numbers()["lakehouse_release_timestamp_seconds"] > 1e9


def test_statements_are_counted_by_how_they_ended(told):
    settings, _, numbers = told
    log = statement_log(settings)
    for verdict in ("answered", "answered", "denied"):
        log.record(Statement(datetime.now(UTC), "ada", "", verdict, "", "select 1", 1, 0.1))
    log.flush()
    found = numbers()
    assert found['lakehouse_statements{verdict="answered"}'] == 2
    assert found['lakehouse_statements{verdict="denied"}'] == 1


def test_a_source_that_is_away_is_told_and_hides_no_other(told, new_table, marks_of, provenance):
    settings, _, numbers = told
    house = lakehouse(settings)
    write_audit_publish(house, [TableWrite(new_table(), marks_of("ann"))], key="k1", provenance=provenance)
    assert numbers()['lakehouse_source_answers{source="release"}'] == 1
    for release in (settings.home / "objects").rglob("releases/*.json"):
        release.chmod(0o600)
        release.write_bytes(b"{")
    found = numbers()
    assert found['lakehouse_source_answers{source="release"}'] == 0
    assert found['lakehouse_source_answers{source="dagster"}'] == 1
    assert 'lakehouse_runs{job="learn",status="success"}' in found


def test_a_database_of_runs_that_is_away_is_told_and_hides_no_other(tmp_path):
    class Away:
        def get_runs_count(self, _filters):
            raise DagsterPostgresException("too many retries for DB connection")

    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    found = parsed(generate_latest(registry(settings, Away())).decode())
    assert found['lakehouse_source_answers{source="dagster"}'] == 0
    assert found["lakehouse_release_number"] == 0


def test_alerts_ask_for_numbers_that_are_told():
    alerts = yaml.safe_load((PROJECT / "compose" / "prometheus" / "alerts.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    text = (PROJECT / "dagster_project" / "metrics.py").read_text()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        for name in re.findall(r"lakehouse_\w+", rule["expr"]):
            assert f'"{name}"' in text, name
