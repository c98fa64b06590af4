"""Asks and serves SQL."""

import sys
from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import Settings, load_settings

EXAMPLES = """lakehouse sql "select * from kpi.submissions"

\b
  lakehouse sql                                                  a shell, with history and completion
  lakehouse sql --file report.sql --format csv --output report.csv
  echo "select 1 as a; select 2 as b" | lakehouse sql --format jsonl
  lakehouse sql --format parquet "select * from lakehouse.gold.loads" > loads.parquet
  lakehouse sql --purpose research --as ada "show tables"

\b
Exit codes: 0 done, 2 wrong usage, 16 a setting is missing, 29 denied, 30 the statement is refused or fails,
31 login refused, 34 the output file is there already, 50 the engine is away, busy or too slow, 130 stopped."""


@click.command(cls=ExampleCommand, example=EXAMPLES)
@click.argument("statement", required=False)
@click.option(
    "--file",
    "source",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read statements from a file; - is standard input.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "jsonl", "parquet", "arrow"]),
    default="table",
    show_default=True,
    help="How to write the rows; arrow is the stream format.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file that is not there yet."
)
@click.option(
    "--spreadsheet", is_flag=True, help="In CSV, keep text that a spreadsheet would run as a formula from running."
)
@click.option(
    "--engine",
    type=click.Choice(["embedded", "dremio"]),
    help="Which engine answers; the one in the settings if not said.",
)
@click.option("--as", "user", default="", help="Ask as another user, with the password that policy.yaml has for it.")
@click.option("--purpose", default="", help="What the rows are for; the user's default purpose if not said.")
def sql(
    statement: str | None,
    source: Path | None,
    form: str,
    output: Path | None,
    engine: str | None,
    user: str,
    purpose: str,
    *,
    spreadsheet: bool,
) -> None:
    """Run SQL on what is published: a STATEMENT, a file, what comes on standard input, or line by line."""
    from dagster_project.sql_asking import ENGINES, client
    from dagster_project.sql_output import FORMS

    settings = load_settings()
    written = next(one for one in FORMS if one == form)
    chosen = next((one for one in ENGINES if one == engine), None)
    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is for --format csv")
    text = _text(statement, source)
    if text is None:
        _shell(settings, chosen, user, purpose, form)
        return
    from dagster_project.sql_batch import Batch

    queries = client(settings, engine=chosen, user=user, purpose=purpose)
    Batch(queries, written, output, spreadsheet=spreadsheet).run(text)


def _text(statement: str | None, source: Path | None) -> str | None:
    """Return what to run; None for a shell."""
    if statement is not None and source is not None:
        raise click.UsageError("give a statement or --file, not both")
    if statement is not None and statement != "-":
        return statement
    if source is not None and str(source) != "-":
        try:
            return source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{source} cannot be read: {error}") from error
    if statement == "-" or source is not None or not sys.stdin.isatty():
        return sys.stdin.read()
    return None


def _shell(settings: Settings, engine: str | None, user: str, purpose: str, form: str) -> None:
    from dagster_project.sql_asking import ENGINES, client
    from dagster_project.sql_output import BINARY, FORMS
    from dagster_project.sql_shell import Shell

    chosen = next((one for one in ENGINES if one == engine), None)
    drawn = next(one for one in FORMS if one == form)
    if drawn in BINARY:
        raise click.UsageError(f"--format {form} needs a statement")
    history = settings.home / "sql_history"
    Shell(lambda asked: client(settings, engine=chosen, user=user, purpose=asked), purpose, history, form=drawn).run()


@click.command("serve-sql", cls=ExampleCommand, example="lakehouse serve-sql")
def serve_sql() -> None:
    """Run the SQL endpoint in the foreground until it is stopped."""
    from dagster_project.asking import serve

    serve(load_settings())
