"""Protecting a dataset from the command line: land it aside, then suggest a plan for it or carry one out."""

import tempfile
from pathlib import Path

from dagster_project.settings import Settings
from lakehouse.archive.contents import read_contents
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.plan import as_yaml, read_plan, suggested
from lakehouse.archive.privacy.protect import protect
from lakehouse.archive.privacy.steps import Protector, pseudonym_key

LEAST = 5


def suggest_plan(path: Path) -> str:
    """Return a plan, as YAML, for what is found in a folder or archive; a person looks at it before it is used."""
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        contents = read_contents(land_in_child(path, Path(folder)).folder)
        tables = {name: table.suspicions for name, table in contents.tables.items()}
        groups = {name: table.groups for name, table in contents.tables.items()}
        texts = [
            name
            for name, texts in contents.texts.items()
            if any(identifiers()[found.kind].certainty == "direct" for found in texts.suspicions)
        ]
        events = [name for name, log in contents.events.items() if log.seen.suspicions]
        small = {name: columns for name, (columns, scan) in groups.items() if scan.small(LEAST).rows}
        return as_yaml(suggested(tables, small, texts, events))


def protect_path(settings: Settings, path: Path, plan: Path, out: Path) -> list[str]:
    """Carry out a plan on a folder or archive; return what was done, a line a step.

    Raises:
        ProtectionError: the plan cannot be read or does not fit, or `out` holds something else.
    """
    steps = read_plan(plan)
    key = pseudonym_key(settings.home / "keys")
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        record = protect(land_in_child(path, Path(folder)).folder, steps, out, Protector(key))
    return [*record.sentences(), f"wrote {out}"]
