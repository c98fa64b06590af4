"""The page that stays when a version of a model or classifier is retired: what it was, how it did, and why it went."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.model_card import replace_text
from lakehouse.markdown import plain, table

Rows = Sequence[Mapping[str, Any]]

FOLDER = "post_mortems"
CURRENT = ("became current", "did not become current")
IN_USE = ("came into use", "did not come into use")


def write_post_mortem(root: Path, version: str, text: str) -> Path:
    """Write the page of a version below the folder of models; return where it lies."""
    page = root / FOLDER / f"{version}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    replace_text(page, text)
    return page


def post_mortem(
    training: Mapping[str, Any],
    version: str,
    *,
    stages: Rows,
    judgements: Rows,
    evaluations: Rows,
    by: str,
    reason: str,
    files: str,
) -> str:
    """Return the page of a language model; `files` says what became of them."""
    what = [
        f"- trained at {training['trained_at']} on {training['device']}, cause: {training['cause']}",
        f"- {training['parameter_count']:,} parameters, seed {training['seed']}",
        *_learned(training),
    ]
    return _page(version, by, reason, what, _events(stages, judgements, CURRENT), _scores(evaluations), files)


def tuned_post_mortem(
    training: Mapping[str, Any],
    version: str,
    *,
    stages: Rows,
    judgements: Rows,
    results: Rows,
    by: str,
    reason: str,
    files: str,
) -> str:
    """Return the page of a tuned model; texts of its table are not told."""
    count = training.get("train_texts", training.get("train_rows", 0))
    what = [
        f"- fine-tuned at {training['trained_at']} on {training['device']} from {training['base_version']}, "
        f"seed {training['seed']}",
        f"- {count:,} texts of {plain(training['table'])}, snapshot {training['table_snapshot']}, "
        f"under {plain(training['licence'] or 'no stated licence')}",
        *(f"- labels: {plain(', '.join(sorted(training[name])))}" for name in ("label_counts",) if name in training),
        *_learned(training),
    ]
    return _page(version, by, reason, what, _events(stages, judgements, IN_USE), _results(results), files)


def _page(
    version: str,
    by: str,
    reason: str,
    what: Iterable[str],
    events: Iterable[str],
    scores: Iterable[str],
    files: str,
) -> str:
    return "\n".join(
        [
            f"# {version}: retired",
            "",
            f"Retired by {by}: {reason}",
            "",
            f"Written on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, before the retirement was published.",
            "",
            "## What it was",
            "",
            *what,
            "",
            "## What happened to it",
            "",
            *events,
            "",
            "## How it did",
            "",
            *scores,
            "",
            f"{files} The version is not chosen again.",
            "",
        ]
    )


def _learned(training: Mapping[str, Any]) -> Iterator[str]:
    for name, commit in sorted(training["dataset_commits"].items()):
        yield f"- learned from {name}, commit {commit}"
    yield f"- code: commit {training['code_commit']}"


def _events(stages: Rows, judgements: Rows, words: tuple[str, str]) -> Iterator[str]:
    told = [(row["recorded_at"], words[0] if row["promoted"] else words[1], row["reason"]) for row in judgements]
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


def _results(results: Rows) -> Iterator[str]:
    """Figures and tests of its newest judgement; that a version was measured before shows in what happened to it."""
    if not results:
        yield "It was never measured."
        return
    newest = max(results, key=lambda row: row["recorded_at"])
    rows = [row for row in results if (row["evaluation_snapshot"], row["judgement"]) == _measured(newest)]
    yield f"On held-out texts {newest['evaluation_snapshot'][:12]}, against {newest['judgement'].partition(':')[0]}."
    yield ""
    head = ("figure or test", "slice or kind", "value", "95 % interval or limit", "passed")
    yield from table(head, (_result(row) for row in sorted(rows, key=lambda row: (row["kind"], row["name"]))))


def _measured(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["evaluation_snapshot"], row["judgement"]


def _result(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = "" if row["value"] is None else f"{row['value']:.4f}"
    beside = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
    if row["kind"] == "test":
        beside = f"{row['comparison'].replace('_', ' ')} {row['threshold']:g}"
    return row["name"], row["slice"], value, beside, {True: "yes", False: "NO", None: ""}[row["passed"]]
