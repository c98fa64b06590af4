"""What Prometheus is told: runs, release, rows and statements as they are, and which source is away."""

import json
import re
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client import generate_latest

from dagster_project import jobs, metrics
from dagster_project.metrics import registry
from dagster_project.settings import PROJECT, load_settings
from dagster_project.tries import count_given_up
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


def test_every_job_is_counted():
    assert set(metrics.JOBS) == {
        job.name for job in vars(jobs).values() if isinstance(job, type(jobs.ingest) | dg.JobDefinition)
    }


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


@pytest.mark.parametrize(
    ("sensor", "cursor"),
    [
        ("inbox_sensor", {"a": ["m", 5, 1.0], "b": ["m", 5, 9e12], "seen": ["m", 4, 1.0], "of earlier": "m5"}),
        ("upload_sensor", {"polled": 1.0, "seen": {"a": ["m", 0.0, 5, 1.0], "b/": ["m", 0.0, 4, 1.0]}}),
    ],
)
def test_what_a_sensor_has_given_up_is_counted(tmp_path, sensor, cursor):
    instance = dg.DagsterInstance.local_temp(str(tmp_path))
    assert count_given_up(instance) == {"inbox_sensor": 0, "upload_sensor": 0}
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("here", port=1, location_name="code"), "repo"), sensor
    )
    data = SensorInstigatorData(cursor=json.dumps(cursor))
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
    assert count_given_up(instance) == {"inbox_sensor": 0, "upload_sensor": 0} | {sensor: 1}
    instance.dispose()


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


def ended(verdict, *, minutes_ago=0.0, seconds=0.1):
    asked = datetime.now(UTC) - timedelta(minutes=minutes_ago, seconds=seconds)
    return Statement(asked, "ada", "", verdict, "", "select 1", 1, seconds)


def test_recent_statements_are_counted_by_how_they_ended(told):
    settings, _, numbers = told
    log = statement_log(settings)
    for statement in (ended("failed", minutes_ago=16), ended("failed", seconds=1000), ended("answered")):
        log.record(statement)
    log.flush()
    found = numbers()
    assert found['lakehouse_recent_statements{verdict="answered"}'] == 1
    assert found['lakehouse_recent_statements{verdict="failed"}'] == 1  # asked 17 minutes ago, ended just now
    assert found['lakehouse_recent_statements{verdict="denied"}'] == 0


def test_a_look_reads_no_more_statements_than_are_recent(told, caplog):
    settings, _, numbers = told
    log = statement_log(settings)
    log.record(ended("answered", minutes_ago=20))
    log.flush()
    for file in log.folder.iterdir():
        # Whoever parsed the lines before the old one would say so of each.
        file.write_text("no statement\n" * 20_000 + file.read_text())
    for _ in range(30):
        log.record(ended("answered"))
    log.flush()
    with caplog.at_level("WARNING"):
        assert numbers()['lakehouse_recent_statements{verdict="answered"}'] == 30
    assert "cannot be read" not in caplog.text


def test_a_statement_that_is_still_being_written_is_left_for_the_next_look(told, caplog):
    settings, _, numbers = told
    log = statement_log(settings)
    log.record(ended("answered"))
    log.flush()
    (file,) = log.folder.iterdir()
    whole = file.read_text()
    file.write_text(whole + whole[:40])
    with caplog.at_level("WARNING"):
        assert numbers()['lakehouse_recent_statements{verdict="answered"}'] == 1
    assert "cannot be read" not in caplog.text
    file.write_text(whole[:40])
    assert numbers()['lakehouse_recent_statements{verdict="answered"}'] == 0


def test_when_a_run_failed_stays_when_other_runs_are_deleted(told):
    _, instance, numbers = told
    name = 'lakehouse_last_failure_timestamp_seconds{job="ingest"}'
    assert name not in numbers()
    failed.execute_in_process(instance=instance, raise_on_error=False)
    before = numbers()
    again = failed.execute_in_process(instance=instance, raise_on_error=False)
    assert numbers()[name] > before[name] > 1e9
    instance.delete_run(again.run_id)
    assert numbers()[name] == before[name]


def test_a_source_that_is_away_is_told_and_hides_no_other(told, new_table, marks_of, provenance, caplog):
    settings, _, numbers = told
    house = lakehouse(settings)
    write_audit_publish(house, [TableWrite(new_table(), marks_of("ann"))], key="k1", provenance=provenance)
    assert numbers()['lakehouse_source_answers{source="release"}'] == 1
    (release,) = (settings.home / "objects").rglob("releases/*.json")
    whole = release.read_bytes()
    release.chmod(0o600)
    release.write_bytes(b"{")
    numbers()
    found = numbers()
    assert found['lakehouse_source_answers{source="release"}'] == 0
    assert found['lakehouse_source_answers{source="dagster"}'] == 1
    assert 'lakehouse_runs{job="learn",status="success"}' in found
    said = [record.message for record in caplog.records if record.name == metrics.__name__]
    assert len(said) == 1, said  # of two looks
    assert re.search(r"source=release error=\w+ reason=.*\w", said[0])
    release.write_bytes(whole)
    assert numbers()['lakehouse_source_answers{source="release"}'] == 1
    release.write_bytes(b"{")
    numbers()
    said = [record.message for record in caplog.records if record.name == metrics.__name__]
    assert [text.split(" ", 2)[1] for text in said] == ["away", "back", "away"]


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
        # What is kept may become less, which these two take for a counter that began anew.
        assert not re.search(r"\b(increase|rate)\(\s*lakehouse_", rule["expr"]), rule["expr"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        for name in re.findall(r"lakehouse_\w+", rule["expr"]):
            assert f'"{name}"' in text, name
