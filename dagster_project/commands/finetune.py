"""Fine-tunes text classifiers and models that answer instructions, measures them, and asks them."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dagster_project.commands.base import ExampleCommand, Verbs, local

_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--table", help="Table of the dataset's folder; files have none."),
    click.option("--text", default="text", show_default=True, help="Column of the texts."),
    click.option("--label", default="label", show_default=True, help="Column of the labels."),
    click.option(
        "--group", help="Column of what belongs together, such as a chapter: never split. Default: each text."
    ),
    click.option("--split", help="Column with train, validation or test. Default: drawn by a hash of the group."),
    click.option("--ag-news", is_flag=True, help="DATA is AG_NEWS: a file, or a folder with train.csv and test.csv."),
    click.option("--trials", type=_PATH, multiple=True, help="More tests of the classifier (YAML)."),
    click.option("--suite", type=_PATH, help="CheckList suite: JSON lines of test, example, label; may be gzipped."),
    click.option(
        "--known-tests", type=_PATH, help="Folder of published tests: its prompt_injection/ attacks the texts."
    ),
    click.option("--rows", type=_PATH, help="Parquet file for figures and test results, a row each."),
    click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: one a core."),
)


def _on_texts(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Verbs, epilog="Example: lakehouse finetune train paragraphs.jsonl --base gpt-0001 --out subjects")
def finetune() -> None:
    """Fine-tune a text classifier, or a model that answers instructions, from a checkpoint; measure it, ask it."""
    from models.child import spin_little

    spin_little()  # before torch loads: these commands learn in their own process


@finetune.command(
    cls=ExampleCommand,
    example="lakehouse finetune train paragraphs.jsonl --label subject --group module "
    "--base .lakehouse/models/versions/gpt-0001 --method lora --out subjects",
)
@click.argument("data", type=_PATH)
@click.option(
    "--base", required=True, help="Checkpoint: a folder, ours or one that AutoModel opens, or hub:OWNER/NAME@REVISION."
)
@click.option("--out", type=_PATH, required=True, help="New folder for the classifier.")
@click.option("--recipe", type=_PATH, help="JSON file of a recipe; what it leaves out has its default.")
@click.option("--method", type=click.Choice(["full", "lora", "head"]), help="What of the base moves; over the recipe.")
@click.option("--seed", type=click.IntRange(min=0), help="Over the recipe's.")
@_on_texts
def train(
    data: Path,
    base: str,
    out: Path,
    recipe: Path | None,
    method: str | None,
    seed: int | None,
    **given: Any,  # noqa: ANN401  click's
) -> None:
    """Fine-tune a classifier on DATA: a dataset's folder (with --table), a CSV, JSON Lines or Parquet file, or AG_NEWS.

    Ends with status 59, and writes nothing, when nothing could be learned; with 53 when a test that stops promotion
    fails.
    """
    from dagster_project.bases import base_folder
    from dagster_project.finetuning import trained
    from models.classifier_recipe import FinetuneRecipe, read_finetune_recipe

    chosen = read_finetune_recipe(recipe) if recipe else FinetuneRecipe()
    over: dict[str, Any] = {"method": method, "seed": seed}
    chosen = dataclasses.replace(chosen, **{name: value for name, value in over.items() if value is not None})
    texts, asked = _texts(data, given), _asked(given)
    for line in trained(texts, base_folder(local, base), chosen, out, asked, threads=given["threads"]):
        print(line, flush=True)


@finetune.command(cls=ExampleCommand, example="lakehouse finetune evaluate subjects paragraphs.jsonl --label subject")
@click.argument("classifier", type=_PATH)
@click.argument("data", type=_PATH)
@_on_texts
def evaluate(classifier: Path, data: Path, **given: Any) -> None:  # noqa: ANN401  click's
    """Measure CLASSIFIER on the test texts of DATA and take its tests; status 53 when one stops promotion."""
    from dagster_project.finetuning import evaluated

    for line in evaluated(classifier, _texts(data, given), _asked(given), threads=given["threads"]):
        print(line, flush=True)


@finetune.command(
    cls=ExampleCommand, example="lakehouse finetune predict subject_classifier 'Atoms form a covalent bond.'"
)
@click.argument("classifier", metavar="FOLDER|VERSION|NAME")
@click.argument("texts", nargs=-1, required=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: one a core.")
def predict(classifier: str, texts: tuple[str, ...], threads: int | None) -> None:
    """Say the label of each of TEXTS, and the calibrated probability of every label, as JSON lines.

    A classifier is a folder, a version as subject_classifier-0001, or a name: the version of it that is in use. The
    answer of a version has a name, which `lakehouse explain` takes.
    """
    from dagster_project.classifier_place import place_of
    from dagster_project.finetuning import predicted

    folder, version = place_of(local, classifier)
    for line in predicted(folder, version, texts, threads=threads):
        print(line)


@finetune.command(
    cls=ExampleCommand,
    example="lakehouse finetune instruct questions.jsonl --base .lakehouse/models/versions/gpt-0001 --out tutor",
)
@click.argument("data", type=_PATH)
@click.option(
    "--base",
    required=True,
    help="Checkpoint: a folder, ours or one that AutoModelForCausalLM opens, or hub:OWNER/NAME@REVISION.",
)
@click.option("--out", type=_PATH, required=True, help="New folder for the model.")
@click.option("--recipe", type=_PATH, help="JSON file of a recipe; what it leaves out has its default.")
@click.option("--method", type=click.Choice(["full", "lora"]), help="What of the base moves; over the recipe.")
@click.option("--seed", type=click.IntRange(min=0), help="Over the recipe's.")
@click.option("--table", help="Table of the dataset's folder; files have none.")
@click.option("--instruction", default="instruction", show_default=True, help="Column of what is asked.")
@click.option("--input", help="Column of what is given with it. Default: input, where there is one.")
@click.option("--response", default="response", show_default=True, help="Column of the wished responses.")
@click.option("--group", help="Column of what belongs together: never split. Default: rows that ask the same.")
@click.option("--split", help="Column with train, validation or test. Default: drawn by a hash of the group.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: one a core.")
def instruct(
    data: Path,
    base: str,
    out: Path,
    recipe: Path | None,
    method: str | None,
    seed: int | None,
    table: str | None,
    threads: int | None,
    **columns: str | None,
) -> None:
    """Teach a model to answer: DATA holds rows of an instruction, perhaps an input, and the wished response.

    Only responses are learned. On held-out rows their loss and perplexity are told beside those of the base. Ends with
    status 59, and writes nothing, when on validation rows nothing was learned.
    """
    from dagster_project.bases import base_folder
    from dagster_project.instructing import Rows, instructed, read_instructions
    from models.instruct_recipe import InstructRecipe
    from models.instructions import Columns
    from models.recipe_fields import read_recipe

    chosen = read_recipe(InstructRecipe, recipe) if recipe else InstructRecipe()
    over: dict[str, Any] = {"method": method, "seed": seed}
    chosen = dataclasses.replace(chosen, **{name: value for name, value in over.items() if value is not None})
    named: dict[str, Any] = columns
    rows = read_instructions(data, Rows(table=table, named=Columns(**named)))
    for line in instructed(rows, base_folder(local, base), chosen, out, threads=threads):
        print(line, flush=True)


@finetune.command(cls=ExampleCommand, example="lakehouse finetune answer tutor 'What is a covalent bond?'")
@click.argument("model", type=_PATH)
@click.argument("instruction")
@click.option("--input", "given", default="", help="What is given with the instruction.")
@click.option("--most", type=click.IntRange(min=1), default=64, show_default=True, help="Tokens, at most.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: one a core.")
def answer(model: Path, instruction: str, given: str, most: int, threads: int | None) -> None:
    """Write the likeliest response of MODEL to INSTRUCTION, as a JSON line.

    MODEL is a folder that `instruct` wrote, or a version, as instructed-0001. The answer of a version has a name,
    which `lakehouse explain` takes.
    """
    from dagster_project.classifier_place import instructed_place
    from dagster_project.instructing import answered

    folder, version = instructed_place(local, model)
    print(answered(folder, version, instruction, given, most=most, threads=threads))


@finetune.command(cls=ExampleCommand, example="lakehouse finetune publish subject_classifier")
@click.argument("name")
def publish(name: str) -> None:
    """Make the classifier NAME of models/classifiers.yaml from its published table, and put it to use if it is better.

    This is a run of the job `classify`. Unchanged texts, base and recipe give the version there already is. The name
    `instructed` teaches the model that answers instead, from LAKEHOUSE_INSTRUCT_TABLE: a run of the job `instruct`.
    """
    from dagster_project.classifying import instructed, published
    from models.classifiers import INSTRUCTED

    lines, outcome = instructed(local()) if name == INSTRUCTED else published(local(), name)
    print("\n".join(lines) if outcome.success else outcome.failure)
    sys.exit(outcome.exit_code)


def _texts(data: Path, given: dict[str, Any]) -> Any:  # noqa: ANN401  labelled texts; their module loads Arrow
    from dagster_project.labelled_files import Where, read_labelled, read_news

    if given["ag_news"]:
        return read_news(data)
    return read_labelled(data, Where(**{name: given[name] for name in ("table", "text", "label", "group", "split")}))


def _asked(given: dict[str, Any]) -> Any:  # noqa: ANN401  as above
    from dagster_project.finetuning import Asked

    return Asked(trials=given["trials"], suite=given["suite"], known_tests=given["known_tests"], rows=given["rows"])
