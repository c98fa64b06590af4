"""Judging in a child process with limited memory and time: hostile files can kill it, never this process."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.archive.apart import WHOLE, Costs, GivenUp, do_apart
from lakehouse.archive.child import reading
from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.kept_patterns import compiled_folder
from lakehouse.errors import UnsafeArchiveError

if TYPE_CHECKING:
    from lakehouse.archive.rule_packs import Packs

TOO_COSTLY, BROKEN_OFF = "SUBMISSION_TOO_COSTLY", "SUBMISSION_BREAKS_CHECKS"
DEFAULT_JUDGING_LIMITS = Costs()


def judge_in_child(
    folder: Path,
    *,
    submission: str,
    content_sha256: str,
    packs: "Packs | None" = None,
    limits: Costs = DEFAULT_JUDGING_LIMITS,
) -> Report:
    """Judge a landed folder in a child process; one that costs more than the limits gives a report that refuses it.

    Raises:
        UnreadableSubmissionError: the folder is not there.
        ServiceUnavailableError: the child could not be started.
    """
    arguments = {
        "folder": str(folder.resolve()),
        "submission": submission,
        "content_sha256": content_sha256,
        "packs": [str(path.resolve()) for path in packs.folders] if packs else [],
    }
    # The child keeps patterns that it has compiled, which nobody but its owner can read or write.
    answer = do_apart("judge", arguments, limits, [compiled_folder()])
    if isinstance(answer, str):
        return Report.from_json(answer)
    given_up = answer if isinstance(answer, GivenUp) else GivenUp(WHOLE, None)
    return _refused(submission, content_sha256, packs, given_up_finding(given_up))


def broke_off(report: Report) -> bool:
    """Say whether a report only tells that judging came to no end, which it may do on a machine with less to do."""
    return any(finding.code in (TOO_COSTLY, BROKEN_OFF) for finding in report.findings)


def judge_here(folder: str, submission: str, content_sha256: str, packs: Iterable[str]) -> str:
    """Judge a landed folder in this process; return the report as JSON."""
    from lakehouse.archive.rule_packs import load_packs
    from lakehouse.archive.validate import validate

    return validate(
        Path(folder),
        submission=submission,
        content_sha256=content_sha256,
        packs=load_packs(Path(place) for place in packs),
        progress=reading,
    ).to_json()


def given_up_finding(given_up: GivenUp) -> Finding:
    """Return the finding on a submission of which a task came to no end."""
    place = given_up.place
    if given_up.too_much is None:
        return _error(
            BROKEN_OFF,
            place,
            f"The checks broke off at {place}: a fault of theirs that this file brings out.",
            "Send the file's maker and the archive's keeper this message; write the file again in a plainer form.",
        )
    return _error(
        TOO_COSTLY,
        place,
        f"Parsing {place} took {given_up.too_much}, so it was given up.",
        "Split the file, or write it again with shorter rows and fewer columns.",
    )


def _error(code: str, place: str, message: str, how_to_fix: str) -> Finding:
    exit_code = UnsafeArchiveError.exit_code
    return Finding(code, "error", place, 1, None, message, how_to_fix, exit_code)


def _refused(submission: str, content_sha256: str, packs: "Packs | None", finding: Finding) -> Report:
    # Needed here alone, so that whoever only starts the child does not load what reads rules.
    from lakehouse.archive.rule_packs import load_packs

    return Report(
        submission=submission,
        content_sha256=content_sha256,
        description=None,
        findings=(finding,),
        fair=(),
        table_rows={},
        document_count=0,
        personal_count=0,
        size_bytes=0,
        rules_version=(packs or load_packs()).rules_version,
        validated_at=datetime.now(UTC),
    )
