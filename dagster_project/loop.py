"""Runs the jobs in this process on Dagster's own instance, so that every run is seen in the UI as any other."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from assets.house import submissions
from dagster_project.code_location import build
from dagster_project.jobs import STORED, learn_config
from dagster_project.settings import Settings
from dagster_project.wiring import workshop
from models.progress import Progress


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its name for people, whether it succeeded, seconds, and the first failure's text."""

    name: str
    success: bool
    seconds: float
    failure: str | None
    exit_code: int


@dataclass(frozen=True, slots=True)
class Loop:
    """The jobs of one code location on one Dagster instance."""

    defs: dg.Definitions
    instance: dg.DagsterInstance

    def ingest(self, key: str) -> RunOutcome:
        """Take one submission to its tables."""
        self.instance.add_dynamic_partitions(str(submissions.name), [key])
        return self._run(key, "ingest", partition_key=key)

    def store(self, key: str) -> RunOutcome:
        """Take one of many submissions to its tables; what all of them mean for the model is left to `learn`."""
        self.instance.add_dynamic_partitions(str(submissions.name), [key])
        return self._run(key, "ingest", partition_key=key, only=[asset.key for asset in STORED])

    def learn(self, cause: str) -> RunOutcome:
        """Train, evaluate and publish."""
        return self._run("learn", "learn", run_config=learn_config(cause))

    def _run(
        self,
        name: str,
        job: str,
        *,
        partition_key: str | None = None,
        run_config: Mapping[str, object] | None = None,
        only: Sequence[dg.AssetKey] | None = None,
    ) -> RunOutcome:
        begun = time.monotonic()
        result = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition_key,
            # Everything is in the run's log; the terminal shows progress, and errors once, in the outcome.
            run_config={**(run_config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
            asset_selection=only,
        )
        failure, code = _first_failure(result)
        return RunOutcome(name, result.success, time.monotonic() - begun, failure, code)


@contextmanager
def open_loop(
    settings: Settings, dagster_home: Path, *, listen: Callable[[Progress], None] = lambda _: None
) -> Iterator[Loop]:
    """Open Dagster's instance under `dagster_home` and close it again; `listen` hears how training goes on."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        yield Loop(build(settings, workshop=replace(workshop(settings), listen=listen)), instance)


def _first_failure(result: dg.ExecuteInProcessResult) -> tuple[str | None, int]:
    """Return the text and exit code of the first failed step or blocking check."""
    for event in result.all_events:
        if event.is_step_failure:
            user = event.step_failure_data.user_failure_data
            if user is not None:
                code = user.metadata.get("exit_code")
                return user.description, int(str(code.value)) if code is not None else 1
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause  # the error behind the error is what went wrong
            return (error.message.strip() if error else f"{event.step_key} failed"), 1
    return None, 0
