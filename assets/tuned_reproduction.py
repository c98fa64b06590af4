"""Makes a tuned version again from what is recorded about it, in a folder that is thrown away, and compares."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.classified_texts import texts_as_recorded, write_texts
from assets.explain_data import Sources
from assets.families import INSTRUCTED, family_of, name_of
from assets.instructing import rows_as_recorded, write_rows
from assets.learning import Permission
from assets.reproduction import Attempt, require_data
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import (
    NoReleaseError,
    NoTableError,
    NotReproducibleError,
    PurposeError,
    UntraceableError,
    WithdrawnError,
)
from lakehouse.tables.withdrawals import quarantined, require_none_open
from models import agreement
from models.agreement import Finding
from models.child import perform
from models.classifier_versions import CLASSIFIER, ClassifierVersions
from models.durable import read_json, verify
from models.errors import CheckpointError, HubError, LabelsError
from models.hub import hub_name, is_hub_name, kept, weights_sha256
from models.instructions import rows_sha256
from models.labelled import snapshot
from models.progress import Learned, Taught, tuning_line

TEXTS = "texts.parquet"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Texts as a version read them: how many, their hash, and what writes them for a child process."""

    count: int
    sha256: str
    write: Callable[[Path], None]


def recorded_finetuning(sources: Sources, version: str) -> dict[str, Any]:
    """Return what is recorded about a tuned version, if its texts and its base may and can be used again.

    Raises:
        UntraceableError: there is no such version.
        CheckpointError: its files, or its base's, are not those that were written.
        NotReproducibleError: it or its base is in quarantine, or a dataset version that its texts came from is gone;
            BusyError while a withdrawal is not finished.
    """
    require_none_open(sources.house.objects)
    store = sources.workshop.store_of(version)
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
    verify(store.folder(version), store.files)
    base_folder(sources, version, training)
    require_data(sources, version, {name: training["dataset_commits"][name] for name in training["table_versions"]})
    return training


def base_folder(sources: Sources, version: str, training: Mapping[str, Any]) -> Path:
    """Return the folder of the base; raise NotReproducibleError unless it is there with the weights started from."""
    base = training["base_version"]
    try:
        folder = _place_of(sources.workshop, base)
        found = weights_sha256(folder)
    except (CheckpointError, HubError, OSError) as error:
        raise NotReproducibleError(f"{version} was tuned from {base}, which cannot be read: {error}") from error
    if found != training["base_weights_sha256"]:
        raise NotReproducibleError(
            f"{version} was tuned from {base} with weights {training['base_weights_sha256']}, and that has {found}"
        )
    return folder


def _place_of(workshop: Workshop, base: str) -> Path:
    """The folder of a version, of a checkpoint that was fetched from the hub, or one outside this lake."""
    if is_hub_name(base):
        folder = kept(hub_name(base), workshop.root / "hub")
        if folder is None:
            raise CheckpointError(
                f"it is not here; name it as --base once, and it is fetched into {workshop.root / 'hub'}"
            )
        return folder
    if Path(base).is_absolute():
        return Path(base)
    store = workshop.store_of(base)
    verify(store.folder(base), store.files)
    return store.folder(base)


def recorded_texts(
    sources: Sources, version: str, training: Mapping[str, Any], shelf: Shelf, permission: Permission
) -> Recorded:
    """Return the texts a version learned from and was measured on, proved to be those by their hash.

    Raises:
        NotReproducibleError: they may not be learned from any more, their snapshot is gone, or they are others.
    """
    where = f"snapshot {training['table_snapshot']} of {training['table']}"
    family = family_of(name_of(version))
    read = _rows if family is INSTRUCTED else _labelled
    try:
        recorded = read(training, sources.house, shelf, sources.versions, permission)
    except (PurposeError, NoReleaseError, NoTableError, WithdrawnError, LabelsError) as error:
        raise NotReproducibleError(f"the texts of {version} cannot be had from {where}: {error}") from error
    told = training[family.texts_key]
    if recorded.sha256 != told:
        raise NotReproducibleError(
            f"{where} gives other texts than {version} learned from, for terms, consent or data changed: their hash is "
            f"{recorded.sha256}, recorded was {told}"
        )
    return recorded


def _labelled(training: Mapping[str, Any], *places: Any) -> Recorded:  # noqa: ANN401  as `texts_as_recorded` has them
    texts = texts_as_recorded(training, *places)
    return Recorded(len(texts), snapshot(texts), lambda file: write_texts(texts, file))


def _rows(training: Mapping[str, Any], *places: Any) -> Recorded:  # noqa: ANN401  as `rows_as_recorded` has them
    rows = rows_as_recorded(training, *places)
    return Recorded(len(rows), rows_sha256(rows), lambda file: write_rows(rows, file))


def tune_again(
    attempt: Attempt, original: Path, base: Path, on_line: Callable[[str], None]
) -> tuple[Path, dict[str, Any]]:
    """Tune by the recorded recipe, seed and number of threads; return the new folder and what it showed."""
    training, root = attempt.training, attempt.work / "versions"
    instructs = family_of(name_of(attempt.version)) is INSTRUCTED
    verb, epoch = ("instruct", Taught) if instructs else ("classify", Learned)
    trials = "instruct_trials.yaml" if instructs else "classifier_trials.yaml"
    # The request is put together here and not by today's types: the recorded code reads it, and knows its own fields.
    answer = perform(
        verb,
        {
            "texts": str(attempt.work / TEXTS),
            "base": str(base),
            "root": str(root),
            "name": name_of(attempt.version),
            "recipe": training["recipe"] if instructs else read_json(original / CLASSIFIER)["recipe"],
            "trials": [str(attempt.place.code / "models" / trials)],
            "compare": "",
            "origin": {"dataset_commits": dict(training["dataset_commits"])},
            "threads": training["threads"],
        },
        attempt.work / verb,
        attempt.place,
        on_line=lambda values: on_line(tuning_line(epoch, values)),
    )
    return root / answer["version"], answer


def compared_tuned(store: ClassifierVersions, attempt: Attempt, original: Path, again: Path) -> Iterator[Finding]:
    """Compare what two runs of tuning gave."""
    record, device = read_json(again / store.record), attempt.training["device"]
    same = record[store.key] == attempt.training[store.key]
    told = "as recorded" if same else "another order of the texts, another base, recipe or library"
    yield Finding("texts, base and recipe", agreed=same, detail=told)
    yield agreement.tokenizer_finding(original, again)
    yield agreement.weights_finding(original, again, device=device)
    if family_of(name_of(attempt.version)) is INSTRUCTED:
        yield agreement.epochs_finding(attempt.training, record, "validation_loss")
        return
    yield agreement.answers_finding(original, again, device=device)
    yield agreement.epochs_finding(attempt.training, record)


def compared_shares(sources: Sources, attempt: Attempt, answer: Mapping[str, Any]) -> Sequence[Finding]:
    """Compare the figures that are published of a version with those measured now, on the same held-out texts."""
    named = answer["figures"][0]["evaluation_snapshot"]
    results = family_of(name_of(attempt.version)).results
    rows = sources.where(results, model_version=attempt.version, evaluation_snapshot=named, kind="figure")
    if not rows:
        detail = f"none is published of {attempt.version} on these held-out texts ({named[:12]})"
        return [Finding("figures", agreed=False, detail=detail)]
    return agreement.share_findings(rows, answer["figures"], device=attempt.training["device"])
