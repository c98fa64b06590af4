"""The verdict on a submission: findings, FAIR indicators and counts, with the forms that machines and people read."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from lakehouse.archive.eds import Description
from lakehouse.archive.levels import LEVELS, PERSONAL, PRINCIPLES, FairVerdict, Level, Principle, Priority, down_to
from lakehouse.archive.reports.markdown import markdown
from lakehouse.archive.reports.text import short_text, text

ROWS_NAMED = 10_000
"""Row numbers that one finding lists at most."""
REPORT_VERSION = "1.0"
"""Version of the JSON form, whose schema is ``reports/report.schema.json``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault at one place; `first_row` counts data rows from 1 and is None when it is not about rows.

    `rows` names every such row of the place's file, in order; beyond `ROWS_NAMED` of them it is cut there.
    """

    code: str
    level: Level
    place: str
    occurrences: int
    first_row: int | None
    message: str
    how_to_fix: str
    exit_code: int
    rows: tuple[int, ...] = ()

    @property
    def is_acceptable(self) -> bool:
        """Whether somebody may answer for it instead of mending it: it refuses personal data."""
        return self.level == "error" and self.code.startswith(PERSONAL)

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> "Finding":
        """Return the finding that `asdict` and JSON made plain."""
        return cls(**{**raw, "rows": tuple(raw.get("rows", ()))})


@dataclass(frozen=True, slots=True)
class FairIndicator:
    """One FAIR indicator of the RDA maturity model, judged.

    `max_points` is 0 when the indicator is not counted; `next_action` is empty when all points are reached;
    `fuji_metric` names the F-UJI metric that asks the same, where there is one.
    """

    indicator: str
    principle: Principle
    question: str
    points: float
    max_points: float
    evidence: str
    next_action: str
    priority: Priority
    verdict: FairVerdict
    fuji_metric: str | None


def fair_share(indicators: Iterable[FairIndicator]) -> float:
    """Return the share of the possible points that are reached, 0 to 1; 0 where none is possible."""
    known = tuple(indicators)
    possible = sum(i.max_points for i in known)
    return sum(i.points for i in known) / possible if possible else 0.0


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
    def verdict(self) -> str:
        """The verdict in one word."""
        return "accepted" if self.accepted else "refused"

    @property
    def exit_code(self) -> int:
        """0 when accepted, else the exit code of the first error."""
        return next((f.exit_code for f in self.findings if f.level == "error"), 0)

    @property
    def fair_score(self) -> float:
        """Share of the FAIR points reached, 0 to 1; 0 without indicators."""
        return fair_share(self.fair)

    @property
    def row_count(self) -> int:
        """Rows of all tables plus documents of all collections."""
        return sum(self.table_rows.values()) + self.document_count

    def with_more(self, found: Iterable[Finding]) -> "Report":
        """Return the report with what the archive found besides the rules, under another version of them."""
        more = tuple(found)
        said = "\n".join([self.rules_version, *(f"{one.place} {one.message}" for one in more)])
        return replace(
            self,
            findings=tuple(sorted((*self.findings, *more), key=lambda finding: LEVELS.index(finding.level))),
            rules_version=hashlib.sha256(said.encode()).hexdigest(),
        )

    def count(self, level: Level) -> int:
        """Return how many findings have this level."""
        return sum(1 for f in self.findings if f.level == level)

    def to_json(self, level: Level = "note") -> str:
        """Return the report as JSON that `from_json` reads; its shape is ``reports/report.schema.json``.

        Findings below the level are left out, but stand in the counts.
        """
        return json.dumps(_plain(self, level), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        stored = {field.name: raw[field.name] for field in fields(cls)}
        return cls(
            **{
                **stored,
                "description": _description(raw["description"]),
                "findings": tuple(Finding.from_plain(f) for f in raw["findings"]),
                "fair": tuple(FairIndicator(**i) for i in raw["fair"]),
                "validated_at": datetime.fromisoformat(raw["validated_at"]),
            }
        )

    def as_text(self) -> str:
        """Return the long report for people: every finding with where, what and how to mend it, and the FAIR table."""
        return text(self)

    def as_short_text(self, *, key: str = "") -> str:
        """Return the short report for people: findings of one kind together, and the FAIR points by principle.

        With the `key` of what was handed in, also the commands by which somebody answers for personal data.
        """
        return short_text(self, key=key)

    def as_markdown(self) -> str:
        """Return the report as Markdown tables, errors first, for the page of a run."""
        return markdown(self)


def _plain(report: Report, level: Level) -> dict[str, object]:
    return {
        "report_version": REPORT_VERSION,
        "submission": report.submission,
        "dataset": report.dataset,
        "dataset_version": report.dataset_version,
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "counts": {level: report.count(level) for level in LEVELS},
        "fair_score": report.fair_score,
        "content_sha256": report.content_sha256,
        "description": report.description.model_dump(mode="json") if report.description else None,
        "findings": [asdict(f) for f in report.findings if f.level in down_to(level)],
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


__all__ = [
    "LEVELS",
    "PRINCIPLES",
    "FairIndicator",
    "Finding",
    "Level",
    "Principle",
    "Report",
    "fair_share",
]
