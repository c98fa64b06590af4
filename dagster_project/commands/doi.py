"""Registers a DOI."""

from typing import Literal, cast

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse doi college_scorecard@2014 --state findable")
@click.argument("key", metavar="DATASET@VERSION")
@click.option(
    "--state",
    type=click.Choice(["draft", "registered", "findable"]),
    default="draft",
    show_default=True,
    help="Reserve it, let it resolve, or let it be found as well.",
)
def doi(key: str, state: str) -> None:
    """Register a DOI for a stored version at DataCite, with the account in the settings."""
    from dagster_project.identifying import register_doi

    done = register_doi(load_settings(), key, cast(Literal["draft", "registered", "findable"], state))
    print(f"https://doi.org/{done.doi} is {done.state} and leads to {done.url}")
