"""Reports beside what was dropped into the inbox: what became of it, as text and as one HTML file."""

import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.inbox import BEING_WRITTEN, arrivals
from lakehouse.archive.levels import LEVELS
from lakehouse.archive.refusal import refusal
from lakehouse.archive.reports.html import html
from lakehouse.archive.reports.text import answering, head, short_text
from lakehouse.errors import PermanentError, UnsafeArchiveError, VersionTakenError

ENDINGS = (".report.txt", ".report.html")
LARGEST_BYTES = 4_000_000
WHOLE = "(whole dataset)"
MARK = "renewed at each try and deleted by itself"
"""By this a report is told from what people put there under such a name."""
MARKED_BYTES = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look into the inbox saw: its entries, and the one that was judged, None when it is another by now."""

    inbox: Path
    entries: frozenset[Path]
    judged: Path | None


def look(inbox: Path, key: str, fingerprint: str) -> Look:
    """Look for the entry with this key and fingerprint, which a report is about."""
    entries = arrivals(inbox)
    judged = next((one.path for one in entries if (one.key, one.fingerprint) == (key, fingerprint)), None)
    return Look(inbox, frozenset(one.path for one in entries), judged)


def report_beside(there: Look, report: Report, then: str = "") -> list[Path]:
    """Write a report beside the entry of the inbox that it is about; return its files, none where that is gone.

    They replace what the last try left, and nothing that is no report. `then` is text on what came after the verdict.
    An entry that has another fingerprint by now is not the one that was judged, and gets its report when it is. Reports
    beside nothing go.
    """
    remove_reports(there.inbox, but_beside=there.entries)
    if there.judged is None:
        return []
    files = {there.judged.with_name(there.judged.name + ending): body for ending, body in bodies(report, then).items()}
    return [_replace(path, body) for path, body in files.items() if _may_be_replaced(path)]


def bodies(report: Report, then: str = "") -> dict[str, str]:
    """Return a report as text and as a page, by the endings of their files' names."""
    key = report.submission
    text = _bounded(short_text(report, key=key) + (f"\n{then}" if then else ""), head(report) + then)
    page = _page(report, "\n\n".join(filter(None, (then, answering(report, key)))))
    both = (f"{text}\n(This report is {MARK}.)\n", f"{page}<!-- {MARK} -->\n")
    return dict(zip(ENDINGS, both, strict=True))


def remove_reports(inbox: Path, *, but_beside: Collection[Path] = ()) -> int:
    """Delete the reports in the inbox, but those beside these entries; return how many files went.

    What people put there under such a name stays.
    """
    kept = {entry.name + ending for entry in but_beside for ending in ENDINGS}
    found = [path for ending in ENDINGS for path in inbox.glob(f"*{ending}") if path.name not in kept]
    halves = [path for ending in ENDINGS for path in inbox.glob(f"*{ending}.*{BEING_WRITTEN}") if _is_left(path)]
    gone = [*(path for path in found if _is_report(path)), *halves]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _is_report(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone, a link by now, or nobody's to read: none of ours
        return False
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(0, os.fstat(descriptor).st_size - MARKED_BYTES))
        return MARK.encode() in file.read(MARKED_BYTES)


def _is_left(part: Path) -> bool:
    """Say whether who wrote half of a report has ended: its process id is in the name."""
    if not part.is_file() or part.is_symlink():
        return False
    writer = part.name.removesuffix(BEING_WRITTEN).rpartition(".")[2].partition("-")[0]
    return writer.isdecimal() and not Path("/proc", writer).exists()


def _may_be_replaced(path: Path) -> bool:
    if not os.path.lexists(path) or path.is_symlink() or _is_report(path):
        return True
    log.warning("no report is written to the inbox, for %r is there and is no report of ours", path.name)
    return False


def not_taken(key: str, error: PermanentError, why: str | None = None) -> Report:
    """Return the report on a submission that was turned away before it could be judged; `why` as in `not_stored`."""
    report = refusal(key, UnsafeArchiveError(str(error) if why is None else why))
    if isinstance(error, UnsafeArchiveError):
        return report
    code = "VERSION_TAKEN" if isinstance(error, VersionTakenError) else "SUBMISSION_UNREADABLE"
    return replace(report, findings=(replace(report.findings[0], code=code, exit_code=error.exit_code),))


def not_stored(report: Report, error: PermanentError, why: str | None = None) -> Report:
    """Return the report on a submission that was found fit, and could not be stored all the same.

    `why` stands in place of what the error says, which may name places and parts of the archive.
    """
    finding = Finding(
        code="NOT_STORED",
        level="error",
        place=WHOLE,
        occurrences=1,
        first_row=None,
        message=f"It is fit, and was not stored: {error if why is None else why}",
        how_to_fix="Mend what this says and hand it in again.",
        exit_code=error.exit_code,
    )
    return replace(report, findings=(finding, *report.findings))


def _page(report: Report, then: str) -> str:
    """Return the page, without notes and then without warnings where it would be too large to open."""
    for level in reversed(LEVELS):
        page = html(report, level, then=then)
        if len(page.encode()) <= LARGEST_BYTES:
            return page
    first = replace(report, findings=report.findings[:1])
    return html(first, "error", then=f"There are {len(report.findings):,} findings, too many for this page.\n{then}")


def _bounded(text: str, short: str) -> str:
    return text if len(text.encode()) <= LARGEST_BYTES else short


def _replace(path: Path, body: str) -> Path:
    """Write a file whole. What lies there under its names is never followed, for others may write to the inbox."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{BEING_WRITTEN}")
    try:
        with part.open("xb") as file:
            file.write(body.encode(errors="backslashreplace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
