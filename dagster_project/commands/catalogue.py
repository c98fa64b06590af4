"""Serves the catalogue."""

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command("serve-catalogue", cls=ExampleCommand, example="lakehouse serve-catalogue")
def serve_catalogue() -> None:
    """Run the catalogue in the foreground until it is stopped."""
    from dagster_project.catalogue import serve

    serve(load_settings())
