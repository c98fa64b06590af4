"""The `lakehouse` command. Each verb has an example in its help; each kind of error has its own exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dagster_project.settings import PREFIX, Settings, load_settings
from lakehouse.errors import LakehouseError

EXIT_INTERRUPTED = 130


class ExampleCommand(click.Command):
    """A command whose help ends with an example, which it must have."""

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:  # noqa: ANN401 - click's own types
        super().__init__(*arguments, **options)
        self.epilog = f"Example: {example}"


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Example: lakehouse status")
def lakehouse() -> None:
    """A self-hosted lakehouse for education data."""


@lakehouse.command(cls=ExampleCommand, example="lakehouse demo")
def demo() -> None:
    """Run the whole loop on real data and leave the servers up."""
    from dagster_project.demo import run_demo

    sys.exit(run_demo(_local()))


@lakehouse.command(cls=ExampleCommand, example="lakehouse up")
def up() -> None:
    """Start the servers and wait until they are well."""
    from dagster_project.demo import start_servers

    start_servers(_local())


@lakehouse.command(cls=ExampleCommand, example="lakehouse down")
def down() -> None:
    """Stop the servers that `up` or `demo` started, and nothing else."""
    from dagster_project.supervisor import Supervisor

    supervisor = Supervisor(load_settings().home)
    stopped = [name for name in reversed(supervisor.names()) if supervisor.stop(name)]
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@lakehouse.command(cls=ExampleCommand, example="lakehouse status")
def status() -> None:
    """Say which servers run, where, and where the files lie."""
    from dagster_project.demo import show_status

    sys.exit(show_status(_local()))


@lakehouse.command(cls=ExampleCommand, example="lakehouse run")
def run() -> None:
    """Run the whole graph again; unchanged input changes nothing."""
    from dagster_project.demo import run_graph

    sys.exit(run_graph(_local()))


@lakehouse.command(cls=ExampleCommand, example="lakehouse submit my_dataset/")
@click.argument("path", type=click.Path(path_type=Path))
def submit(path: Path) -> None:
    """Hand in a dataset folder or zip archive and take it to its tables."""
    from dagster_project.submitting import submit_path

    sys.exit(submit_path(_local(), path))


@lakehouse.command(cls=ExampleCommand, example="lakehouse validate my_dataset/")
@click.argument("path", type=click.Path(path_type=Path))
def validate(path: Path) -> None:
    """Judge a dataset folder or zip archive without handing it in."""
    from dagster_project.submitting import validate_path

    sys.exit(validate_path(path))


@lakehouse.command(cls=ExampleCommand, example='lakehouse sql "select * from kpi.submissions"')
@click.argument("statement")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to write the rows.",
)
def sql(statement: str, form: str) -> None:
    """Run one SQL statement on what is published."""
    from dagster_project.asking import ask

    print(ask(load_settings(), statement, form=form))


@lakehouse.command(cls=ExampleCommand, example="lakehouse settings")
def settings() -> None:
    """List every setting, its value and its meaning; secrets stay hidden."""
    current = load_settings()
    for name, field in type(current).model_fields.items():
        print(f"{PREFIX}{name.upper()}={getattr(current, name)}\n    {field.description}")


@lakehouse.command(cls=ExampleCommand, example="lakehouse docs")
def docs() -> None:
    """Render the dictionary of tables and views into docs/."""
    from dagster_project.settings import PROJECT
    from lakehouse.publish.dictionary import render

    target = PROJECT / "docs" / "dictionary.md"
    target.write_text(render(), encoding="utf-8")
    print(f"wrote {target.relative_to(PROJECT)}")


@lakehouse.command("serve-sql", cls=ExampleCommand, example="lakehouse serve-sql")
def serve_sql() -> None:
    """Run the SQL endpoint in the foreground until it is stopped."""
    from dagster_project.asking import serve

    serve(load_settings())


def _local() -> Settings:
    from dagster_project.local_env import ensure_local

    return ensure_local(load_settings())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a known error prints one message and ends with its exit code."""
    try:
        lakehouse.main(args=list(arguments) if arguments is not None else None, prog_name="lakehouse")
    except LakehouseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
