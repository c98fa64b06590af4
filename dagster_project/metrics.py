"""Numbers for Prometheus, read at each scrape from what is kept: Dagster's runs, the current release, statements."""

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.jobs import ingest, learn, look_after, maintain
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse, statement_log
from lakehouse.errors import LakehouseError, NoReleaseError
from lakehouse.policy.statements import StatementLog
from lakehouse.tables.release import Release
from lakehouse.tables.write_audit_publish import Lakehouse

JOBS = tuple(job.name for job in (ingest, learn, look_after, maintain))
STATUSES = tuple(dg.DagsterRunStatus)
AWAY = (LakehouseError, DagsterPostgresException, DBAPIError, OSError)


@dataclass(eq=False)
class Numbers(Collector):
    """Everything that is told. A source that does not answer is told as away; the others are still told."""

    instance: dg.DagsterInstance
    house: Lakehouse
    statements: StatementLog
    _rows: tuple[int, dict[str, int]] = field(default=(0, {}), init=False)

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks no source."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask each source and yield its numbers."""
        answers = GaugeMetricFamily("lakehouse_source_answers", "1 when a source answers.", labels=["source"])
        sources: dict[str, Callable[[], list[Metric]]] = {
            "dagster": self._runs,
            "release": self._release,
            "statements": self._statements,
        }
        for name, ask in sources.items():
            told: list[Metric] = []
            try:
                told = ask()
            except AWAY:
                answers.add_metric([name], 0)
            else:
                answers.add_metric([name], 1)
            yield from told
        yield answers

    def _runs(self) -> list[Metric]:
        counts = GaugeMetricFamily("lakehouse_runs", "Runs that are kept.", labels=["job", "status"])
        newest = GaugeMetricFamily(
            "lakehouse_last_success_timestamp_seconds", "When a run of the job last succeeded.", labels=["job"]
        )
        for job in JOBS:
            for status in STATUSES:
                number = self.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=[status]))
                counts.add_metric([job, status.value.lower()], number)
            done = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
            for record in self.instance.get_run_records(done, limit=1):
                if record.end_time is not None:
                    newest.add_metric([job], record.end_time)
        return [counts, newest]

    def _release(self) -> list[Metric]:
        try:
            release = self.house.releases.current()
        except NoReleaseError:
            return [GaugeMetricFamily("lakehouse_release_number", "The current release; 0 for none.", value=0)]
        rows = GaugeMetricFamily("lakehouse_table_rows", "Published rows.", labels=["table"])
        for name, number in self._rows_of(release).items():
            rows.add_metric([name], number)
        created = datetime.fromisoformat(release.created_at).timestamp()
        return [
            GaugeMetricFamily("lakehouse_release_number", "The current release; 0 for none.", value=release.number),
            GaugeMetricFamily("lakehouse_release_timestamp_seconds", "When it was made.", value=created),
            rows,
        ]

    def _rows_of(self, release: Release) -> dict[str, int]:
        """Return the rows of each published table; they are counted once for a release."""
        if self._rows[0] != release.number:
            counted = {
                name: int(summary.get("total-records", 0))
                for name, pin in release.tables.items()
                for summary in self.house.tables.summaries(name)
                if summary["snapshot-id"] == str(pin.snapshot_id)
            }
            self._rows = release.number, counted
        return self._rows[1]

    def _statements(self) -> list[Metric]:
        counts = GaugeMetricFamily("lakehouse_statements", "Newest SQL statements that are kept.", labels=["verdict"])
        for row in self.statements.rows().group_by("verdict").aggregate([([], "count_all")]).to_pylist():
            counts.add_metric([row["verdict"]], row["count_all"])
        return [counts]


def registry(settings: Settings, instance: dg.DagsterInstance) -> CollectorRegistry:
    """Return what is told; nothing connects before it is asked."""
    made = CollectorRegistry()
    made.register(Numbers(instance, lakehouse(settings), statement_log(settings)))
    return made


def serve(settings: Settings) -> None:
    """Serve /metrics until the process is stopped."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry(settings, instance))
        asked.wait()
        server.shutdown()
        thread.join()
