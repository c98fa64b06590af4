"""Makes a model version again from its record."""

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse reproduce gpt-0001")
@click.argument("version", metavar="MODEL")
@click.option(
    "--allow-current-code",
    is_flag=True,
    help="Where the recorded code is not at hand, try with the code of today instead of refusing.",
)
def reproduce(version: str, *, allow_current_code: bool) -> None:
    """Train MODEL again from its recorded code, documents, recipe and seed, and say what agrees and what does not.

    MODEL is a version of the language model, or of a classifier as subject_classifier-0001: its texts are read again
    from the recorded snapshot of their table, as terms and consent of today permit.

    Exit code 0 only when weights, tokenizer, curve and published figures agree: on the CPU the weights to the last
    bit. It takes as long as the training did. Nothing of it is kept.
    """
    from dagster_project.explaining import sources
    from dagster_project.reproducing import Books
    from dagster_project.reproducing import reproduce as made_again
    from dagster_project.wiring import permission, shelf

    settings = load_settings()
    books = Books(shelf(settings), permission(settings))
    made_again(sources(settings), version, books, allow_current_code=allow_current_code, tell=click.echo)
