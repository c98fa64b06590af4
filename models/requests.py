"""What a child process is asked and what it answers, and their JSON files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from models.config import Recipe, recipe_from_json
from models.errors import RequestError
from models.progress import Progress
from models.scores import EvaluationRow, Measure
from models.trials import SHIPPED, TrialResult, as_values, from_values

RESULT = "result.json"
SCORES = "scores.parquet"
PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Train a model on a documents file (Parquet) and keep it under a checkpoint root.

    `processes` train it together; None for one a card, and one where there is none. Tokenizer and tokens are taken from
    the folder `prepared` and kept there (`models.prepared`); without it they are made for this training and go with it.
    """

    documents: Path
    recipe: Recipe
    checkpoints: Path
    work: Path
    documents_snapshot: str
    dataset_commits: Mapping[str, str] = field(default_factory=dict)
    code_commit: str = "unknown"
    cause: str = "request"
    run_id: str = ""
    threads: int | None = None
    processes: int | None = None
    trials: Path = SHIPPED
    prepared: Path | None = None

    def absolute(self) -> "TrainRequest":
        """Paths that mean the same in the child, whose working folder differs."""
        return replace(
            self,
            documents=self.documents.resolve(),
            checkpoints=self.checkpoints.resolve(),
            work=self.work.resolve(),
            trials=self.trials.resolve(),
            prepared=None if self.prepared is None else self.prepared.resolve(),
        )


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The model version; `created` is False when an equal run had already made it."""

    model_version: str
    folder: Path
    created: bool
    training: Mapping[str, Any]

    @property
    def curve(self) -> list[Progress]:
        """The recorded steps."""
        return [Progress(**point) for point in self.training["curve"]]


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """Measure a checkpoint on the test documents of a file, and predict on some of their passages."""

    documents: Path
    checkpoint: Path
    work: Path
    passages: int = 64
    threads: int | None = None
    trials: Path = SHIPPED
    known_tests: Path | None = None
    known_tests_most: int = 0

    def absolute(self) -> "EvaluateRequest":
        """Paths that mean the same in the child, whose working folder differs."""
        return replace(
            self,
            documents=self.documents.resolve(),
            checkpoint=self.checkpoint.resolve(),
            work=self.work.resolve(),
            trials=self.trials.resolve(),
            known_tests=None if self.known_tests is None else self.known_tests.resolve(),
        )


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """Rows per evaluator and slice, with the files of per-document scores and of predictions."""

    evaluation_snapshot: str
    rows: list[EvaluationRow]
    scores: Path
    predictions: Path
    seconds: float
    trials: list[TrialResult] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)


def write_request(path: Path, request: TrainRequest | EvaluateRequest) -> None:
    """Write a request for the child to read."""
    values = {key: str(value) if isinstance(value, Path) else value for key, value in vars(request).items()}
    if isinstance(request, TrainRequest):
        values |= {"recipe": request.recipe.canonical_json(), "dataset_commits": dict(request.dataset_commits)}
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")


def read_train_request(path: Path) -> TrainRequest:
    """Read a request to train."""
    values = _values(path)
    try:
        values |= {name: Path(values[name]) for name in ("documents", "checkpoints", "work", "trials")}
        values["recipe"] = recipe_from_json(values["recipe"])
        prepared = values.get("prepared")
        values["prepared"] = None if prepared is None else Path(prepared)
        return TrainRequest(**values)
    except (KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to train: {error}") from error


def read_evaluate_request(path: Path) -> EvaluateRequest:
    """Read a request to evaluate."""
    values = _values(path)
    try:
        values |= {name: Path(values[name]) for name in ("documents", "checkpoint", "work", "trials")}
        known = values.get("known_tests")
        values["known_tests"] = None if known is None else Path(known)
        return EvaluateRequest(**values)
    except (KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to evaluate: {error}") from error


def write_result(path: Path, values: Mapping[str, object]) -> None:
    """Write an answer so that the parent sees all of it or nothing."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values), encoding="utf-8")
    partial.rename(path)


def evaluate_values(result: EvaluateResult) -> dict[str, object]:
    """An evaluation's answer as JSON values; the inverse of `evaluate_result`."""
    return {
        "evaluation_snapshot": result.evaluation_snapshot,
        "rows": [asdict(row) for row in result.rows],
        "scores": str(result.scores),
        "predictions": str(result.predictions),
        "seconds": result.seconds,
        "trials": as_values(result.trials),
        "measures": [asdict(each) for each in result.measures],
    }


def evaluate_result(values: Mapping[str, Any]) -> EvaluateResult:
    """An evaluation's answer read from JSON values."""
    return EvaluateResult(
        evaluation_snapshot=values["evaluation_snapshot"],
        rows=[EvaluationRow(**row) for row in values["rows"]],
        scores=Path(values["scores"]),
        predictions=Path(values["predictions"]),
        seconds=values["seconds"],
        trials=from_values(values["trials"]),
        measures=[Measure(**each) for each in values["measures"]],
    )


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot read the request {path}: {error}") from error
    if not isinstance(values, dict):
        raise RequestError(f"the request {path} holds no JSON object")
    return values
