"""Receives notifications of uploads, and fetches what was uploaded."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, local
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse collect")
def collect() -> None:
    """Bring everything that waits in the bucket of uploads into the inbox, without waiting for Dagster to look."""
    from dagster_project.collecting import collect_now

    sys.exit(collect_now(local()))


@click.command("serve-uploads", cls=ExampleCommand, example="lakehouse serve-uploads")
def serve_uploads() -> None:
    """Run the receiver of upload notifications in the foreground until it is stopped."""
    from dagster_project.receiving import serve

    serve(load_settings())
