"""What starts a run by the clock: a regular retraining, a daily look at the tables, and their care."""

import dagster as dg

from dagster_project.jobs import learn, learn_config, look_after, maintain


def retrain_schedule(cron: str) -> dg.ScheduleDefinition:
    """Return the schedule that retrains; on unchanged data the run finds the model it already has."""

    @dg.schedule(
        name="retrain_schedule",
        job=learn,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Retrains the language model regularly; unchanged data makes no new model version.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        when = context.scheduled_execution_time.isoformat()
        return dg.RunRequest(run_key=f"schedule:{when}", run_config=learn_config("schedule"))

    return tick


def health_schedule(cron: str) -> dg.ScheduleDefinition:
    """Return the schedule that looks whether the project's own tables keep their promises."""
    return dg.ScheduleDefinition(
        name="health_schedule",
        job=look_after,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks at the promises of the project's own tables; the same tables on the same day are no news.",
    )


def maintain_schedule(cron: str) -> dg.ScheduleDefinition:
    """Return the schedule that takes care of the tables."""
    return dg.ScheduleDefinition(
        name="maintain_schedule",
        job=maintain,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Joins small files, expires old snapshots, drops dead branches and deletes orphan files.",
    )
