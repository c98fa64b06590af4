"""The folder of a base that a person named on the command line; the hub is asked when its prefix says so."""

import sys
from collections.abc import Callable
from pathlib import Path

from dagster_project.settings import Settings
from dagster_project.wiring import bases
from models.hub import is_hub_name


def base_folder(settings: Callable[[], Settings], given: str) -> Path:
    """Return a base's folder; settings are asked for by need.

    Raises:
        HubError: a checkpoint of the hub cannot be had.
        PurposeError: its licence does not permit learning from it.
    """
    if not is_hub_name(given):
        return Path(given)
    return bases(settings()).folder(given, _tell)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
