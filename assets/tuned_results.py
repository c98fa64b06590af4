"""Turns what a tuned model showed into rows of the gold tables and into its card."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from assets.families import Family
from assets.gate import Verdict
from assets.results import write_of
from lakehouse.markdown import plain, table
from lakehouse.ports import Provenance, TableWrite
from models.tuned_requests import TuneAnswer


def tuned_writes(
    family: Family,
    training: Mapping[str, Any],
    own: Mapping[str, Any],
    answer: TuneAnswer,
    current: str | None,
    verdict: Verdict,
    provenance: Provenance,
    *,
    judgement: str,
    release: int,
) -> list[TableWrite]:
    """Return the row of a judgement made while `release` was the current one, and those of what is behind it.

    `own` are the columns that only this family has, or takes from elsewhere.
    """
    row = {
        "event_key": f"{release:010d}:0:judged:{answer.version}",
        "compared_with": current,
        "base": training["base_version"],
        "table_name": training["table"],
        "table_snapshot": training["table_snapshot"],
        "dataset_commits": json.dumps(training["dataset_commits"], sort_keys=True),
        "licence": training["licence"] or None,
        **own,
        **_gained(answer),
        **asdict(verdict),
    }
    known = {
        "model_version": answer.version,
        "evaluation_snapshot": answer.evaluation_snapshot,
        "judgement": judgement,
    }
    return [
        write_of(family.versions, [known | row], provenance),
        write_of(family.results, [known | each for each in _results(answer)], provenance),
    ]


def _gained(answer: TuneAnswer) -> dict[str, float | None]:
    gain = answer.gain
    if gain is None:
        return dict.fromkeys(("difference", "low", "high"))
    return {"difference": gain.difference, "low": gain.low, "high": gain.high}


def _results(answer: TuneAnswer) -> list[dict[str, Any]]:
    figures = [
        {"kind": "figure", "name": each.name, "slice": each.slice, "value": each.value, "low": each.low,
         "high": each.high, "text_count": each.text_count, "group_count": each.group_count}
        for each in answer.figures
    ]  # fmt: skip
    tests = [
        {"kind": "test", "name": each.trial, "slice": each.measure, "comparison": each.comparison,
         "value": each.value if math.isfinite(each.value) else None, "threshold": each.threshold,
         "passed": each.passed, "stops": each.stops, "owner": each.owner, "detail": each.detail}
        for each in answer.trials
    ]  # fmt: skip
    return [*figures, *tests]


def card(means: str, training: Mapping[str, Any], answer: TuneAnswer, verdict: Verdict) -> str:
    """Return the card of a version: what it is for, what it learned from, what it showed, and how it stands."""
    commits = ", ".join(f"{name} ({commit[:12]})" for name, commit in sorted(training["dataset_commits"].items()))
    count = training.get("train_texts", training.get("train_rows", 0))
    hub = training.get("base_hub")
    published = "" if hub is None else f" Its base was published under {plain(hub['licence'] or 'no stated licence')}."
    return "\n".join(
        [
            f"# {answer.version}",
            "",
            means,
            "",
            f"Tuned ({training['device']}, seed {training['seed']}) from {plain(training['base_version'])} on "
            f"{count:,} texts of {plain(training['table'])}, snapshot {training['table_snapshot']}, "
            f"under {plain(training['licence'] or 'no stated licence')}. It and its base learned from "
            f"{plain(commits)}.{published}",
            "",
            f"Judged: {verdict.reason}.",
            "",
            "## Figures",
            "",
            f"On held-out texts {answer.evaluation_snapshot[:12]}.",
            "",
            *_figures(answer),
            "",
            "## Tests",
            "",
            *_tests(answer),
            "",
        ]
    )


def _figures(answer: TuneAnswer) -> Iterator[str]:
    return table(
        ("figure", "slice", "value", "95 % interval", "texts"),
        (
            (each.name, each.slice, f"{each.value:.4f}",
             "" if each.low is None else f"{each.low:.4f} to {each.high:.4f}", f"{each.text_count:,}")
            for each in answer.figures
        ),
    )  # fmt: skip


def _tests(answer: TuneAnswer) -> Iterator[str]:
    return table(
        ("test", "value", "must be", "kept", "stops", "owner"),
        (
            (each.trial, f"{each.value:.4g}", f"{each.comparison.replace('_', ' ')} {each.threshold:g}",
             "yes" if each.passed else "NO", each.stops, each.owner)
            for each in answer.trials
        ),
    )  # fmt: skip
