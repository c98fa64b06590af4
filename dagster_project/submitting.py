"""Handing in a submission from the command line, with the exit code of what is wrong."""

import sys
from pathlib import Path

from dagster_project.judging import fair_gate, packs_of_others
from dagster_project.reaching import require_storage
from dagster_project.settings import Settings
from lakehouse.archive import inbox
from lakehouse.archive.findings import Report
from lakehouse.archive.held_folders import unpacked_place
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.limited import judge_in_child
from lakehouse.errors import DuplicateSubmissionError, RefusedError


def submit_path(settings: Settings, path: Path) -> int:
    """Put a submission into the inbox and ingest it now; return 0, or the exit code of what is wrong.

    Raises DuplicateSubmissionError when the archive already holds exactly this content, and ServiceUnavailableError
    at once where nothing listens at the storage's address.
    """
    require_storage(settings)
    from assets.validate import verdict_on
    from dagster_project.dagster_home import prepare_dagster_home
    from dagster_project.loop import open_loop
    from dagster_project.wiring import lakehouse, shelf, versions

    with unpacked_place() as folder:
        landed = land_in_child(path, folder)
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
        raise DuplicateSubmissionError(
            f"{path} is already in the archive as {known.dataset} {known.version} ({known.tag}, commit "
            f"{known.commit[:12]}); change its content before handing it in again: "
            "another label alone makes no version"
        )
    arrival = inbox.submit(path, settings.home / "inbox")
    shelf(settings).keep(arrival.key, judged)
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.ingest(arrival.key)
    if not report.accepted:
        return _told(report, arrival.key)
    if outcome.success:
        code = _told(shelf(settings).judge(arrival.key), arrival.key)
        tell_where(settings, arrival.key)
        return code
    if outcome.exit_code == RefusedError.exit_code:
        verdict = verdict_on(arrival.key, shelf(settings), lakehouse(settings), versions(settings))
        return _told(verdict, arrival.key)
    sys.stderr.write(f"error: {outcome.failure}\n")
    return outcome.exit_code


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
