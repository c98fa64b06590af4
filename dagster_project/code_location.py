"""Builds the code location from settings: assets, jobs, sensors, schedules and resources."""

from typing import Any

import dagster as dg

from dagster_project.jobs import ALWAYS, ASSETS, collect
from dagster_project.schedules import health_schedule, maintain_schedule, retrain_schedule
from dagster_project.sensors import drift_sensor, inbox_sensor
from dagster_project.settings import Settings
from dagster_project.upload_sensor import upload_sensor
from dagster_project.wiring import resources
from lakehouse.archive.upload_reports import UploadReports


def build(settings: Settings, **instead: object) -> dg.Definitions:
    """Return everything Dagster shows and runs; `instead` replaces resources by name.

    Assets run in the run's own process; models train in a child of it.
    """
    given: dict[str, Any] = {**resources(settings), **instead}
    return dg.Definitions(
        assets=ASSETS,
        jobs=[*ALWAYS, *([collect] if settings.s3_inbox else [])],
        sensors=[inbox_sensor(settings.inbox_seconds), drift_sensor(settings.drift_seconds), *_uploads(settings)],
        schedules=_schedules(settings),
        resources={"upload_reports": UploadReports(given.get("uploads")), **given},
        executor=dg.in_process_executor,
    )


def _uploads(settings: Settings) -> list[dg.SensorDefinition]:
    return [upload_sensor(settings.inbox_seconds, settings.s3_inbox_seconds)] if settings.s3_inbox else []


def _schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    care = [maintain_schedule(settings.maintain_cron)] if settings.maintain_cron else []
    return [retrain_schedule(settings.retrain_cron), health_schedule(settings.health_cron), *care]
