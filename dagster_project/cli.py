"""The `lakehouse` command. Each verb has an example in its help; each kind of error has its own exit code."""

import gc
import sys
from collections.abc import Sequence

import click

from dagster_project.commands import COMMANDS
from dagster_project.commands.base import Verbs
from lakehouse.errors import LakehouseError
from models.errors import ModelError

EXIT_INTERRUPTED = 130
# Looking for garbage every 700 new objects, as Python does, takes a quarter of the time of loading the libraries.
OBJECTS_BETWEEN_LOOKS = 50_000
WIDEST_HELP = 120


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
    epilog="Example: lakehouse status",
)
def lakehouse() -> None:
    """A self-hosted lakehouse for education data."""


for command in COMMANDS:
    lakehouse.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a known error prints one message and ends with its exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
    try:
        lakehouse.main(args=list(arguments) if arguments is not None else None, prog_name="lakehouse")
    except (LakehouseError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
