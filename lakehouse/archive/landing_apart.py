"""Landing in a child process with limits: whatever unpacking and adopting a submission does, it does not do it here."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.child import reading
from lakehouse.archive.entries import DEFAULT_LIMITS, Limits
from lakehouse.archive.landing import Landed, held_place, land_from
from lakehouse.errors import ServiceUnavailableError, UnsafeArchiveError

# Copying 20 GB and its hashes takes minutes; an answer is a few hundred bytes.
DEFAULT_COSTS = Costs(
    memory_bytes=2 << 30,
    cpu_seconds=3_600,
    wall_seconds=7_200.0,
    file_bytes=DEFAULT_LIMITS.total_bytes,
    answer_bytes=1 << 20,
)


def land_in_child(source: Path, into: Path, limits: Limits = DEFAULT_LIMITS, costs: Costs = DEFAULT_COSTS) -> Landed:
    """Land a submission as ``landing.land`` does, in a process that may write nowhere but below `into`.

    Raises:
        UnsafeArchiveError: as `land`, or landing it took more than the costs, or broke off.
        UnreadableSubmissionError: neither a folder nor a readable archive.
        ServiceUnavailableError: no room on the disk, or no process to be had.
    """
    with held_place(into) as (work, handle):
        arguments = {
            "source": str(source.absolute()),
            "work": str(work.absolute()),
            "into": str(into.absolute()),
            "limits": asdict(limits),
        }
        answer = do_apart("land", arguments, costs, [into], [handle])
    if isinstance(answer, GivenUp):
        raise _given_up(source, answer)
    return _landed(answer if isinstance(answer, dict) else {}, into)


def land_here(source: str, work: str, into: str, limits: dict[str, Any]) -> dict[str, object]:
    """Land a submission in this process by way of `work`."""
    reading(Path(source).name)
    landed = land_from(Path(source), Path(work), Path(into), Limits(**limits))
    return {**asdict(landed), "folder": landed.folder.name}


def _given_up(source: Path, given_up: GivenUp) -> UnsafeArchiveError:
    if given_up.too_much is None:
        return UnsafeArchiveError(f"landing {source.name!a} broke off; send its maker this message, and pack it anew")
    return UnsafeArchiveError(f"landing {source.name!a} took {given_up.too_much}; split the dataset, or pack it anew")


def _landed(answer: dict[str, Any], into: Path) -> Landed:
    """Return what the child says it landed, believing nothing that could lead elsewhere."""
    folder, digest = str(answer.get("folder")), str(answer.get("content_sha256"))
    if not re.fullmatch(r"[0-9a-f]{64}", digest) or folder != digest[:12] or not (into / folder).is_dir():
        raise ServiceUnavailableError("the process that lands submissions gave no sensible answer; try again")
    return Landed(into / folder, digest, int(answer["file_count"]), int(answer["size_bytes"]))
