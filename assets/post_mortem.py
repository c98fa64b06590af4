"""The page that stays when a model version is retired: what it was, how it did, and why it went."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def post_mortem(
    training: Mapping[str, Any],
    version: str,
    *,
    stages: Rows,
    judgements: Rows,
    evaluations: Rows,
    by: str,
    reason: str,
) -> str:
    """Return the page's text."""
    return "\n".join(
        [
            f"# {version}: retired",
            "",
            f"Retired by {by}: {reason}",
            "",
            "## What it was",
            "",
            f"- trained at {training['trained_at']} on {training['device']}, cause: {training['cause']}",
            f"- {training['parameter_count']:,} parameters, seed {training['seed']}",
            *(
                f"- learned from {name}, commit {commit}"
                for name, commit in sorted(training["dataset_commits"].items())
            ),
            f"- code: commit {training['code_commit']}",
            "",
            "## What happened to it",
            "",
            *_events(stages, judgements),
            "",
            "## How it did",
            "",
            *_scores(evaluations),
            "",
            "Its folder stays as it was written; the version is not chosen again.",
            "",
        ]
    )


def _events(stages: Rows, judgements: Rows) -> Iterator[str]:
    told = [
        (row["recorded_at"], "became current" if row["promoted"] else "did not become current", row["reason"])
        for row in judgements
    ]
    told += [
        (row["recorded_at"], f"{row['stage'].replace('_', ' ')} by {row['decided_by']}", row["reason"])
        for row in stages
    ]
    for at, what, why in sorted(told):
        yield f"- {at:%Y-%m-%d %H:%M} UTC: {what}: {why}"
    if not told:
        yield "- it was never judged"


def _scores(evaluations: Rows) -> Iterator[str]:
    yield "| evaluation snapshot | evaluator | slice | bits per byte | standard error |"
    yield "| --- | --- | --- | ---: | ---: |"
    for row in sorted(evaluations, key=lambda row: (row["evaluation_snapshot"], row["slice"], row["evaluator"])):
        error = "" if row["standard_error"] is None else f"{row['standard_error']:.4f}"
        snapshot, value = row["evaluation_snapshot"][:12], row["bits_per_byte"]
        yield f"| {snapshot} | {row['evaluator']} | {row['slice']} | {value:.4f} | {error} |"
