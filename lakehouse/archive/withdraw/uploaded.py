"""Finds a person, or a version, in the bucket of uploads, and takes out the uploads that hold it with all versions."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse.archive.landing import Landed
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.uploads import Upload, Uploads
from lakehouse.archive.withdraw.looking import Holds, look
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.errors import BusyError, UnreadableSubmissionError, UnsafeArchiveError
from lakehouse.masking import Mask
from lakehouse.storage_ports import Eraser

Verdict = Callable[[Landed], Holds]


@dataclass(frozen=True, slots=True)
class UploadBin:
    """The bucket of uploads by its name, what lies there, and what deletes it for good."""

    bucket: str
    uploads: Uploads
    eraser: Eraser


def with_uploads(plan: Plan, bin_: UploadBin, scratch: Path) -> Plan:
    """Return the plan with the uploads that hold the person, or are the version that goes.

    Of deleted uploads the newest version is read, where the bucket keeps it.

    Raises:
        BusyError: one that nobody has fetched holds the person; it may be what its owner wants taken in.
        CommitConflictError: an upload changed while it was read.
        ServiceUnavailableError: the storage does not answer, or the disk is full.
    """
    verdict = _of_version(plan) if plan.act == "retraction" else _of_person(plan)
    names: list[str] = []
    unread: list[str] = []
    gone = [(upload, True) for upload in bin_.uploads.deleted(bin_.eraser.hidden())]
    for upload, finished in [*bin_.uploads.lying(), *gone]:
        holds = _judged(bin_.uploads, upload, scratch, verdict)
        if holds is Holds.UNREADABLE:
            unread.append(upload.name)
        elif holds is not Holds.NOTHING and finished:
            names.append(upload.name)
        elif holds is not Holds.NOTHING and plan.act == "withdrawal":
            raise BusyError(
                f"{upload.name!a} waits in the bucket {bin_.bucket} and holds the subject; remove it, or let it be "
                "taken in (`lakehouse collect`), then withdraw"
            )
    return replace(plan, uploads=tuple(dict.fromkeys(names)), uploads_unread=tuple(dict.fromkeys(unread)))


def _judged(uploads: Uploads, upload: Upload, scratch: Path, verdict: Verdict) -> Holds:
    with _place(scratch) as work:
        try:
            landed = land_in_child(uploads.copied(upload, work), work / "landed", uploads.limits)
        except (UnsafeArchiveError, UnreadableSubmissionError):
            return Holds.UNREADABLE
        return verdict(landed)


def _of_person(plan: Plan) -> Verdict:
    """Judge by what stands in it; a mention counts where it is no chance, as in refused submissions."""
    wanted = {*plan.identifying, *map(folded, plan.identifying)}
    telling = Mask(plan.values).telling()
    return lambda landed: look([landed.folder], plan.kind, wanted, telling)[0][plan.kind]


def _of_version(plan: Plan) -> Verdict:
    gone = {one.content_sha256 for one in plan.versions if one.removal.whole}
    return lambda landed: Holds.NAMED if landed.content_sha256 in gone else Holds.NOTHING


@contextmanager
def _place(scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".upload-", dir=scratch))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
