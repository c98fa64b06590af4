"""Asks and serves SQL."""

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example='lakehouse sql "select * from kpi.submissions"')
@click.argument("statement")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to write the rows.",
)
@click.option("--purpose", default="", help="What the rows are for; the user's default purpose if not said.")
def sql(statement: str, form: str, purpose: str) -> None:
    """Run one SQL statement on what is published."""
    from dagster_project.asking import ask

    print(ask(load_settings(), statement, form=form, purpose=purpose))


@click.command("serve-sql", cls=ExampleCommand, example="lakehouse serve-sql")
def serve_sql() -> None:
    """Run the SQL endpoint in the foreground until it is stopped."""
    from dagster_project.asking import serve

    serve(load_settings())
