"""Sets up a Dremio that runs elsewhere."""

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command("provision-dremio", cls=ExampleCommand, example="lakehouse provision-dremio")
def provision_dremio() -> None:
    """Make a Dremio ready: first user, source, space, views of the current release, reflections."""
    from dagster_project.dremio import provision

    for change in provision(load_settings()):
        print(f"{change.action:<10} {change.kind:<10} {change.name}")
