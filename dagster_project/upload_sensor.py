"""What fetches an upload by itself: an event about it, or else a look at the whole bucket now and then."""

import json
import time

import dagster as dg

from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import collect, collect_config
from dagster_project.sensors import UNFINISHED
from dagster_project.tries import MAX_TRIES, RETRY_SECONDS, UPLOADS, given_up, skipped
from lakehouse.archive.uploads import Uploads

SETTLE_SECONDS = 60.0
"""How long a folder of objects must stay as it is: of single objects nobody knows which is the last."""
UPLOAD_TAG = "lakehouse/upload"


def upload_sensor(interval_seconds: int, poll_seconds: int) -> dg.SensorDefinition:
    """Return the sensor that fetches uploads into the inbox, where `inbox_sensor` takes over.

    An upload that was told of stays in the queue until it is finished, so no run that breaks off loses it. What is
    given up, because the storage was away each time, is told at each look.
    """

    @dg.sensor(
        name=UPLOADS,
        job_name=collect.name,  # the job itself would be bound again to its resources, with a warning of Dagster's
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fetches a new upload from the bucket into the inbox, once per content.",
    )
    def look(context: dg.SensorEvaluationContext, uploads: dg.ResourceParam[Uploads]) -> dg.SensorResult:
        end_dead_runs(context.instance)
        before = json.loads(context.cursor or '{"polled": 0, "seen": {}}')
        now, seen, requests, lost = time.time(), {}, [], []
        due = now - before["polled"] >= poll_seconds
        told = uploads.queue.names()
        for upload in uploads.everything() if due else uploads.named([*told, *before["seen"]]):
            mark, since, tries, not_before = _remembered(before["seen"].get(upload.name), upload.fingerprint, now)
            ready = (upload.whole or now - since >= SETTLE_SECONDS) and tries < MAX_TRIES and now >= not_before
            if ready and not _runs(context.instance, mark):
                requests.append(
                    dg.RunRequest(
                        run_key=f"{upload.name}:{mark}:{tries}",
                        run_config=collect_config(upload.name),
                        tags={UPLOAD_TAG: mark},
                    )
                )
                tries, not_before = tries + 1, now + RETRY_SECONDS * 2 ** (tries + 1)
            if given_up(tries, not_before, now):
                lost.append(upload.name)
            seen[upload.name] = [mark, since, tries, not_before]
        for name in set(told) - set(seen):
            uploads.queue.drop(name)  # an event that comes just now is dropped with it; the next look at all finds it
        cursor = {"polled": now if due else before["polled"], "seen": seen}
        skip_reason = None if requests else skipped(lost, "`lakehouse collect`")
        return dg.SensorResult(
            run_requests=requests, cursor=json.dumps(cursor, sort_keys=True), skip_reason=skip_reason
        )

    return look


def _remembered(entry: list[object] | None, mark: str, now: float) -> tuple[str, float, int, float]:
    """Return an upload's mark, since when it is so, how often it was tried and when it may be; a changed one is new."""
    if entry is None or entry[0] != mark:
        return mark, now, 0, 0.0
    return mark, float(str(entry[1])), int(str(entry[2])), float(str(entry[3]))


def _runs(instance: dg.DagsterInstance, mark: str) -> bool:
    filters = dg.RunsFilter(tags={UPLOAD_TAG: mark}, statuses=list(UNFINISHED))
    return bool(instance.get_runs(filters=filters, limit=1))
