"""Removes the data of one version, and keeps what is known about it."""

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(
    cls=ExampleCommand, example="lakehouse retract club@2001 --reason 'published without permission' --by 'A. Keeper'"
)
@click.argument("key", metavar="DATASET@VERSION")
@click.option("--reason", required=True, help="Why; the page of the version shows it to everybody for good.")
@click.option("--by", required=True, help="Who decided it; shown as well.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def retract(key: str, reason: str, by: str, *, dry_run: bool) -> None:
    """Remove the data of a version from everywhere, keep metadata and a tombstone, and write a signed receipt."""
    from dagster_project.withdrawing import retract_version
    from lakehouse.archive.withdraw.retract import Order

    print(retract_version(local(), Order(key, reason, by), dry_run=dry_run))
