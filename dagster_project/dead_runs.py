"""Ends runs whose process is gone, so that a killed run does not hold the queue's only place for ever."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

IN_PROGRESS = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

log = logging.getLogger(__name__)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs in progress as failed when the process that said it executes them is dead; return their ids.

    A run that has not said yet which process executes it is left to Dagster's own start time-out.
    """
    ended = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(IN_PROGRESS))):
        pids = list(_pids(instance, run.run_id))
        if pids and not any(_executes(pid, run.run_id, instance) for pid in pids):
            instance.report_run_failed(run, f"its process {pids[-1]} is gone; run it again, what it finished is kept")
            log.warning("ended dead run id=%s pid=%d", run.run_id, pids[-1])
            ended.append(run.run_id)
    return ended


def _pids(instance: dg.DagsterInstance, run_id: str) -> Iterator[int]:
    """Yield the process ids that the run's own events name."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        data = event.engine_event_data.metadata if event is not None else {}
        if "pid" in data:
            yield int(str(data["pid"].value))


def _executes(pid: int, run_id: str, instance: dg.DagsterInstance) -> bool:
    """Say whether a process lives that was born before the run started: a reused process id is born after it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.start_time is None:
        return Path(f"/proc/{pid}").exists()
    born = _born_at(pid)
    return born is not None and born <= record.start_time + 1


def _born_at(pid: int) -> float | None:
    """Return when a living process started, in seconds since the epoch (proc(5), stat field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] == "Z":
        return None
    booted = next(
        int(line.split()[1]) for line in Path("/proc/stat").read_text("utf-8").splitlines() if line.startswith("btime")
    )
    return booted + int(fields[19]) / TICKS_PER_SECOND


TICKS_PER_SECOND = 100  # USER_HZ, the same on every Linux (proc(5))
