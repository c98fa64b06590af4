"""Says where a figure comes from."""

from pathlib import Path
from typing import Literal, cast

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse explain 'python_docs/pages/json#120' --crate explained/")
@click.argument("target", metavar="PREDICTION|MODEL|DATASET@VERSION|TABLE[/KEY]|VIEW")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print it."
)
@click.option("--crate", type=click.Path(path_type=Path), help="Also write it to this new folder, as an RO-Crate 1.1.")
def explain(target: str, form: str, crate: Path | None) -> None:
    """Walk from a figure to the model, data, code, run and people behind it.

    A PREDICTION is a passage id of kpi.predictions, with MODEL/ before it where several models were asked, or the name
    that `lakehouse finetune predict` or `answer` gives an answer. A MODEL is a version of the language model, of a
    classifier, or of the model that answers. A row of a table is named by its key:
    gold.model_measures/gpt-0001/bits_per_byte/all. Views that dashboards show are kpi.NAME.
    Every value is read from a record. What can no longer be had is shown as gone, and what nobody wrote down as never
    recorded.
    """
    from dagster_project.explaining import explained

    click.echo(explained(load_settings(), target, cast(Literal["text", "json"], form), crate))
