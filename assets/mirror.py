"""Copies a published version's training run to a tracking server; a fault there is told and changes nothing here."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakehouse.errors import MirrorError
from lakehouse.ports import MirroredMetric, MirroredRun, RunMirror
from models.requests import EvaluateResult
from models.scores import ALL, EvaluationRow

CURVE = ("train_bits_per_byte", "validation_bits_per_byte", "tokens_per_second")
NOWHERE = "no tracking server is named"


class NoMirror:
    """The tracking server of those who have none."""

    def mirror(self, run: MirroredRun) -> str:
        """Copy nothing."""
        del run
        return ""


def copied(mirror: RunMirror, version: str, training: Mapping[str, Any], result: EvaluateResult) -> str:
    """Copy a version's run and say where to; when that fails, say why: publishing goes on either way."""
    if isinstance(mirror, NoMirror):
        return NOWHERE
    try:
        run = run_of(version, training, result)
    except (KeyError, TypeError, ValueError) as error:
        return f"not copied: training.json of {version} lacks what a copy needs ({type(error).__name__}: {error})"
    try:
        return mirror.mirror(run)
    except MirrorError as error:
        return f"not copied: {error}"


def run_of(version: str, training: Mapping[str, Any], result: EvaluateResult) -> MirroredRun:
    """Return a version's run as it is copied: recipe, where it comes from, its curve and its bits per byte."""
    ended = round(datetime.fromisoformat(training["trained_at"]).timestamp() * 1000)
    named = ("documents_snapshot", "code_commit", "cause", "run_id", "training_key")
    return MirroredRun(
        model_version=version,
        started_ms=ended - round(training["train_seconds"] * 1000),
        ended_ms=ended,
        params={name: str(value) for name, value in sorted(training["recipe"].items())},
        tags={f"lakehouse.{name}": str(training[name]) for name in named if training.get(name)}
        | {
            "lakehouse.datasets": " ".join(
                f"{key}={commit}" for key, commit in sorted(training["dataset_commits"].items())
            )
        },
        metrics=[*_curve(training["curve"]), *_measured(result.rows)],
    )


def _curve(points: Sequence[Mapping[str, Any]]) -> Iterator[MirroredMetric]:
    for point in points:
        for name in CURVE:
            if point.get(name) is not None:
                yield MirroredMetric(name, float(point[name]), int(point["step"]))


def _measured(rows: Sequence[EvaluationRow]) -> Iterator[MirroredMetric]:
    for row in rows:
        if row.slice == ALL:
            yield MirroredMetric(f"{row.evaluator}_bits_per_byte", row.bits_per_byte)
