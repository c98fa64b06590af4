"""Renders the pages that come from code."""

import click

from dagster_project.commands.base import ExampleCommand


@click.command(cls=ExampleCommand, example="lakehouse docs")
def docs() -> None:
    """Render the dictionary of tables and views into docs/."""
    from dagster_project.settings import PROJECT
    from lakehouse.publish.dictionary import render

    target = PROJECT / "docs" / "dictionary.md"
    target.write_text(render(), encoding="utf-8")
    print(f"wrote {target.relative_to(PROJECT)}")
