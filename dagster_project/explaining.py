"""Explaining for the terminal: reads the chain behind a figure and writes it as a tree, as JSON or as an RO-Crate."""

import json
from pathlib import Path
from typing import Literal

from assets.explain import explain
from assets.explain_data import Sources, open_sources
from dagster_project.code_history import missing_code
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse, versions, workshop
from lakehouse.archive.levels import printable_json
from lakehouse.archive.metadata.lineage_crate import write_crate
from lakehouse.lineage import as_json, as_text


def sources(settings: Settings) -> Sources:
    """Return where explanations are read on this machine."""
    return open_sources(lakehouse(settings), workshop(settings), versions(settings), missing_code)


def explained(settings: Settings, target: str, form: Literal["text", "json"], crate: Path | None) -> str:
    """Return the chain behind `target` as text or JSON, and write it to a new folder as an RO-Crate if one is named.

    Raises:
        UntraceableError: no record, or more than one, has this name.
        OutputExistsError: the folder is there already.
    """
    link = explain(sources(settings), target)
    if crate is not None:
        write_crate(link, crate)
    if form == "text":
        return as_text(link)
    return printable_json(json.dumps(as_json(link), indent=1, ensure_ascii=False))
