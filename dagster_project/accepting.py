"""Accepting a finding from the command line: onto the shelf, into the register, and on with the submission."""

import sys

from assets.house import commit, read_released
from dagster_project.settings import Settings, code_commit
from dagster_project.submitting import tell_where
from dagster_project.wiring import lakehouse, shelf
from lakehouse.archive.acceptances import Acceptance, acceptance_rows
from lakehouse.archive.levels import counted
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.register import ACCEPTANCES
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse


def accept_finding(settings: Settings, key: str, code: str, *, place: str, by: str, reason: str) -> int:
    """Record the acceptance, ingest the submission when nothing else refuses it, and return the exit code.

    Raises:
        AcceptanceError: there is no such open finding, it cannot be accepted, or name or reason is missing.
        BusyError: a withdrawal is not finished.
    """
    from dagster_project.dagster_home import prepare_dagster_home
    from dagster_project.loop import open_loop

    require_none_open(lakehouse(settings).objects)
    own = shelf(settings)
    said = own.accept(key, code, place, by=by, reason=reason)
    register(lakehouse(settings), own.accepted_findings(key))
    report = own.judge(key)
    left = report.count("error")
    more = counted(left, "error")
    sys.stdout.write(f"accepted {code} at {place!r} for {said.submission}, by {said.accepted_by}; {more} left\n")
    if left:
        sys.stdout.write(report.as_short_text(key=key))
        return report.exit_code
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.ingest(key)
    sys.stdout.write(own.judge(key).as_short_text(key=key))
    if outcome.success:
        tell_where(settings, key)
    else:
        sys.stderr.write(f"error: {outcome.failure}\n")
    return 0 if outcome.success else outcome.exit_code


def register(house: Lakehouse, given: list[Acceptance]) -> None:
    """Write acceptances into their table; those that are there already change nothing."""
    # Content that was rewritten has other keys, and rows that were renamed with it.
    columns = ("content_sha256", "code", "place")
    known = {tuple(row[name] for name in columns) for row in read_released(house, ACCEPTANCES).to_pylist()}
    for one in [one for one in given if (one.content_sha256, one.code, one.place) not in known]:
        write = TableWrite(ACCEPTANCES, acceptance_rows([one]))
        commit(house, [write], key=one.key, provenance=Provenance(run_id="accept", code_commit=code_commit()))
