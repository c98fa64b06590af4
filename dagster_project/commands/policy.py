"""Shows what may be done with which data."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, Verbs, local


@click.group(cls=Verbs, epilog="Example: lakehouse policy check --user lakehouse --purpose research")
def policy() -> None:
    """Say who may use which data for what."""


@policy.command(cls=ExampleCommand, example="lakehouse policy check --user lakehouse --purpose research lessons")
@click.argument("dataset", required=False)
@click.option("--user", required=True, help="A user of policy.yaml in the state folder.")
@click.option("--purpose", required=True, help="A code of lakehouse/policy/purposes.yaml.")
def check(dataset: str | None, user: str, purpose: str) -> None:
    """Say whether USER may use DATASET, or each published dataset, for PURPOSE, and why.

    With a DATASET the exit code is 0 when every part of it may be used, and 29 otherwise.
    """
    from dagster_project.permitting import check as checked

    sys.exit(checked(local(), user, purpose, dataset))
