"""Drafting a dataset's description from the command line: a child process looks, this one writes what it drafted."""

import shlex
import shutil
import tempfile
from pathlib import Path

from dagster_project.judging import heartbeat
from lakehouse.archive.drafting_apart import Draft, draft_in_child, is_laid_out
from lakehouse.archive.unpacking import stem_of
from lakehouse.errors import OutputExistsError, UnreadableSubmissionError


def describe_path(path: Path, out: Path | None) -> list[str]:
    """Write the description files that a dataset lacks; return what was written and what is left to do, a line each.

    Raises:
        UnreadableSubmissionError: it is not there, or holds no table.
        OutputExistsError: the new folder is there already, or `out` is given and nothing needs to be copied.
    """
    if not path.exists():
        raise UnreadableSubmissionError(f"{path} is not there; name a folder, an archive or a file with a table")
    if is_laid_out(path):
        if out is not None:
            raise OutputExistsError(f"{path} is laid out as a dataset and described in place; leave out --out")
        with heartbeat(f"describing {path.resolve().name}"):
            draft = draft_in_child(path, None)
        return [*_write(draft, path), *_left(draft, path)]
    target = out or Path(f"{stem_of(path).partition('.')[0] or path.resolve().name}_dataset")
    if target.exists():
        raise OutputExistsError(f"{target} is there already and stays as it is; name another folder with --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".describing-", dir=target.parent))
    try:
        with heartbeat(f"describing {path.resolve().name}"):
            draft = draft_in_child(path, work)
        written = _write(draft, work)
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [f"copied the tables of {path} to {target}", *written, *_left(draft, target)]


def _write(draft: Draft, folder: Path) -> list[str]:
    for place, text in draft.files.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    return [f"wrote {place}, {left} to fill in" for place, left in draft.to_fill_in().items()]


def _left(draft: Draft, folder: Path) -> list[str]:
    if not draft.files:
        return [f"nothing to draft: {folder} has all its description files", *_noted(draft)]
    return [*_noted(draft), f"next: fill in what is marked, then `lakehouse validate {shlex.quote(str(folder))}`"]


def _noted(draft: Draft) -> list[str]:
    return [f"note: {note}" for note in draft.notes]
