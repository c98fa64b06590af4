"""Takes care of the published tables."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(cls=ExampleCommand, example="lakehouse maintain --dry-run")
@click.option("--dry-run", is_flag=True, help="Only show what each table could do without; change nothing.")
def maintain(dry_run: bool) -> None:  # noqa: FBT001 - click hands options over by name
    """Join small files, expire old snapshots, drop dead branches and delete orphans; show numbers before and after."""
    from dagster_project.maintaining import maintain_now, show_surplus

    sys.exit(show_surplus(local()) if dry_run else maintain_now(local()))
