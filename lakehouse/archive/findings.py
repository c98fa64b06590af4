"""The verdict on a submission: findings, FAIR indicators and counts, as JSON for machines and text for people."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from lakehouse.archive.eds import Description

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
Principle = Literal["F", "A", "I", "R"]
PRINCIPLES: Mapping[str, str] = {
    "F": "Findable",
    "A": "Accessible",
    "I": "Interoperable",
    "R": "Reusable",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault at one place; `first_row` counts data rows from 1 and is None when it is not about rows."""

    code: str
    level: Level
    place: str
    occurrences: int
    first_row: int | None
    message: str
    how_to_fix: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class FairIndicator:
    """One FAIR indicator of the RDA maturity model, judged; `next_action` is empty when all points are reached."""

    indicator: str
    principle: Principle
    question: str
    points: float
    max_points: float
    evidence: str
    next_action: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything `validate` found out about one submitted content."""

    submission: str
    content_sha256: str
    description: Description | None
    findings: tuple[Finding, ...]
    fair: tuple[FairIndicator, ...]
    table_rows: Mapping[str, int]
    document_count: int
    personal_count: int
    size_bytes: int
    rules_version: str
    validated_at: datetime

    @property
    def dataset(self) -> str:
        """The dataset's name, from the submission key when there is no usable description."""
        return self.description.name if self.description else self.submission.partition("@")[0]

    @property
    def dataset_version(self) -> str:
        """The version label, from the submission key when there is no usable description."""
        return self.description.version if self.description else self.submission.partition("@")[2] or "undescribed"

    @property
    def accepted(self) -> bool:
        """Whether there is a description and no finding of level error."""
        return self.description is not None and not self.count("error")

    @property
    def exit_code(self) -> int:
        """0 when accepted, else the exit code of the first error."""
        return next((f.exit_code for f in self.findings if f.level == "error"), 0)

    @property
    def fair_score(self) -> float:
        """Share of the FAIR points reached, 0 to 1; 0 without indicators."""
        possible = sum(i.max_points for i in self.fair)
        return sum(i.points for i in self.fair) / possible if possible else 0.0

    @property
    def row_count(self) -> int:
        """Rows of all tables plus documents of all collections."""
        return sum(self.table_rows.values()) + self.document_count

    def count(self, level: Level) -> int:
        """Return how many findings have this level."""
        return sum(1 for f in self.findings if f.level == level)

    def to_json(self) -> str:
        """Return the report as JSON that `from_json` reads."""
        return json.dumps(_plain(self), sort_keys=True, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        return cls(
            **{
                **raw,
                "description": _description(raw["description"]),
                "findings": tuple(Finding(**f) for f in raw["findings"]),
                "fair": tuple(FairIndicator(**i) for i in raw["fair"]),
                "validated_at": datetime.fromisoformat(raw["validated_at"]),
            }
        )

    def as_text(self) -> str:
        """Return the report for people: the verdict, what is wrong, where, how to mend it, and the FAIR table."""
        return "\n".join([*_verdict_lines(self), "", *_finding_lines(self), *_fair_lines(self)]) + "\n"

    def as_markdown(self) -> str:
        """Return the report as Markdown tables, for the page of a run."""
        return _markdown(self)


def _plain(report: Report) -> dict[str, object]:
    return {
        "submission": report.submission,
        "content_sha256": report.content_sha256,
        "description": report.description.model_dump(mode="json") if report.description else None,
        "findings": [asdict(f) for f in report.findings],
        "fair": [asdict(i) for i in report.fair],
        "table_rows": dict(report.table_rows),
        "document_count": report.document_count,
        "personal_count": report.personal_count,
        "size_bytes": report.size_bytes,
        "rules_version": report.rules_version,
        "validated_at": report.validated_at.isoformat(),
    }


def _description(raw: dict[str, object] | None) -> Description | None:
    return Description.model_validate(raw) if raw is not None else None


def _verdict_lines(report: Report) -> list[str]:
    verdict = "ACCEPTED" if report.accepted else "REFUSED"
    return [
        f"{verdict}  {report.submission}",
        f"  {report.row_count} rows and documents, {report.size_bytes} bytes, content {report.content_sha256[:12]}",
        f"  {report.count('error')} errors, {report.count('warning')} warnings, {report.count('note')} notes;"
        f" FAIR score {report.fair_score:.0%}; rules {report.rules_version[:12]}",
    ]


def _finding_lines(report: Report) -> list[str]:
    lines: list[str] = []
    for finding in report.findings:
        row = f", first in row {finding.first_row}" if finding.first_row is not None else ""
        lines += [
            f"{finding.level.upper()} {finding.code}",
            f"  where: {finding.place}{row}",
            f"  what:  {finding.message}",
            f"  mend:  {finding.how_to_fix}",
            "",
        ]
    return lines


def _fair_lines(report: Report) -> list[str]:
    lines = ["FAIR indicators"]
    for principle, word in PRINCIPLES.items():
        chosen = [i for i in report.fair if i.principle == principle]
        reached, possible = sum(i.points for i in chosen), sum(i.max_points for i in chosen)
        lines.append(f"  {word}: {reached:g} of {possible:g}")
        for indicator in chosen:
            lines.append(
                f"    {indicator.indicator:<13} {indicator.points:g}/{indicator.max_points:g}  {indicator.evidence}"
            )
            if indicator.next_action:
                lines.append(f"    {'':<13} next: {indicator.next_action}")
    return lines


def _markdown(report: Report) -> str:
    rows = [
        f"| {f.level} | `{f.code}` | {_cell(f.place)} | {f.occurrences} | {_cell(f.message)} | {_cell(f.how_to_fix)} |"
        for f in report.findings
    ]
    fair = [
        f"| {i.principle} | {i.indicator} | {i.points:g} of {i.max_points:g} |"
        f" {_cell(i.evidence)} | {_cell(i.next_action)} |"
        for i in report.fair
    ]
    return "\n".join(
        [
            *(line.strip() + "  " for line in _verdict_lines(report)),
            "",
            "| level | code | where | count | what | mend |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "| FAIR | indicator | points | evidence | next |",
            "| --- | --- | --- | --- | --- |",
            *fair,
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
