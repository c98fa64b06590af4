"""Accepts a finding of personal data, by name and with a reason."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, local

EXAMPLE = (
    "lakehouse accept contacts@1 PERSONAL_EMAIL --place 'tables/rooms/rooms.csv: office' --by 'Ada Example' "
    "--reason 'addresses of offices, published on the web'"
)


@click.command(cls=ExampleCommand, example=EXAMPLE)
@click.argument("key")
@click.argument("code")
@click.option(
    "--place",
    required=True,
    help="Place of the finding: the line under its code in the report, without `, row ...`. The report on what was "
    "handed in ends with this command for each finding that can be accepted.",
)
@click.option("--by", required=True, help="Name of who answers for it; it is published.")
@click.option("--reason", required=True, help="Why it may be published all the same; it is published too.")
def accept(key: str, code: str, place: str, by: str, reason: str) -> None:
    """Answer for the finding CODE of the refused submission KEY; with no error left, it is ingested at once."""
    from dagster_project.accepting import accept_finding

    sys.exit(accept_finding(local(), key, code, place=place, by=by, reason=reason))
