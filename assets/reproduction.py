"""Makes a model version again from what is recorded about it, in a folder that is thrown away, and compares."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.explain_data import Sources, unavailable
from lakehouse.errors import NoTableError, NotReproducibleError, UntraceableError, WithdrawnError
from lakehouse.tables.gold import DOCUMENTS, EVALUATIONS
from lakehouse.tables.withdrawals import quarantined, require_none_open
from models import agreement
from models.agreement import Finding
from models.checkpoint import CheckpointStore
from models.child import Place, perform
from models.documents import documents_from, snapshot_hash
from models.errors import CheckpointError
from models.progress import Progress

LEARNED = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A version to make again: what is recorded of it, the folder to work in, and the code to run.

    `work` is empty and thrown away afterwards; `place` is a checkout of the recorded code.
    """

    version: str
    training: Mapping[str, Any]
    work: Path
    place: Place

    @property
    def documents(self) -> Path:
        """The file of documents to learn from."""
        return self.work / "documents.parquet"


def recorded_training(sources: Sources, version: str) -> dict[str, Any]:
    """Return what is recorded about a version, if its data may and can be learned from again.

    Raises:
        UntraceableError: there is no such version.
        CheckpointError: its files are not those that were written.
        NotReproducibleError: it is in quarantine, or a dataset version that it learned from is gone; BusyError while a
            withdrawal is not finished.
    """
    require_none_open(sources.house.objects)
    store = sources.workshop.checkpoints
    try:
        training = store.training(version)
    except CheckpointError as error:
        raise UntraceableError(f"{error}; `lakehouse models list` lists all versions") from error
    if version in quarantined(sources.house.objects) or version not in store.usable():
        raise NotReproducibleError(
            f"{version} is in quarantine, for it learned from somebody who withdrew; it must not be made again"
        )
    store.whole(version)
    require_data(sources, version, training["dataset_commits"])
    return training


def require_data(sources: Sources, version: str, commits: Mapping[str, str]) -> None:
    """Raise NotReproducibleError unless each dataset version, by ``dataset@version``, is there at its commit."""
    for name, commit in sorted(commits.items()):
        dataset, _, label = name.partition("@")
        if reason := unavailable(sources, dataset, label, commit):
            raise NotReproducibleError(f"{version} learned from {name}, but {reason}; it cannot be made again")


def recorded_documents(sources: Sources, version: str, training: Mapping[str, Any]) -> pa.Table:
    """Return the documents a version learned from and was measured on, proved to be those by their hash.

    Raises:
        NotReproducibleError: their snapshot is gone, or they are others.
    """
    snapshot = str(training["documents_snapshot"])
    if not snapshot.isdigit():
        raise NotReproducibleError(f"{version} names {snapshot!r}, which is no snapshot of {DOCUMENTS.name}")
    try:
        rows = sources.house.tables.read(DOCUMENTS.name, snapshot_id=int(snapshot))
    except (NoTableError, WithdrawnError) as error:
        raise NotReproducibleError(f"the documents of {version} are gone: {error}") from error
    found = snapshot_hash(documents_from(rows), splits=LEARNED)
    if found != training["documents_sha256"]:
        raise NotReproducibleError(
            f"snapshot {snapshot} of {DOCUMENTS.name} holds other documents than {version} learned from: their hash is "
            f"{found}, recorded was {training['documents_sha256']}; restore the table from a backup"
        )
    return rows


def train_again(attempt: Attempt, on_progress: Callable[[Progress], None]) -> Path:
    """Train by the recorded recipe, seed and number of threads; return the folder of the new checkpoint."""
    training, work = attempt.training, attempt.work / "train"
    store = CheckpointStore(attempt.work / "versions")
    # The request is put together here and not by today's types: the recorded code reads it, and knows its own fields.
    answer = perform(
        "train",
        {
            "documents": str(attempt.documents),
            "recipe": json.dumps(training["recipe"], sort_keys=True, separators=(",", ":")),
            "checkpoints": str(store.root),
            "work": str(work),
            "documents_snapshot": training["documents_snapshot"],
            "dataset_commits": dict(training["dataset_commits"]),
            "code_commit": training["code_commit"],
            "cause": "reproduce",
            "threads": training["threads"],
            # Records before several processes could train together have no number of them.
            **({"processes": training["processes"]} if "processes" in training else {}),
            "trials": str(attempt.place.code / "models" / "trials.yaml"),
        },
        work,
        attempt.place,
        on_line=lambda values: on_progress(Progress(**values)),
    )
    return store.folder(answer["model_version"])


def evaluate_again(attempt: Attempt, folder: Path) -> dict[str, Any]:
    """Measure a checkpoint on the held-out documents; return the answer, its rows as they are published."""
    work = attempt.work / "evaluate"
    return perform(
        "evaluate",
        {
            "documents": str(attempt.documents),
            "checkpoint": str(folder),
            "work": str(work),
            "threads": attempt.training["threads"],
            "trials": str(attempt.place.code / "models" / "trials.yaml"),
        },
        work,
        attempt.place,
    )


def compared(attempt: Attempt, original: Path, again: Path) -> Iterator[Finding]:
    """Compare what two runs of training gave."""
    record = json.loads((again / "training.json").read_text(encoding="utf-8"))
    device = attempt.training["device"]
    yield agreement.tokenizer_finding(original, again)
    yield agreement.weights_finding(original, again, device=device)
    yield agreement.curve_finding(attempt.training, record)


def compared_figures(sources: Sources, attempt: Attempt, answer: Mapping[str, Any]) -> Sequence[Finding]:
    """Compare the figures that are published of a version with those measured now, on the same held-out documents."""
    snapshot = answer["evaluation_snapshot"]
    rows = sources.where(EVALUATIONS, model_version=attempt.version, evaluation_snapshot=snapshot)
    if not rows:
        detail = f"none is published of {attempt.version} on these held-out documents ({snapshot[:12]})"
        return [Finding("figures", agreed=False, detail=detail)]
    return agreement.figure_findings(rows, answer["rows"], device=attempt.training["device"])


def write_documents(attempt: Attempt, rows: pa.Table) -> None:
    """Write documents where the attempt reads them."""
    attempt.work.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, attempt.documents, write_page_checksum=True)
