"""Drafting a dataset's description from the command line: a child process looks, this one writes what it drafted."""

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster_project.judging import heartbeat
from lakehouse.archive.drafting_apart import Draft, Mark, draft_in_child, is_laid_out
from lakehouse.archive.unpacking import stem_of
from lakehouse.errors import OutputExistsError, UnreadableSubmissionError

MOST_SPANS = 8


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
    return [line for place in draft.files for line in (f"wrote {place}", *_to_fill_in(draft.to_fill_in(place)))]


def _to_fill_in(marks: Sequence[Mark]) -> Iterator[str]:
    """Say by field in which lines a person writes what; last what may stay as it is."""
    asked: dict[tuple[str, str], list[int]] = {}
    for mark in marks:
        if mark.asked:
            asked.setdefault((mark.field, mark.said), []).append(mark.line)
    for (field, said), lines in asked.items():
        yield f"  {_lines(lines)}, {field}: {said}"
    left = [mark for mark in marks if not mark.asked]
    if left:
        fields = ", ".join(dict.fromkeys(mark.field for mark in left))
        yield f"  {_lines([mark.line for mark in left])}, where it applies without the first #: {fields}"


def _lines(numbers: Sequence[int]) -> str:
    """Name lines of a file, those that follow each other as a span."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    shown, more = ", ".join("-".join(map(str, span)) for span in spans[:MOST_SPANS]), len(spans) > MOST_SPANS
    return f"line{'s' * (len(numbers) > 1)} {shown}{' ...' if more else ''}"


def _left(draft: Draft, folder: Path) -> list[str]:
    if not draft.files:
        return [f"nothing to draft: {folder} has all its description files", *_noted(draft)]
    todo = "fill in these lines, look at what is marked CHECK"
    return [*_noted(draft), f"next: {todo}, then `lakehouse validate {shlex.quote(str(folder))}`"]


def _noted(draft: Draft) -> list[str]:
    return [f"note: {note}" for note in draft.notes]
