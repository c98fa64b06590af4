"""Drafts the description of a dataset from its data."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand


@click.command(cls=ExampleCommand, example="lakehouse describe marks.csv --out marks_dataset/")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="New folder; by default NAME_dataset here.")
def describe(path: Path, out: Path | None) -> None:
    """Draft dataset.yaml and columns.yaml for a folder, archive or single file with tables.

    Looks at every row for types, levels, codes of missing values and a key, and marks what only a person can say. A
    folder that has tables/, texts/ or events/ gets the files it lacks; anything else is copied into a new folder.
    Nothing is overwritten.
    """
    from dagster_project.describing import describe_path

    for line in describe_path(path, out):
        click.echo(line)
