"""Protecting a dataset from the command line: land it aside, then suggest a plan for it or carry one out."""

from pathlib import Path

from dagster_project.settings import Settings
from lakehouse.archive.held_folders import unpacked_place
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.privacy.apart import protect_in_child, suggest_in_child
from lakehouse.archive.privacy.plan import read_plan
from lakehouse.archive.privacy.steps import Protector, pseudonym_key


def suggest_plan(path: Path) -> str:
    """Return a plan, as YAML, for what is found in a folder or archive; a person looks at it before it is used."""
    with unpacked_place() as folder:
        return suggest_in_child(land_in_child(path, folder).folder)


def protect_path(settings: Settings, path: Path, plan: Path, out: Path) -> list[str]:
    """Carry out a plan on a folder or archive; return what was done, a line a step.

    Raises:
        ProtectionError: the plan cannot be read or does not fit, or `out` holds something else.
    """
    steps = read_plan(plan)
    key = pseudonym_key(settings.home / "keys")
    with unpacked_place() as folder:
        record = protect_in_child(land_in_child(path, folder).folder, steps, out, Protector(key))
    found = (
        f"{out / DESCRIPTION_FILE} says so too, at provenance.how_made, and once it is handed in its page in the "
        "catalogue, at How it was made"
    )
    return [*record.sentences(), f"wrote {out}", found]
