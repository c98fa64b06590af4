"""One call that withdraws a subject: looks, plans, carries out, and finishes what a killed call left."""

from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.withdraw.journal import Journal, open_plan, receipts
from lakehouse.archive.withdraw.landed import require_none_waiting
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.search import Request, search
from lakehouse.archive.withdraw.steps import Archive, Steps
from lakehouse.errors import UnknownSettingError, UnknownSubjectError
from lakehouse.masking import Mask


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: the plan when there was something to find, and the receipt that tells of it.

    `carried_out` is False after a dry run, and when the subject had been withdrawn before.
    """

    plan: Plan | None
    receipt: str | None
    file: Path | None
    carried_out: bool


def withdraw(archive: Archive, request: Request, *, dry_run: bool = False) -> Outcome:
    """Remove a subject from everywhere; the same call again finds nothing and changes nothing.

    A withdrawal that was killed is finished first, whoever it was about; a dry run leaves it alone.

    Raises:
        UnknownSubjectError: nothing names this subject, and no receipt tells of it.
        AmbiguousSubjectError: subjects of several kinds have this value.
        BusyError: a submission that may hold the subject waits in the inbox.
    """
    if request.subject.strip() and Mask((request.subject.strip(),)).holds(request.reason):
        raise UnknownSettingError("the reason names the subject, and receipts are kept for good; leave the value out")
    finished = None if dry_run else _finish_open(archive)
    if finished is not None and finished.subject == request.subject.strip():
        return _outcome(archive, finished)
    plan = search(archive.versions, archive.scratch, request)
    if plan is None:
        return _already(archive, request)
    if dry_run:
        return Outcome(plan, None, None, carried_out=False)
    require_none_waiting(archive.shelf, plan.datasets)
    journal = Journal(archive.house.objects, plan.receipt)
    journal.open(plan)
    Steps(archive, plan, journal).run()
    return _outcome(archive, plan)


def _finish_open(archive: Archive) -> Plan | None:
    plan = open_plan(archive.house.objects)
    if plan is not None:
        Steps(archive, plan, Journal(archive.house.objects, plan.receipt)).run()
    return plan


def _already(archive: Archive, request: Request) -> Outcome:
    known = archive.signer.fingerprint(request.subject)
    found = [one for one in receipts(archive.house.objects) if one["subject"]["keyed_hash"] == known]
    if not found:
        raise UnknownSubjectError(
            "no version of any dataset names this subject in the columns its `subjects` declare; "
            "check the value, --kind and --dataset"
        )
    receipt = str(found[-1]["receipt"])
    return Outcome(None, receipt, archive.receipts / f"{receipt}.json", carried_out=False)


def _outcome(archive: Archive, plan: Plan) -> Outcome:
    return Outcome(plan, plan.receipt, archive.receipts / f"{plan.receipt}.json", carried_out=True)
