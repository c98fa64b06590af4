"""Judging a dataset from the command line: land it aside, judge it, write the report, hand nothing in."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from dagster_project.settings import PROJECT, Settings
from lakehouse.archive.findings import Report
from lakehouse.archive.gate import FairGate
from lakehouse.archive.held_folders import unpacked_place
from lakehouse.archive.landing import check_there
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.levels import Level, printable_json
from lakehouse.archive.limited import judge_in_child
from lakehouse.archive.reports.text import head, short_text, text
from lakehouse.errors import UnsafeArchiveError

if TYPE_CHECKING:
    from lakehouse.archive.rule_packs import Packs

Form = Literal["text", "json", "sarif", "html"]
Length = Literal["short", "long", "quiet"]

SILENT_SECONDS = 2.0
BEAT_SECONDS = 5.0


def fair_gate(settings: Settings) -> FairGate:
    """Return what happens to a dataset that is not FAIR enough."""
    return FairGate(mode=settings.fair_gate, threshold=settings.fair_threshold)


def rule_packs(settings: Settings, more: Iterable[Path] = ()) -> "Packs":
    """Return the rule packs: those shipped, those in the folder that the settings name, and those in `more`.

    Raises:
        RulePackError: a folder holds no pack, or a pack is at fault.
    """
    from lakehouse.archive.rule_packs import load_packs

    return load_packs(_folders(settings, more))


def packs_of_others(settings: Settings, more: Iterable[Path] = ()) -> "Packs | None":
    """Return the rule packs as `rule_packs` does; None where those shipped are all, which the child reads by itself.

    Raises:
        RulePackError: a folder holds no pack, or a pack is at fault.
    """
    given = tuple(more)
    return rule_packs(settings, given) if _folders(settings, given) else None


def _folders(settings: Settings, more: Iterable[Path]) -> list[Path]:
    return [*([PROJECT / settings.rule_packs] if settings.rule_packs else []), *more]


def judge_path(path: Path, gate: FairGate, packs: "Packs | None" = None) -> Report:
    """Return the report on a folder or archive; one that is unsafe to unpack is refused with a finding too.

    Raises:
        UnreadableSubmissionError: it is not there, or cannot be read.
    """
    check_there(path)
    name = path.resolve().stem  # of `.` too
    with heartbeat(f"judging {path.resolve().name}"), unpacked_place() as folder:
        try:
            landed = land_in_child(path, folder)
        except UnsafeArchiveError as error:
            from lakehouse.archive.refusal import refusal

            return refusal(name, error)
        report = judge_in_child(landed.folder, submission=name, content_sha256=landed.content_sha256, packs=packs)
    return gate.applied(report)


def written(report: Report, form: Form, *, level: Level = "note", length: Length = "short", root: str = "") -> str:
    """Return the report in a form; `length` is for text, `root` the folder's path for SARIF."""
    match form:
        case "json":
            return printable_json(report.to_json(level)) + "\n"
        case "sarif":
            from lakehouse.archive.reports.sarif import sarif

            return printable_json(sarif(report, root, level)) + "\n"
        case "html":
            from lakehouse.archive.reports.html import html

            return html(report, level)
        case "text":
            return {"short": short_text, "long": text, "quiet": lambda given, _: head(given)}[length](report, level)


@contextmanager
def heartbeat(what: str) -> Iterator[Callable[[str], None]]:
    """Say on stderr now and then that long work goes on; short work stays silent. Yield what names the part at work."""
    over = threading.Event()
    begun = time.monotonic()
    now = [what]

    def beat(there: TextIO) -> None:
        pause = SILENT_SECONDS
        while not over.wait(pause):
            there.write(f"{now[-1]} ... {time.monotonic() - begun:.0f} s\n")
            there.flush()
            pause = BEAT_SECONDS

    with _stderr() as there:
        thread = threading.Thread(target=beat, args=(there,), daemon=True)
        thread.start()
        try:
            yield lambda part: now.append(f"{what}, {part}")
        finally:
            over.set()
            thread.join()


@contextmanager
def _stderr() -> Iterator[TextIO]:
    """Yield stderr as it is now: what is written there while a run of Dagster goes on is in that run's log."""
    try:
        handle = os.dup(sys.stderr.fileno())
    except io.UnsupportedOperation:  # somebody keeps in memory what is written
        yield sys.stderr
        return
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as own:
        yield own
