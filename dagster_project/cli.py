"""The `lakehouse` command. Each verb has an example in its help; each kind of error has its own exit code."""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dagster_project.commands import COMMANDS
from dagster_project.commands.base import Verbs
from lakehouse.errors import LakehouseError, UnusablePlaceError
from models.errors import ModelError

# Looking for garbage every 700 new objects, as Python does, takes a quarter of the time of loading the libraries.
OBJECTS_BETWEEN_LOOKS = 50_000
# Faults of a file's place, not of the program: another error of the system is shown with where it came from.
OF_THE_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
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


def _place(error: OSError) -> str:
    """Return what cannot be used and what to look at; a file that is still being written has a hidden name."""
    path = Path(os.fsdecode(error.filename)).absolute() if isinstance(error.filename, str | bytes) else None
    where = "a file" if path is None else str(path.parent if path.name.startswith(".") else path)
    return f"{where} cannot be used: {error.strerror}; see who may read and write there, and whether the disk is full"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a known error prints one message and ends with its exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
    try:
        lakehouse.main(args=list(arguments) if arguments is not None else None, prog_name="lakehouse")
    except (LakehouseError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in OF_THE_PLACE:
            raise
        print(f"error: {_place(error)}", file=sys.stderr)
        sys.exit(UnusablePlaceError.exit_code)


if __name__ == "__main__":
    main()
