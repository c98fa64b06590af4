"""Makes a classifier's version again from what is recorded about it, in a folder that is thrown away, and compares."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.classified_texts import texts_as_recorded, write_texts
from assets.explain_data import Sources
from assets.learning import Permission
from assets.reproduction import Attempt, require_data
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import (
    NoReleaseError,
    NoTableError,
    NotReproducibleError,
    PurposeError,
    UntraceableError,
    WithdrawnError,
)
from lakehouse.tables.classifiers import CLASSIFIER_RESULTS
from lakehouse.tables.withdrawals import quarantined, require_none_open
from models import agreement
from models.agreement import Finding
from models.checkpoint import WEIGHTS
from models.child import perform
from models.classifier_versions import CLASSIFIER, FILES, TRAINING
from models.durable import read_json, recorded_sums, verify
from models.errors import CheckpointError, LabelsError
from models.labelled import LabelledText, snapshot
from models.progress import Learned

TEXTS = "texts.parquet"


def recorded_finetuning(sources: Sources, version: str) -> dict[str, Any]:
    """Return what is recorded about a classifier's version, if its texts and its base may and can be used again.

    Raises:
        UntraceableError: there is no such version.
        CheckpointError: its files, or its base's, are not those that were written.
        NotReproducibleError: it or its base is in quarantine, or a dataset version that its texts came from is gone;
            BusyError while a withdrawal is not finished.
    """
    require_none_open(sources.house.objects)
    store = sources.workshop.classifiers
    try:
        training = store.training(version)
    except CheckpointError as error:
        raise UntraceableError(f"{error}; `lakehouse models list` lists all versions") from error
    if not {"table_versions", "read_as"} <= training.keys():
        raise NotReproducibleError(
            f"{version} was made by an earlier version of this software, which did not note how its texts were read; "
            "fine-tune again for a version that can be reproduced"
        )
    base, kept_back = training["base_version"], quarantined(sources.house.objects)
    for name in (version, base):
        if name in kept_back:
            raise NotReproducibleError(
                f"{name} is in quarantine, for it learned from somebody who withdrew; {version} must not be made again"
            )
    verify(store.folder(version), FILES)
    _require_base(sources, version, training)
    require_data(sources, version, {name: training["dataset_commits"][name] for name in training["table_versions"]})
    return training


def _require_base(sources: Sources, version: str, training: Mapping[str, Any]) -> None:
    """Raise NotReproducibleError unless the base is there, with the weights that were started from."""
    base, store = training["base_version"], sources.workshop.checkpoints
    try:
        store.whole(base)
        found = recorded_sums(store.folder(base))[WEIGHTS]
    except CheckpointError as error:
        raise NotReproducibleError(f"{version} was fine-tuned from {base}, which cannot be read: {error}") from error
    if found != training["base_weights_sha256"]:
        raise NotReproducibleError(
            f"{version} was fine-tuned from {base} with weights {training['base_weights_sha256']}, and that has {found}"
        )


def recorded_texts(
    sources: Sources, version: str, training: Mapping[str, Any], shelf: Shelf, permission: Permission
) -> list[LabelledText]:
    """Return the texts a version learned from and was measured on, proved to be those by their hash.

    Raises:
        NotReproducibleError: they may not be learned from any more, their snapshot is gone, or they are others.
    """
    where = f"snapshot {training['table_snapshot']} of {training['table']}"
    try:
        texts = texts_as_recorded(training, sources.house, shelf, sources.versions, permission)
    except (PurposeError, NoReleaseError, NoTableError, WithdrawnError, LabelsError) as error:
        raise NotReproducibleError(f"the texts of {version} cannot be had from {where}: {error}") from error
    found = snapshot(texts)
    if found != training["texts_sha256"]:
        raise NotReproducibleError(
            f"{where} gives other texts than {version} learned from, for terms, consent or data changed: their hash is "
            f"{found}, recorded was {training['texts_sha256']}"
        )
    return texts


def finetune_again(
    attempt: Attempt, original: Path, base: Path, on_epoch: Callable[[Learned], None]
) -> tuple[Path, dict[str, Any]]:
    """Fine-tune by the recorded recipe, seed and number of threads; return the new folder and what it showed."""
    training, root = attempt.training, attempt.work / "versions"
    # The request is put together here and not by today's types: the recorded code reads it, and knows its own fields.
    answer = perform(
        "classify",
        {
            "texts": str(attempt.work / TEXTS),
            "base": str(base),
            "root": str(root),
            "name": attempt.version.rpartition("-")[0],
            "recipe": read_json(original / CLASSIFIER)["recipe"],
            "trials": [str(attempt.place.code / "models" / "classifier_trials.yaml")],
            "compare": "",
            "origin": {"dataset_commits": dict(training["dataset_commits"])},
            "threads": training["threads"],
        },
        attempt.work / "classify",
        attempt.place,
        on_line=lambda values: on_epoch(Learned(**values)),
    )
    return root / answer["version"], answer


def write_recorded(attempt: Attempt, texts: Sequence[LabelledText]) -> None:
    """Write texts where the attempt reads them."""
    write_texts(texts, attempt.work / TEXTS)


def compared_classifiers(attempt: Attempt, original: Path, again: Path) -> Iterator[Finding]:
    """Compare what two runs of fine-tuning gave."""
    record, device = read_json(again / TRAINING), attempt.training["device"]
    same = record["finetuning_key"] == attempt.training["finetuning_key"]
    told = "as recorded" if same else "another order of the texts, another base, recipe or library"
    yield Finding("texts, base and recipe", agreed=same, detail=told)
    yield agreement.tokenizer_finding(original, again)
    yield agreement.weights_finding(original, again, device=device)
    yield agreement.answers_finding(original, again, device=device)
    yield agreement.epochs_finding(attempt.training, record)


def compared_shares(sources: Sources, attempt: Attempt, answer: Mapping[str, Any]) -> Sequence[Finding]:
    """Compare the figures that are published of a version with those measured now, on the same held-out texts."""
    named = answer["figures"][0]["evaluation_snapshot"]
    rows = sources.where(CLASSIFIER_RESULTS, model_version=attempt.version, evaluation_snapshot=named, kind="figure")
    if not rows:
        detail = f"none is published of {attempt.version} on these held-out texts ({named[:12]})"
        return [Finding("figures", agreed=False, detail=detail)]
    return agreement.share_findings(rows, answer["figures"], device=attempt.training["device"])
