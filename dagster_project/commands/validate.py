"""Judges a dataset without handing it in."""

import sys
from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand


@click.command(cls=ExampleCommand, example="lakehouse validate my_dataset/")
@click.argument("path", type=click.Path(path_type=Path))
def validate(path: Path) -> None:
    """Judge a dataset folder or zip archive without handing it in."""
    from dagster_project.submitting import validate_path

    sys.exit(validate_path(path))
