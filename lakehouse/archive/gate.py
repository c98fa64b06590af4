"""The FAIR gate: a dataset below the archive's threshold is warned about or refused, as the archive was told."""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

from lakehouse.archive.findings import FairIndicator, Finding, Report
from lakehouse.archive.levels import LEVELS
from lakehouse.archive.reports.groups import next_steps
from lakehouse.percent import percent

GATE_CODE = "FAIR_TOO_LOW"
GATE_EXIT_CODE = 38
STEPS_NAMED = 3


@dataclass(frozen=True, slots=True)
class FairGate:
    """What happens to a dataset whose FAIR score is below the threshold, or that meets no essential indicator."""

    mode: Literal["warn", "block"] = "warn"
    threshold: float = 0.5

    def passes(self, report: Report) -> bool:
        """Say whether the score reaches the threshold and at least one essential indicator has a point."""
        return report.fair_score >= self.threshold and not _no_essential(report)

    def applied(self, report: Report) -> Report:
        """Return the report as this gate lets it through: with one finding more where the dataset does not pass.

        What a gate adds is part of the rules, so the report then carries another version of them: the same content may
        be refused under one threshold and accepted under another, and both verdicts stay apart. A blocking gate
        carries its own version also where the dataset passes.
        """
        passes = self.passes(report)
        if self.mode == "warn" and (passes or not report.fair):
            return report  # where checks broke off, nothing was scored
        judged = replace(report, rules_version=self._version(report.rules_version))
        if passes:
            return judged
        return replace(judged, findings=_sorted((*report.findings, self._finding(report))))

    @property
    def asked(self) -> str:
        """The threshold as it was set, in percent."""
        return f"{self.threshold * 100:.10g}%"

    def _version(self, rules_version: str) -> str:
        warns = " warns" if self.mode == "warn" else ""
        return hashlib.sha256(f"{rules_version} FAIR gate{warns} {self.threshold!r}".encode()).hexdigest()

    def _finding(self, report: Report) -> Finding:
        if _no_essential(report):
            message = "None of the essential FAIR indicators is met, not even in part."
        else:
            does = "takes datasets" if self.mode == "block" else "asks for scores"
            message = f"The FAIR score is {percent(report.fair_score)}; this archive {does} from {self.asked}."
        steps = [f"{i.next_action} ({i.indicator})" for i in next_steps(report)[:STEPS_NAMED]]
        return Finding(
            code=GATE_CODE,
            level="error" if self.mode == "block" else "warning",
            place="(whole dataset)",
            occurrences=1,
            first_row=None,
            message=message,
            how_to_fix=f"What raises it most: {' '.join(steps)}",
            exit_code=GATE_EXIT_CODE,
        )


def _no_essential(report: Report) -> bool:
    essential = [i for i in report.fair if _counts(i) and i.priority == "essential"]
    return bool(essential) and not any(i.points for i in essential)


def _counts(indicator: FairIndicator) -> bool:
    return indicator.max_points > 0


def _sorted(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))
