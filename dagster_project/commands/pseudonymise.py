"""Gives silver tables that were stored with identifiers as submitted pseudonyms."""

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(cls=ExampleCommand, example="lakehouse pseudonymise club")
@click.argument("dataset")
def pseudonymise(dataset: str) -> None:
    """Rewrite a dataset's silver tables so that no snapshot or file of them names anybody; bronze stays."""
    from dagster_project.withdrawing import pseudonymise_dataset

    print(pseudonymise_dataset(local(), dataset))
