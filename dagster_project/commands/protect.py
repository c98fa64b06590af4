"""Writes a protected copy of a dataset."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand, local


@click.command(cls=ExampleCommand, example="lakehouse protect my_dataset/ --plan plan.yaml --out my_dataset_protected/")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--plan", type=click.Path(path_type=Path), help="YAML file that says which step is taken where.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder for the protected dataset.")
@click.option("--suggest", is_flag=True, help="Print a plan for what is found, and change nothing.")
def protect(path: Path, plan: Path | None, out: Path | None, *, suggest: bool) -> None:
    """Drop, mask, pseudonymise, generalise, suppress or redact what names persons, step by step, on record."""
    from dagster_project.protecting import protect_path, suggest_plan

    if suggest:
        click.echo(suggest_plan(path), nl=False)
        return
    if plan is None or out is None:
        raise click.UsageError("name a --plan and an --out folder, or --suggest a plan")
    for line in protect_path(local(), path, plan, out):
        click.echo(line)
