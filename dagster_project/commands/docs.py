"""Renders the pages that come from code."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand


@click.command(cls=ExampleCommand, example="lakehouse docs --promises promises.md")
@click.option(
    "--promises",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write only what tables promise, those of LAKEHOUSE_EXPECTATIONS included, to this file.",
)
def docs(promises: Path | None) -> None:
    """Render the pages under docs/ that come from code: the dictionary, functions, the standard, indicators, codes.

    They say what is shipped; with --promises a page of your own says what is in force here.
    """
    if promises is None:
        _render_shipped()
        return
    from dagster_project.settings import load_settings
    from dagster_project.wiring import expectations
    from lakehouse.tables.expectations import page

    promises.write_text(page.render_alone(expectations(load_settings())), encoding="utf-8")
    print(f"wrote {promises}")


def _render_shipped() -> None:
    from dagster_project.settings import PROJECT
    from lakehouse.archive import fair_page, rules_page, specification
    from lakehouse.endpoint import documented
    from lakehouse.publish import dictionary
    from lakehouse.tables.expectations import page as promises
    from lakehouse.tables.expectations.book import read_expectations

    fair, codes = PROJECT / "docs" / "flow" / "fair.md", PROJECT / "docs" / "flow" / "validate.md"
    said = PROJECT / "docs" / "expectations.md"
    pages = {
        PROJECT / "docs" / "dictionary.md": dictionary.render(),
        fair: fair_page.render(fair.read_text(encoding="utf-8")),
        codes: rules_page.render(codes.read_text(encoding="utf-8")),
        PROJECT / "docs" / "sql-functions.md": documented.render(),
        said: promises.render(said.read_text(encoding="utf-8"), read_expectations()),
        **specification.pages(PROJECT / "docs"),
    }
    for target, text in pages.items():
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(PROJECT)}")
