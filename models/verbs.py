"""What runs inside the child process: one function per verb, from a request file to a result file."""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from models import train as training
from models.checkpoint import CheckpointStore, Origin, load
from models.config import training_key
from models.device import choose_device
from models.documents import Document, read_documents, snapshot_hash
from models.evaluate import evaluate
from models.interchange import require_same_logits
from models.known_measures import known_measures
from models.known_tests import KnownTests, read_known_tests
from models.measures import own_measures
from models.predict import predict
from models.prepared import Prepared, PreparedStore
from models.progress import Progress
from models.requests import (
    PREDICTIONS,
    RESULT,
    SCORES,
    EvaluateResult,
    TrainRequest,
    evaluate_values,
    read_evaluate_request,
    read_train_request,
    write_result,
)
from models.resume import ResumeStore
from models.scores import write_scores
from models.team import Seat, leading, team_size
from models.trials import read_trials
from models.trials_after import Subject, after_training

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """A request to train, as each process that takes part reads it."""

    request: TrainRequest
    documents: list[Document]
    learned_from: str
    key: str
    resume: ResumeStore[Progress]

    @property
    def own_tokens(self) -> Path:
        """Where tokens lie that are made for this training alone."""
        return self.request.work / "prepared"

    def prepared(self) -> Prepared:
        """The tokenizer and the tokens, made by whoever asks first: the process that leads."""
        store = PreparedStore(self.request.prepared or self.own_tokens)
        return store.open(self.documents, self.request.recipe.vocabulary_size)


def _asked(request_path: Path) -> _Asked:
    request = read_train_request(request_path)
    documents = read_documents(request.documents)
    learned_from = snapshot_hash(documents, splits=("train", "validation"))
    key = training_key(request.recipe, learned_from)
    return _Asked(request, documents, learned_from, key, ResumeStore(request.work / "resume", key, Progress))


def run_train(request_path: Path, on_progress: Callable[[Progress], None]) -> None:
    """Train, keep the checkpoint, and answer with its version."""
    asked = _asked(request_path)
    request, resume = asked.request, asked.resume
    trained = training.train(
        asked.documents,
        request.recipe,
        on_progress=on_progress,
        threads=request.threads,
        resume=resume,
        trials=read_trials(request.trials),
        seat=leading(request_path, request.processes or team_size(request.recipe.batch)),
        prepared=asked.prepared(),
    )
    origin = Origin(
        training_key=asked.key,
        documents_snapshot=request.documents_snapshot,
        documents_sha256=asked.learned_from,
        dataset_commits=request.dataset_commits,
        code_commit=request.code_commit,
        cause=request.cause,
        run_id=request.run_id,
    )
    version = CheckpointStore(request.checkpoints).add(trained, origin)
    resume.clear()
    shutil.rmtree(asked.own_tokens, ignore_errors=True)
    write_result(request.work / RESULT, {"model_version": version})


def train_along(request_path: Path, seat: Seat) -> None:
    """Train as one of several processes; the one that leads keeps the checkpoint."""
    asked = _asked(request_path)
    request = asked.request
    training.train(
        asked.documents,
        request.recipe,
        threads=request.threads,
        resume=asked.resume,
        seat=seat,
        prepared=asked.prepared(),
    )


def run_evaluate(request_path: Path) -> None:
    """Score the test documents, predict on some passages, and answer with the rows."""
    request = read_evaluate_request(request_path)
    started = time.monotonic()
    documents = read_documents(request.documents)
    loaded = load(request.checkpoint)
    difference = require_same_logits(request.checkpoint, loaded, documents)
    log.info("transformers opens checkpoint=%s largest_difference=%.2g", request.checkpoint.name, difference)
    evaluation = evaluate(loaded, documents, threads=request.threads)
    predictions = predict(loaded, documents, count=request.passages, threads=request.threads)
    device = choose_device(loaded.recipe.precision, threads=request.threads)
    measures = own_measures(loaded, documents, evaluation.scores, evaluation.evaluation_snapshot, device)
    # Read after the model's own peak of memory was taken: BLiMP unpacked is larger than a small model.
    known = KnownTests()
    if request.known_tests is not None:
        known = read_known_tests(request.known_tests, most=request.known_tests_most)
    subject = Subject(
        loaded=loaded,
        documents=documents,
        rows=evaluation.rows,
        device=device,
        scores=evaluation.scores,
        injections=known.injections,
    )
    trials = after_training(read_trials(request.trials), subject)
    measures += known_measures(loaded, known, device)
    write_scores(request.work / SCORES, evaluation.scores)
    pq.write_table(predictions, request.work / PREDICTIONS, write_page_checksum=True)
    result = EvaluateResult(
        evaluation_snapshot=evaluation.evaluation_snapshot,
        rows=evaluation.rows,
        scores=request.work / SCORES,
        predictions=request.work / PREDICTIONS,
        seconds=time.monotonic() - started,
        trials=trials,
        measures=measures,
    )
    write_result(request.work / RESULT, evaluate_values(result))
