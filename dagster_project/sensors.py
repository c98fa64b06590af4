"""What starts a run by itself: a settled submission in the inbox, and a decision to retrain. Once per cause."""

import json
import time

import dagster as dg

from assets.house import read_released, submissions
from dagster_project.dead_runs import IN_PROGRESS, end_dead_runs
from dagster_project.jobs import ingest, learn, learn_config
from dagster_project.tries import INBOX, MAX_TRIES, RETRY_SECONDS, given_up, skipped
from lakehouse.archive.shelf import Shelf
from lakehouse.tables.gold import RETRAIN_DECISIONS
from lakehouse.tables.write_audit_publish import Lakehouse

TOUCH = "`touch` one of its files in the inbox"
PARTITION_TAG = "dagster/partition"
UNFINISHED = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, *IN_PROGRESS)


def inbox_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """Return the sensor that ingests what arrives in the inbox.

    An arrival counts once it has not changed between two looks, so that a folder still being copied is left alone. One
    that was neither stored nor refused, because a server was away, is tried again, a few times and ever more rarely;
    what is given up then is told at each look.
    """

    @dg.sensor(
        name=INBOX,
        job=ingest,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ingests a new submission from the inbox folder, once per content.",
    )
    def look(context: dg.SensorEvaluationContext, shelf: dg.ResourceParam[Shelf]) -> dg.SensorResult:
        end_dead_runs(context.instance)
        before: dict[str, list[object]] = json.loads(context.cursor or "{}")
        now, cursor, wanted, lost = time.time(), {}, [], []
        for arrival in shelf.waiting():
            entry = arrival.path.name  # two entries of the inbox may describe themselves as the same version
            mark, tries, not_before = _remembered(before.get(entry), arrival.fingerprint)
            settled = entry in before and before[entry][0] == mark
            if settled and tries < MAX_TRIES and now >= not_before and not _runs(context.instance, arrival.key):
                wanted.append((arrival.key, f"{arrival.key}:{mark}" + (f":{tries}" if tries else "")))
                tries, not_before = tries + 1, now + RETRY_SECONDS * 2**tries
            if given_up(tries, not_before, now):
                lost.append(entry)
            cursor[entry] = [mark, tries, not_before]
        keys = sorted({key for key, _ in wanted})
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=run_key, partition_key=key) for key, run_key in wanted],
            dynamic_partitions_requests=[submissions.build_add_request(keys)] if keys else [],
            cursor=json.dumps(cursor, sort_keys=True),
            skip_reason=None if wanted else skipped(lost, TOUCH),
        )

    return look


def _remembered(entry: list[object] | None, fingerprint: str) -> tuple[str, int, float]:
    """Return an arrival's mark, how often it was tried, and when it may be again; a changed arrival starts anew."""
    if entry is None or entry[0] != fingerprint:
        return fingerprint, 0, 0.0
    return fingerprint, int(str(entry[1])), float(str(entry[2]))


def _runs(instance: dg.DagsterInstance, key: str) -> bool:
    """Say whether a run of this partition waits or goes on."""
    tags = {PARTITION_TAG: key}
    return bool(instance.get_runs(filters=dg.RunsFilter(tags=tags, statuses=list(UNFINISHED)), limit=1))


def drift_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """Return the sensor that asks for a training when a decision to retrain has been recorded."""

    @dg.sensor(
        name="drift_sensor",
        job=learn,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a retraining for each recorded decision, once per cause.",
    )
    def look(context: dg.SensorEvaluationContext, house: dg.ResourceParam[Lakehouse]) -> dg.SensorResult:
        end_dead_runs(context.instance)
        done = set(json.loads(context.cursor or "[]"))
        rows = read_released(house, RETRAIN_DECISIONS, columns=["cause_key", "decision"]).to_pylist()
        asked = {row["cause_key"] for row in rows if row["decision"] == "retrain"}
        wanted = sorted(asked - done)
        # One training learns from everything, so causes that are seen together share it.
        causes = ",".join(wanted)
        request = dg.RunRequest(run_key=causes, run_config=learn_config("drift"), tags={"lakehouse/causes": causes})
        return dg.SensorResult(
            run_requests=[request] if wanted else [],
            cursor=json.dumps(sorted(done.union(wanted))),
        )

    return look
