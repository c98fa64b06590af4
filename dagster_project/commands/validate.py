"""Judges a dataset without handing it in."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.commands.base import ExampleCommand
from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from dagster_project.judging import Form, Length
    from dagster_project.settings import Settings
    from lakehouse.archive.gate import FairGate
    from lakehouse.archive.levels import Level

FIT, UNFIT, COULD_NOT_RUN = 0, 1, 2


@click.command(cls=ExampleCommand, example="lakehouse validate my_dataset/ --format html --output report.html")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "html"]),
    default="text",
    show_default=True,
    help="How to write the report.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file instead.")
@click.option(
    "--level",
    type=click.Choice(["error", "warning", "note"]),
    default="note",
    show_default=True,
    help="Leave out findings below this level.",
)
@click.option("--long", "length", flag_value="long", help="Text: every finding and FAIR indicator by itself.")
@click.option("--short", "length", flag_value="short", default="short", help="Text: findings of one kind together.")
@click.option("--quiet", "length", flag_value="quiet", help="Text: the verdict only.")
@click.option(
    "--fair-threshold",
    type=click.FloatRange(0, 1),
    help="Refuse below this FAIR score, whatever the setting LAKEHOUSE_FAIR_GATE says.",
)
@click.option(
    "--rules",
    "rules",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder with rule packs of disciplines, besides those the archive has; may be given again.",
)
def validate(
    path: Path,
    form: "Form",
    output: Path | None,
    level: "Level",
    length: "Length",
    fair_threshold: float | None,
    rules: tuple[Path, ...],
) -> None:
    """Judge a dataset folder, zip or tar archive without handing it in.

    Ends with 0 when it is fit for the archive, 1 when it is not, and 2 when it could not be judged.
    """
    from dagster_project.judging import judge_path, packs_of_others, written
    from dagster_project.settings import load_settings

    try:
        if output is not None and not output.absolute().parent.is_dir():
            raise FileNotFoundError(f"{output.parent} is not a folder; make it first, or name another file")
        settings = load_settings()
        report = judge_path(path, _gate(settings, fair_threshold), packs_of_others(settings, rules))
        root = path.as_posix() if path.is_dir() and not path.is_absolute() else ""
        text = written(report, form, level=level, length=length, root=root)
        if output is None:
            click.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")
            click.echo(f"{report.verdict}: wrote {output}", err=True)
    except (LakehouseError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(COULD_NOT_RUN)
    sys.exit(FIT if report.accepted else UNFIT)


def _gate(settings: "Settings", threshold: float | None) -> "FairGate":
    from dagster_project.judging import fair_gate
    from lakehouse.archive.gate import FairGate

    if threshold is not None:
        return FairGate("block", threshold)
    return fair_gate(settings)
