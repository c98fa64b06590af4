"""Renders the pages that come from code."""

import click

from dagster_project.commands.base import ExampleCommand


@click.command(cls=ExampleCommand, example="lakehouse docs")
def docs() -> None:
    """Render the pages under docs/ that come from code: the dictionary, functions, the standard, indicators, codes."""
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
