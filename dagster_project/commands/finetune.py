"""Fine-tunes a model to tell the class of a text."""

from pathlib import Path
from typing import Literal

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings

EXAMPLE = "lakehouse finetune paragraphs.jsonl.gz --from gpt-0001 --label subject --group module --to subjects"


@click.command(cls=ExampleCommand, example=EXAMPLE)
@click.argument("texts", type=click.Path(path_type=Path))
@click.option("--from", "base", required=True, help="A model version, or a folder that transformers reads.")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="New folder for the classifier.")
@click.option("--text", default="text", show_default=True, help="Field with the text.")
@click.option("--label", default="label", show_default=True, help="Field with the class.")
@click.option("--group", help="Field with what must stay on one side of the split, such as a chapter or an author.")
@click.option("--ag-news", is_flag=True, help="TEXTS is AG_NEWS's train.csv: no header, class, title, description.")
@click.option(
    "--method", type=click.Choice(["full", "lora"]), default="full", show_default=True, help="What is learned."
)
@click.option("--cpu-seconds", default=600.0, show_default=True, help="Learning stops after so many CPU seconds.")
@click.option("--epochs", default=3, show_default=True, help="Learning stops after so many passes.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
def finetune(
    texts: Path,
    base: str,
    target: Path,
    text: str,
    label: str,
    group: str | None,
    method: Literal["full", "lora"],
    cpu_seconds: float,
    epochs: int,
    seed: int,
    *,
    ag_news: bool,
) -> None:
    """Learn to tell the classes of TEXTS (JSON lines or CSV), measured beside TF-IDF on texts it has not seen."""
    from dagster_project.finetuning import fine_tuned
    from models.classify import Tuning
    from models.labelled import Columns

    columns = None if ag_news else Columns(text=text, label=label, group=group)
    tuning = Tuning(method=method, cpu_seconds=cpu_seconds, epochs=epochs, seed=seed)
    print(fine_tuned(load_settings(), texts, base, target, columns=columns, tuning=tuning))
