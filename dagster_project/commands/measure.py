"""Measures a model version on published tests."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(cls=ExampleCommand, example="lakehouse measure gpt-0001 --blimp ../shared/data/blimp --most 50")
@click.argument("version")
@click.option("--blimp", type=click.Path(path_type=Path), help="Folder with BLiMP's pairs and published accuracies.")
@click.option("--arc", type=click.Path(path_type=Path), help="Folder with ARC's questions.")
@click.option(
    "--most", type=click.IntRange(min=2), default=50, show_default=True, help="Pairs a paradigm, questions a part."
)
def measure(version: str, blimp: Path | None, arc: Path | None, most: int) -> None:
    """Measure VERSION on grammar (BLiMP) and science questions (ARC), and publish the figures."""
    from dagster_project.measuring import measured

    if blimp is None and arc is None:
        raise click.UsageError("name --blimp or --arc")
    print(measured(local(), version, blimp_folder=blimp, arc_folder=arc, most=most))
