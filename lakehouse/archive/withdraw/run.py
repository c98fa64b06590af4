"""The calls that withdraw a subject or retract a version: look, plan, carry out, and finish what a killed call left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.archive.withdraw.archive import Archive
from lakehouse.archive.withdraw.journal import Journal, finish_closing, open_plan, receipts
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.pseudonymise import Pseudonymising, pseudonymisation
from lakehouse.archive.withdraw.pseudonymous import pseudonyms_of
from lakehouse.archive.withdraw.refused import require_none_waiting
from lakehouse.archive.withdraw.retract import Order, retraction
from lakehouse.archive.withdraw.search import Request, later_versions, search
from lakehouse.archive.withdraw.steps import Steps
from lakehouse.archive.withdraw.uploaded import with_uploads
from lakehouse.errors import UnknownSettingError, UnknownSubjectError
from lakehouse.masking import WITHDRAWN, Mask
from lakehouse.storage_ports import Retained
from lakehouse.tables.withdrawals import PREFIX, RECEIPT, RETAINED


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: the plan when there was something to find, and the receipt that tells of it.

    `carried_out` is False after a dry run, and when it had been done before. `retained` are older versions of objects
    that the storage has not given up. `unread` are the keys of refused submissions that cannot be read to tell whether
    they hold the person. `left` counts the mentions that stay after a call that found nothing else.
    """

    plan: Plan | None
    receipt: str | None
    file: Path | None
    carried_out: bool
    retained: tuple[Retained, ...] = ()
    unread: tuple[str, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)


def withdraw(archive: Archive, request: Request, *, dry_run: bool = False) -> Outcome:
    """Remove a subject from everywhere; the same call again finds nothing and changes nothing.

    A withdrawal that was killed is finished first, whoever it was about; a dry run leaves it alone.

    Raises:
        UnknownSubjectError: nothing names this subject, and no receipt tells of it.
        AmbiguousSubjectError: subjects of several kinds have this value, or it is not one person's.
        CascadeError: rows of other people would have to go, which nobody has asked for.
        BusyError: a submission that holds the subject waits in the inbox, or in the bucket of uploads.
        PseudonymError: the key of silver's pseudonyms is lost, so the person's rows there cannot be told.
    """
    if request.subject.strip() and Mask((request.subject.strip(),)).holds(request.reason):
        raise UnknownSettingError("the reason names the subject, and receipts are kept for good; leave the value out")
    finished = None if dry_run else finish(archive)
    if finished is not None and finished.subject == request.subject.strip() and finished.act == "withdrawal":
        return _outcome(archive, finished)
    pseudonyms = pseudonyms_of(archive.house, archive.silver_key)
    plan = search(archive.versions, archive.shelf, request, pseudonyms)
    if not plan.found:
        return _already(archive, request, plan)
    plan = _with_uploads(archive, plan)
    if dry_run:
        return Outcome(plan, None, None, carried_out=False, unread=plan.unread)
    require_none_waiting(archive.shelf, plan.datasets, plan.kind, {*plan.identifying, *map(folded, plan.identifying)})
    return _carry_out(archive, plan)


def retract(archive: Archive, order: Order, *, dry_run: bool = False) -> Outcome:
    """Remove the data of one version from everywhere; its metadata and a tombstone stay. Again changes nothing.

    Raises:
        NoVersionError: no such version is stored.
        UnknownSettingError: nobody is named who decided it, or no reason.
    """
    finished = None if dry_run else finish(archive)
    if finished is not None and finished.act == "retraction" and finished.subject == order.key:
        return _outcome(archive, finished)
    known = [one for one in receipts(archive.house.objects) if one.get("version") == order.key]
    if known:
        return _known(archive, str(known[-1]["receipt"]))
    plan = _with_uploads(archive, retraction(archive.versions, archive.shelf, archive.scratch, order))
    return Outcome(plan, None, None, carried_out=False) if dry_run else _carry_out(archive, plan)


def pseudonymise(archive: Archive, dataset: str) -> Outcome:
    """Give the rows of a dataset's silver tables pseudonyms where they were stored as submitted; again changes nothing.

    Raises:
        NoVersionError: no such dataset is stored.
        PseudonymError: it cannot be done; the message says why.
    """
    finish(archive)
    plan = pseudonymisation(archive, dataset)
    if not plan.as_submitted:
        return Outcome(None, None, None, carried_out=False)
    return _carry_out(archive, plan)


def finish(archive: Archive) -> Plan | None:
    """Finish what a killed call left, and try again what the storage had kept; return the plan that was open.

    Raises:
        PseudonymError: the key of silver's pseudonyms, which what is left needs, is lost; nothing was changed.
    """
    plan = open_plan(archive.house.objects)
    if plan is not None:
        journal = Journal(archive.house.objects, plan.receipt)
        _steps(archive, plan, journal).require_key()
        if more := later_versions(archive.versions, archive.scratch, plan, journal.steps()):
            plan = more
            journal.open(plan)
        _steps(archive, plan, journal).run()
    finish_closing(archive.house.objects, archive.storage)
    _destroy_retained(archive)
    return plan


def retained(archive: Archive, receipt: str) -> tuple[Retained, ...]:
    """Return what the storage still keeps of what a receipt tells of."""
    key = f"{PREFIX}{receipt}{RETAINED}"
    objects = archive.house.objects
    if key not in objects.keys(key):
        return ()
    return tuple(Retained(**one) for one in json.loads(objects.get(key))["retained"])


def _destroy_retained(archive: Archive) -> None:
    """Delete what a lock kept, now that its time may be over; a second signed document tells of it."""
    objects = archive.house.objects
    for key in [key for key in objects.keys(PREFIX) if key.endswith(RETAINED)]:
        receipt = key.removeprefix(PREFIX).removesuffix(RETAINED)
        before = retained(archive, receipt)
        left = _destroyed(archive, before)
        if len(left) == len(before):
            continue
        gone = [one for one in before if one not in left]
        _hand_out_later(archive, receipt, _shown(archive, gone), _shown(archive, left))
        if left:
            objects.put(key, json.dumps({"retained": [asdict(one) for one in left]}).encode())
        else:
            objects.delete(key)


def _destroyed(archive: Archive, kept: Sequence[Retained]) -> Sequence[Retained]:
    """Delete what was kept, in the bucket of uploads by the account for it; return what is still kept."""
    there = archive.uploads
    if there is None:
        return archive.storage.destroy(kept)
    uploaded = [one for one in kept if one.bucket == there.bucket]
    others = [one for one in kept if one.bucket != there.bucket]
    return (*archive.storage.destroy(others), *there.eraser.destroy(uploaded))


def _shown(archive: Archive, kept: Sequence[Retained]) -> list[dict[str, str]]:
    """Return what may be told of versions for good: an upload's key may name the person, its version does not."""
    there = archive.uploads
    shown = [asdict(one) for one in kept]
    return [one | {"key": WITHDRAWN} if there and one["bucket"] == there.bucket else one for one in shown]


def _hand_out_later(
    archive: Archive, receipt: str, gone: Sequence[dict[str, str]], left: Sequence[dict[str, str]]
) -> None:
    now = datetime.now(UTC)
    told = {
        "format": "supplement to a receipt 1",
        "receipt": receipt,
        "removed_later": list(gone),
        "not_removed": list(left),
        "finished_at": now.isoformat(timespec="seconds"),
        "code_commit": archive.code_commit,
    }
    document = archive.signer.sign(told)
    archive.receipts.mkdir(parents=True, exist_ok=True)
    (archive.receipts / f"{receipt}.later-{now:%Y%m%dT%H%M%S}.json").write_bytes(document)


def _with_uploads(archive: Archive, plan: Plan) -> Plan:
    return plan if archive.uploads is None else with_uploads(plan, archive.uploads, archive.scratch)


def _carry_out(archive: Archive, plan: Plan) -> Outcome:
    journal = Journal(archive.house.objects, plan.receipt)
    journal.open(plan)
    _steps(archive, plan, journal).run()
    return _outcome(archive, plan)


def _steps(archive: Archive, plan: Plan, journal: Journal) -> Steps:
    kind = Pseudonymising if plan.act == "pseudonymisation" else Steps
    return kind(archive, plan, journal)


def _already(archive: Archive, request: Request, plan: Plan) -> Outcome:
    known = archive.signer.fingerprint(request.subject)
    found = [one for one in receipts(archive.house.objects) if one.get("subject", {}).get("keyed_hash") == known]
    if not found:
        but = f"; these refused submissions cannot be read to tell: {', '.join(plan.unread)}" if plan.unread else ""
        if plan.alike:
            but += "; datasets, parts, columns or codes are called so, so texts are not searched for the value"
        if plan.elsewhere:
            places = ", ".join(f"{place} {count}" for place, count in plan.elsewhere.items())
            but += f"; datasets mention the value all the same ({places}), where --everywhere masks it"
        raise UnknownSubjectError(
            "no version of any dataset, no refused submission and no report names this subject where its `subjects` "
            f"declare it; check the value, --kind and --dataset{but}"
        )
    return replace(_known(archive, str(found[-1]["receipt"])), unread=plan.unread, left=plan.elsewhere)


def _known(archive: Archive, receipt: str) -> Outcome:
    file = archive.receipts / f"{receipt}.json"
    if not file.is_file():
        # Killed between keeping the receipt and handing it out.
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(archive.house.objects.get(f"{PREFIX}{receipt}{RECEIPT}"))
    return Outcome(None, receipt, file, carried_out=False, retained=retained(archive, receipt))


def _outcome(archive: Archive, plan: Plan) -> Outcome:
    file = archive.receipts / f"{plan.receipt}.json"
    kept = retained(archive, plan.receipt)
    return Outcome(plan, plan.receipt, file, carried_out=True, retained=kept, unread=plan.unread)
