"""Findings of personal data that an owner accepts by name and with a reason: data too, bound to one content."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.levels import LEVELS, PERSONAL
from lakehouse.errors import AcceptanceError
from lakehouse.tables.register import ACCEPTANCES

SHORTEST_NAME, SHORTEST_REASON = 3, 10
LONGEST_NAME, LONGEST_REASON = 200, 2_000


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody answers for one finding at one place of exactly one content; the name and reason are published."""

    submission: str
    content_sha256: str
    code: str
    place: str
    accepted_by: str
    reason: str
    accepted_at: datetime

    @property
    def key(self) -> str:
        """What is recorded once: whatever is said later about the same finding changes nothing."""
        said = "\n".join((self.content_sha256, self.code, self.place))
        return f"acceptance:{hashlib.sha256(said.encode()).hexdigest()}"

    def covers(self, finding: Finding) -> bool:
        """Say whether this is about the finding, if it stands in a report on the same content."""
        return finding.level == "error" and (finding.code, finding.place) == (self.code, self.place)


def acceptance(report: Report, code: str, place: str, *, by: str, reason: str, at: datetime) -> Acceptance:
    """Return the acceptance of one finding of a report.

    Raises:
        AcceptanceError: there is no such finding, it is not about personal data, or nobody answers for it.
    """
    if not code.startswith(PERSONAL):
        raise AcceptanceError(f"{code} cannot be accepted, only findings of personal data can; mend what it names")
    open_findings = [f for f in report.findings if f.is_acceptable]
    if (code, place) not in [(f.code, f.place) for f in open_findings]:
        known = "; ".join(f"{f.code} at {f.place!r}" for f in open_findings) or "none"
        raise AcceptanceError(
            f"{report.submission} has no open finding {code} at {place!r}; findings that can be accepted: {known}"
        )
    by, reason = " ".join(by.split()), " ".join(reason.split())
    if not SHORTEST_NAME <= len(by) <= LONGEST_NAME or not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise AcceptanceError(
            f"an acceptance needs the name of who answers for it ({SHORTEST_NAME} to {LONGEST_NAME} letters) "
            f"and a reason ({SHORTEST_REASON} to {LONGEST_REASON} letters); give both with --by and --reason"
        )
    return Acceptance(report.submission, report.content_sha256, code, place, by, reason, at)


def applied(report: Report, given: Sequence[Acceptance]) -> Report:
    """Return the report with accepted errors as warnings that say who accepted them and why.

    The report then carries another version of the rules, so that both verdicts stay apart, and the time of the last
    acceptance: that is when this verdict was given.
    """
    mine = [one for one in given if one.content_sha256 == report.content_sha256]
    used = [one for one in mine if any(one.covers(finding) for finding in report.findings)]
    if not used:
        return report
    findings = [_accepted(finding, used) for finding in report.findings]
    said = "\n".join([report.rules_version, *sorted(one.key for one in used)])
    return replace(
        report,
        findings=tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level))),
        rules_version=hashlib.sha256(said.encode()).hexdigest(),
        validated_at=max(report.validated_at, *(one.accepted_at for one in used)),
    )


def _accepted(finding: Finding, given: Iterable[Acceptance]) -> Finding:
    one = next((one for one in given if one.covers(finding)), None)
    if one is None:
        return finding
    return replace(
        finding,
        level="warning",
        message=f"{finding.message} Accepted by {one.accepted_by} on {one.accepted_at:%Y-%m-%d}: {one.reason}",
        how_to_fix=f"Nothing, while the reason holds. Without it: {finding.how_to_fix}",
    )


def acceptance_rows(given: Sequence[Acceptance]) -> pa.Table:
    """Return rows for the table of acceptances."""
    return pa.Table.from_pylist([asdict(one) for one in given], schema=ACCEPTANCES.arrow_schema())


def read_acceptances(folder: Path, content_sha256: str) -> list[Acceptance]:
    """Return what was accepted of a content, oldest first."""
    path = _file(folder, content_sha256)
    if not path.is_file():
        return []
    raw = json.loads(path.read_text(encoding="utf-8"))
    return [Acceptance(**{**one, "accepted_at": datetime.fromisoformat(one["accepted_at"])}) for one in raw]


def as_json(given: Sequence[Acceptance]) -> str:
    """Return acceptances as `read_acceptances` reads them."""
    plain = [{**asdict(one), "accepted_at": one.accepted_at.isoformat()} for one in given]
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)


def _file(folder: Path, content_sha256: str) -> Path:
    return folder / f"{content_sha256}.json"
