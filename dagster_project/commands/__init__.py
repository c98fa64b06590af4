"""The verbs of the `lakehouse` command, one module each; a new verb is a module here and a name in COMMANDS."""

import click

from dagster_project.commands.accept import accept
from dagster_project.commands.catalogue import serve_catalogue
from dagster_project.commands.cluster import provision_storage, serve_dagster, serve_metrics
from dagster_project.commands.describe import describe
from dagster_project.commands.docs import docs
from dagster_project.commands.doi import doi
from dagster_project.commands.dremio import provision_dremio
from dagster_project.commands.explain import explain
from dagster_project.commands.export import export
from dagster_project.commands.finetune import finetune
from dagster_project.commands.maintain import maintain
from dagster_project.commands.models import models
from dagster_project.commands.policy import policy
from dagster_project.commands.protect import protect
from dagster_project.commands.pseudonymise import pseudonymise
from dagster_project.commands.reproduce import reproduce
from dagster_project.commands.retract import retract
from dagster_project.commands.servers import demo, down, run, status, up
from dagster_project.commands.settings import settings
from dagster_project.commands.sql import serve_sql, sql
from dagster_project.commands.submit import submit
from dagster_project.commands.uploads import collect, serve_uploads
from dagster_project.commands.validate import validate
from dagster_project.commands.withdraw import withdraw

COMMANDS: tuple[click.Command, ...] = (
    demo,
    up,
    down,
    status,
    run,
    describe,
    validate,
    submit,
    collect,
    accept,
    protect,
    explain,
    reproduce,
    export,
    doi,
    withdraw,
    maintain,
    retract,
    pseudonymise,
    policy,
    models,
    finetune,
    sql,
    settings,
    docs,
    serve_sql,
    serve_catalogue,
    serve_uploads,
    serve_dagster,
    serve_metrics,
    provision_storage,
    provision_dremio,
)
