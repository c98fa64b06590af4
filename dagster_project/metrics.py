"""Numbers for Prometheus, read at each scrape from what is kept: Dagster's runs, the current release, statements."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.jobs import ALWAYS, collect
from dagster_project.settings import Settings
from dagster_project.tries import count_given_up
from dagster_project.wiring import lakehouse, statement_log
from lakehouse.errors import LakehouseError, NoReleaseError
from lakehouse.policy.statements import VERDICTS, StatementLog
from lakehouse.tables.release import Release
from lakehouse.tables.write_audit_publish import Lakehouse

JOBS = tuple(job.name for job in (collect, *ALWAYS))
STATUSES = tuple(dg.DagsterRunStatus)
AWAY = (LakehouseError, DagsterPostgresException, DBAPIError, OSError)
RECENT = timedelta(minutes=15)

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Numbers(Collector):
    """Everything that is told. A source that does not answer is told as away; the others are still told."""

    instance: dg.DagsterInstance
    house: Lakehouse
    statements: StatementLog
    _rows: tuple[int, dict[str, int]] = field(default=(0, {}), init=False)
    _away: set[str] = field(default_factory=set, init=False)

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
            except AWAY as error:
                self._tell_away(name, error)
                answers.add_metric([name], 0)
            else:
                self._tell_back(name)
                answers.add_metric([name], 1)
            yield from told
        yield answers

    def _tell_away(self, name: str, error: Exception) -> None:
        """Log why a source is away; once, until it is back, for a scrape comes every few seconds."""
        if name not in self._away:
            self._away.add(name)
            log.warning("source away source=%s error=%s reason=%s", name, type(error).__name__, error)

    def _tell_back(self, name: str) -> None:
        if name in self._away:
            self._away.discard(name)
            log.warning("source back source=%s", name)

    def _runs(self) -> list[Metric]:
        counts = GaugeMetricFamily("lakehouse_runs", "Runs that are kept.", labels=["job", "status"])
        succeeded = GaugeMetricFamily(
            "lakehouse_last_success_timestamp_seconds", "When a run of the job last succeeded.", labels=["job"]
        )
        failed = GaugeMetricFamily(
            "lakehouse_last_failure_timestamp_seconds", "When a run of the job last failed.", labels=["job"]
        )
        newest = {dg.DagsterRunStatus.SUCCESS: succeeded, dg.DagsterRunStatus.FAILURE: failed}
        for status in STATUSES:
            # Most statuses have no run at all: a question for each spares one for each job.
            some = self.instance.get_runs_count(dg.RunsFilter(statuses=[status])) > 0
            for job in JOBS:
                asked = dg.RunsFilter(job_name=job, statuses=[status])
                number = self.instance.get_runs_count(asked) if some else 0
                counts.add_metric([job, status.value.lower()], number)
                if number and status in newest:
                    for record in self.instance.get_run_records(asked, limit=1):
                        if record.end_time is not None:
                            newest[status].add_metric([job], record.end_time)
        return [counts, succeeded, failed, self._given_up()]

    def _given_up(self) -> Metric:
        told = GaugeMetricFamily(
            "lakehouse_given_up", "What a sensor asks for no more, though it is not done.", labels=["sensor"]
        )
        for sensor, number in count_given_up(self.instance).items():
            told.add_metric([sensor], number)
        return told

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
        counts = GaugeMetricFamily(
            "lakehouse_recent_statements", "SQL statements that ended in the last 15 minutes.", labels=["verdict"]
        )
        ended = self.statements.ended_since(datetime.now(UTC) - RECENT)
        for verdict in VERDICTS:
            counts.add_metric([verdict], ended[verdict])
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
