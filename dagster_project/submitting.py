"""Handing in a submission from the command line, with the exit code of what is wrong."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.judging import fair_gate, heartbeat, packs_of_others
from dagster_project.reaching import require_storage
from dagster_project.settings import Settings
from lakehouse.archive import inbox
from lakehouse.archive.findings import Report
from lakehouse.archive.held_folders import unpacked_place
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.limited import judge_in_child
from lakehouse.errors import DuplicateSubmissionError, RefusedError
from lakehouse.ports import DatasetVersion

if TYPE_CHECKING:
    from dagster_project.loop import RunOutcome

PARTS = {
    "submission": "copying it into the archive",
    "validation_report": "reading the verdict on it",
    "dataset_version": "saving it as a version",
    "dataset_record": "recording it",
    "bronze_tables": "storing its rows as they came",
    "silver_tables": "storing its rows with their types",
    "drift": "comparing it with the version before",
    "retrain_decisions": "deciding whether models learn anew",
}
"""What each step of the job `ingest` does, for whoever waits."""
NOTHING_HANDED_IN = "stopped: nothing was handed in"
WAITS = "stopped: {} lies in the inbox, and Dagster's sensor takes it up by itself; remove it there to take it back"


def submit_path(settings: Settings, path: Path) -> int:
    """Put a submission into the inbox and ingest it now; return 0, or the exit code of what is wrong.

    What was saved and is not stored yet, since somebody killed the run, is finished. Raises DuplicateSubmissionError
    when the archive already holds exactly this content, and ServiceUnavailableError at once where nothing listens at
    the storage's address.
    """
    require_storage(settings)
    from assets.validate import verdict_on
    from dagster_project.wiring import lakehouse, shelf, versions

    with heartbeat(f"submitting {path.resolve().name}") as say:
        report, outcome, key = _ingested(settings, path, say)
    if not report.accepted:
        return _told(report, key)
    if outcome.success:
        code = _told(shelf(settings).judge(key), key)
        tell_where(settings, key)
        return code
    if outcome.exit_code == RefusedError.exit_code:
        verdict = verdict_on(key, shelf(settings), lakehouse(settings), versions(settings))
        return _told(verdict, key)
    sys.stderr.write(f"error: {outcome.failure}\n")
    return outcome.exit_code


def _ingested(settings: Settings, path: Path, say: Callable[[str], None]) -> tuple[Report, "RunOutcome", str]:
    """Judge a submission, hand it in and ingest it; return the verdict before, how the run ended, and its key.

    Raises KeyboardInterrupt with where the copy lies, if one does.
    """
    from dagster_project.dagster_home import prepare_dagster_home
    from dagster_project.loop import open_loop
    from dagster_project.wiring import shelf

    copies: list[Path] = []
    try:
        judged, report = _judged(settings, path, say)
        say("copying it into the inbox")
        arrival = inbox.submit(path, settings.home / "inbox", there=copies.append)
        shelf(settings).keep(arrival.key, judged)
        with open_loop(settings, prepare_dagster_home(settings)) as loop:
            outcome = loop.ingest(arrival.key, copy=arrival.path, hear=lambda step: say(PARTS.get(step, step)))
    except KeyboardInterrupt as stopped:
        told = WAITS.format(copies[0]) if copies else NOTHING_HANDED_IN
        raise KeyboardInterrupt(str(stopped) or told) from stopped
    return report, outcome, arrival.key


def _judged(settings: Settings, path: Path, say: Callable[[str], None]) -> tuple[Report, Report]:
    """Return the verdict on a submission that is not stored yet, and the same with what was accepted of it."""
    from dagster_project.wiring import shelf, versions

    with unpacked_place() as folder:
        say("unpacking and hashing it")
        landed = land_in_child(path, folder)
        say("judging it")
        judged = judge_in_child(
            landed.folder,
            submission=path.resolve().stem,
            content_sha256=landed.content_sha256,
            packs=packs_of_others(settings),
        )
        report = fair_gate(settings).applied(shelf(settings).with_acceptances(judged))
        name = report.description.name if report.description else None
        known = versions(settings).find_content(name, landed.content_sha256) if name else None
    if known:
        _require_unfinished(settings, path, known, report.dataset_version)
    return judged, report


def _require_unfinished(settings: Settings, path: Path, known: DatasetVersion, label: str) -> None:
    """Raise DuplicateSubmissionError unless the rows of a saved version are still to come, under its own label."""
    from assets.validate import unfinished
    from dagster_project.wiring import lakehouse

    held = f"{known.dataset} {known.version} ({known.tag}, commit {known.commit[:12]})"
    if not unfinished(lakehouse(settings), [known]):
        raise DuplicateSubmissionError(
            f"{path} is already in the archive as {held}; change its content before handing it in again: "
            "another label alone makes no version"
        )
    if label != known.version:
        raise DuplicateSubmissionError(
            f"{path} is already in the archive as {held}, whose rows are not stored yet: hand it in as version "
            f"{known.version} to have them stored; another label alone makes no version"
        )


def tell_where(settings: Settings, key: str) -> None:
    """Print where the rows of a submission are that was stored."""
    from dagster_project.supervisor import Supervisor
    from dagster_project.whereabouts import whereabouts
    from dagster_project.wiring import lakehouse, naming, permission, shelf, versions

    house = lakehouse(settings)
    landed = shelf(settings).landed(key)
    version = versions(settings).find_content(key.partition("@")[0], landed.content_sha256)
    policy = permission(settings).policy(house)
    place = whereabouts(house, naming(settings), policy, version, user=settings.sql_user) if version else None
    if place is None:
        return  # somebody has retracted it since
    sys.stdout.write(f"\n{place}")
    if not settings.catalogue_url and Supervisor(settings.home).pid("catalogue") is None:
        sys.stdout.write("  both answer once the servers are up: lakehouse up\n")


def _told(report: Report, key: str) -> int:
    sys.stdout.write(report.as_short_text(key=key))
    return 0 if report.accepted else report.exit_code
