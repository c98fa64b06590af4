"""Writes a dataset's metadata in a form that others read."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings

# The same names as in lakehouse.archive.metadata.forms, which is loaded only when something is exported.
FORMS = ("croissant", "croissant-1.1", "frictionless", "ro-crate", "datacite", "schema-org")


@click.command(cls=ExampleCommand, example="lakehouse export college_scorecard@2014 --format croissant --with-data")
@click.argument("source", metavar="DATASET@VERSION|PATH")
@click.option("--format", "form", type=click.Choice(FORMS), required=True, help="The form to write.")
@click.option("--with-data", is_flag=True, help="Copy the data files beside the metadata.")
@click.option("--out", type=click.Path(path_type=Path), help="A new folder; by default named after the version.")
def export(source: str, form: str, with_data: bool, out: Path | None) -> None:  # noqa: FBT001 - a flag of the command line
    """Write a stored version, or a dataset's folder, as a package that others read."""
    from dagster_project.exporting import export_to

    folder, files = export_to(load_settings(), source, form, with_data=with_data, out=out)
    for name in files:
        click.echo(folder / name)
