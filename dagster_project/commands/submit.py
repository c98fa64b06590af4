"""Hands in a dataset."""

import sys
from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(cls=ExampleCommand, example="lakehouse submit my_dataset/")
@click.argument("path", type=click.Path(path_type=Path))
def submit(path: Path) -> None:
    """Hand in a dataset folder, zip or tar archive and take it to its tables."""
    from dagster_project.submitting import submit_path

    sys.exit(submit_path(local(), path))
