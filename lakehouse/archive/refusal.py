"""The report on a submission that was not even unpacked, because doing so would have been unsafe."""

from datetime import UTC, datetime

from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.rulebook import rules_version
from lakehouse.errors import UnsafeArchiveError

UNSAFE_CODE = "ARCHIVE_UNSAFE"


def refusal(submission: str, error: UnsafeArchiveError) -> Report:
    """Return the report that says what is unsafe; nothing else is known of the submission."""
    what, _, remedy = str(error).rpartition("; ")
    finding = Finding(
        code=UNSAFE_CODE,
        level="error",
        place="(whole dataset)",
        occurrences=1,
        first_row=None,
        message=f"It was not taken: {what or remedy}.",
        how_to_fix=f"{remedy[:1].upper()}{remedy[1:]}." if what else "Pack the dataset again from plain files.",
        exit_code=error.exit_code,
    )
    return Report(
        submission=submission,
        content_sha256="",
        description=None,
        findings=(finding,),
        fair=(),
        table_rows={},
        document_count=0,
        personal_count=0,
        size_bytes=0,
        rules_version=rules_version(),
        validated_at=datetime.now(UTC),
    )
