"""What starts a run by itself: a settled submission in the inbox, and a decision to retrain. Once per cause."""

import json

import dagster as dg

from assets.house import read_released, submissions
from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import ingest, learn, learn_config
from lakehouse.archive.shelf import Shelf
from lakehouse.tables.gold import RETRAIN_DECISIONS
from lakehouse.tables.write_audit_publish import Lakehouse


def inbox_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """Return the sensor that ingests what arrives in the inbox.

    An arrival counts once it has not changed between two looks, so that a folder still being copied is left alone.
    """

    @dg.sensor(
        name="inbox_sensor",
        job=ingest,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ingests a new submission from the inbox folder, once per content.",
    )
    def look(context: dg.SensorEvaluationContext, shelf: dg.ResourceParam[Shelf]) -> dg.SensorResult:
        seen_before: dict[str, str] = json.loads(context.cursor or "{}")
        waiting = {arrival.key: arrival.fingerprint for arrival in shelf.waiting()}
        settled = {key: mark for key, mark in waiting.items() if seen_before.get(key) == mark}
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{key}:{mark}", partition_key=key) for key, mark in sorted(settled.items())
            ],
            dynamic_partitions_requests=[submissions.build_add_request(sorted(settled))] if settled else [],
            cursor=json.dumps(waiting, sort_keys=True),
        )

    return look


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
