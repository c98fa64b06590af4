"""Runs the jobs in this process on Dagster's own instance, so that every run is seen in the UI as any other."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import IntegrityError

from assets.classify import CLASSIFIERS
from assets.evaluate import BEATS
from assets.house import submissions
from assets.shrink import SMALLER
from assets.validate import FIT
from dagster_project.code_location import build
from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import STORED, learn_config, shrink_config
from dagster_project.settings import Settings
from dagster_project.stopping import stopped_by
from dagster_project.wiring import workshop
from lakehouse.errors import LakehouseError, RefusedError, UnfitModelError
from models.errors import ModelError
from models.progress import Progress

UNKNOWN_EXIT_CODE = 1
CHECK_FAILED = "DagsterAssetCheckFailedError"
INTERRUPTED = "DagsterExecutionInterruptedError"
CHECK_EXIT_CODES = {
    FIT.name: RefusedError.exit_code,
    BEATS.name: UnfitModelError.exit_code,
}

SUBMISSION_WAITS = (
    "the run of {name} counts as failed. What it had not finished is taken up by the next run of that submission, "
    "which Dagster's sensor begins by itself while {copy} lies in the inbox; remove it there to take it back. "
    "A version that was saved already stays; `lakehouse retract` removes it"
)
RUN_FAILED = "the run of {name} counts as failed, and what was published before it stays; begin it again to go on"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its name for people, whether it succeeded, seconds, and the first failure's text.

    `told` is what the asset that was made last tells of itself, such as the version it made.
    """

    name: str
    success: bool
    seconds: float
    failure: str | None
    exit_code: int
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loop:
    """The jobs of one code location on one Dagster instance.

    Each method raises KeyboardInterrupt, with what becomes of the work, where a signal stopped its run: Dagster itself
    counts that as one more run that failed. It forgets a signal that meets the end of a run; then no other one begins.
    """

    defs: dg.Definitions
    instance: dg.DagsterInstance

    def ingest(self, key: str, *, copy: Path | None = None, hear: Callable[[str], None] = lambda _: None) -> RunOutcome:
        """Take one submission to its tables; `hear` is told the name of each step that begins.

        `copy` is where it lies in the inbox, for whoever stops the run.
        """
        self._add_partition(key)
        return self._run(key, "ingest", partition_key=key, copy=copy, hear=hear)

    def store(self, key: str) -> RunOutcome:
        """Take one of many submissions to its tables; what all of them mean for the model is left to `learn`."""
        self._add_partition(key)
        return self._run(key, "ingest", partition_key=key, only=[asset.key for asset in STORED])

    def _add_partition(self, key: str) -> None:
        """Make a submission known as a partition. Dagster looks, then writes; another process may come between."""
        name = str(submissions.name)
        try:
            self.instance.add_dynamic_partitions(name, [key])
        except IntegrityError:
            if not self.instance.has_dynamic_partition(name, key):
                raise

    def learn(self, cause: str) -> RunOutcome:
        """Train, evaluate and publish."""
        return self._run("learn", "learn", run_config=learn_config(cause))

    def shrink(self, version: str, names: Sequence[str]) -> RunOutcome:
        """Make smaller forms of a version, the current one where `version` is empty, measure and judge them."""
        only = [SMALLER[name].key for name in names]
        return self._run(version or "current", "shrink", run_config=shrink_config(version, names), only=only)

    def classify(self, name: str) -> RunOutcome:
        """Fine-tune a classifier from its published table, test it, and put it to use when it is better."""
        return self._run(name, "classify", only=[CLASSIFIERS[name].key])

    def instruct(self) -> RunOutcome:
        """Teach a model to answer from the published table that settings name."""
        return self._run("instructed", "instruct")

    def _run(
        self,
        name: str,
        job: str,
        *,
        partition_key: str | None = None,
        run_config: Mapping[str, object] | None = None,
        only: Sequence[dg.AssetKey] | None = None,
        copy: Path | None = None,
        hear: Callable[[str], None] = lambda _: None,
    ) -> RunOutcome:
        if stopped_by():
            raise KeyboardInterrupt
        run_id, begun = str(uuid.uuid4()), time.monotonic()
        self.instance.add_event_listener(run_id, lambda entry: _hear_step(entry, hear))
        result = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition_key,
            # Everything is in the run's log; the terminal shows progress, and errors once, in the outcome.
            run_config={**(run_config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
            asset_selection=only,
            run_id=run_id,
        )
        if _was_stopped(result) or (stopped_by() and not result.success):
            told = SUBMISSION_WAITS if partition_key else RUN_FAILED
            raise KeyboardInterrupt(f"stopped: {told.format(name=name, copy=copy or 'the submission')}")
        failure, code = _first_failure(result)
        return RunOutcome(name, result.success, time.monotonic() - begun, failure, code, _told(result))


@contextmanager
def open_loop(
    settings: Settings, dagster_home: Path, *, listen: Callable[[Progress], None] = lambda _: None
) -> Iterator[Loop]:
    """Open Dagster's instance under `dagster_home` and close it again; `listen` hears how training goes on."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        end_dead_runs(instance)
        yield Loop(build(settings, workshop=replace(workshop(settings), listen=listen)), instance)


def _was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None:
            if error.cls_name == INTERRUPTED:
                return True
            error = error.cause
    return False


def _hear_step(entry: dg.EventLogEntry, hear: Callable[[str], None]) -> None:
    event = entry.dagster_event
    if event is not None and event.event_type is dg.DagsterEventType.STEP_START and event.step_key is not None:
        hear(event.step_key)


def _told(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return the values that the asset made last has beside it."""
    made = [
        event.step_materialization_data.materialization for event in result.all_events if event.is_step_materialization
    ]
    return {name: str(value.value) for name, value in made[-1].metadata.items()} if made else {}


def _first_failure(result: dg.ExecuteInProcessResult) -> tuple[str | None, int]:
    """Return the text and exit code of the first failed step or blocking check."""
    known = {**_codes(LakehouseError), **_codes(ModelError)}
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            user, error = data.user_failure_data, data.error
            if user is not None and "exit_code" in user.metadata:
                return user.description, int(str(user.metadata["exit_code"].value))
            # The error behind the error is what went wrong; the project's own say what to do as well.
            while error is not None and error.cls_name not in known and error.cause is not None:
                error = error.cause
            if error is None:
                return f"{event.step_key} failed", UNKNOWN_EXIT_CODE
            name = error.cls_name or ""
            said = (name == CHECK_FAILED and _failed_checks(result)) or error.message.strip()
            return said.partition(": ")[2] if name in known else said, _exit_code(name, error.message)
    return None, 0


def _failed_checks(result: dg.ExecuteInProcessResult) -> str:
    """Return what the blocking checks that failed say of it."""
    found = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return "; ".join(
        f"{each.asset_key.to_user_string()} fails {each.check_name}: {each.description or 'see its page in Dagster'}"
        for each in found
        if each.blocking and not each.passed and each.severity is dg.AssetCheckSeverity.ERROR
    )


def _exit_code(name: str, message: str) -> int:
    """Return the exit code of an error known by its class name, or of the check that a message names."""
    for check, code in CHECK_EXIT_CODES.items():
        if check in message:
            return code
    return _codes(LakehouseError).get(name) or _codes(ModelError).get(name) or UNKNOWN_EXIT_CODE


def _codes(base: type[LakehouseError] | type[ModelError]) -> dict[str, int]:
    found = {base.__name__: base.exit_code}
    for kind in base.__subclasses__():
        found |= _codes(kind)
    return found
