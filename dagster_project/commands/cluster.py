"""Verbs for servers that each run by themselves, as compose/ starts them."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings

PARTS = ("code", "webserver", "daemon")


@click.command("serve-dagster", cls=ExampleCommand, example="lakehouse serve-dagster code")
@click.argument("part", type=click.Choice(PARTS))
def serve_dagster(part: str) -> None:
    """Run one part of Dagster in the foreground: the code location, the web pages or the daemon."""
    from dagster_project.serving_dagster import PARTS as KNOWN
    from dagster_project.serving_dagster import serve

    serve(load_settings(), next(known for known in KNOWN if known == part))


@click.command("serve-metrics", cls=ExampleCommand, example="lakehouse serve-metrics")
def serve_metrics() -> None:
    """Serve /metrics for Prometheus in the foreground until it is stopped."""
    from dagster_project.metrics import serve

    serve(load_settings())


@click.command("provision-storage", cls=ExampleCommand, example="lakehouse provision-storage /run/secrets")
@click.argument("keys", type=click.Path(path_type=Path, file_okay=False, exists=True))
def provision_storage(keys: Path) -> None:
    """Make a MinIO and the catalog's database ready: buckets, policies, a user for each role, the catalog's tables.

    KEYS is a folder of files: minio_root_user, minio_root_password, and <role>_access_key and <role>_secret_key of
    each role that is wanted.
    """
    from dagster_project.storing import provision

    for line in provision(load_settings(), keys):
        print(line)
