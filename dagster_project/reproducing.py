"""Reproducing for the terminal: checks the recorded code out, makes a version again and tells what agrees."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assets.explain_data import Sources
from assets.learning import Permission
from assets.reproduction import (
    Attempt,
    compared,
    compared_figures,
    evaluate_again,
    recorded_documents,
    recorded_training,
    train_again,
    write_documents,
)
from assets.tuned_reproduction import (
    TEXTS,
    base_folder,
    compared_shares,
    compared_tuned,
    recorded_finetuning,
    recorded_texts,
    tune_again,
)
from dagster_project.code_history import check_out, missing_code
from dagster_project.settings import PROJECT, machine_environment
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import NotReproducedError, NotReproducibleError
from models.agreement import CPU, Finding
from models.child import Place
from models.classifier_versions import is_tuned
from models.progress import Progress
from models.surroundings import differences, look_around

TOLD_EVERY_STEPS = 100


@dataclass(frozen=True, slots=True)
class Books:
    """What is asked besides the record where a table was learned from: stored datasets, and the terms of today."""

    shelf: Shelf
    permission: Permission


@dataclass(frozen=True, slots=True)
class Again:
    """How one version is made again: what it learns from, in words, how that is written, and what then is found."""

    data: str
    write: Callable[[Attempt], None]
    find: Callable[[Attempt, Callable[[str], None]], Sequence[Finding]]


def reproduce(
    opened: Sources, version: str, books: Books, *, allow_current_code: bool, tell: Callable[[str], None]
) -> None:
    """Make a version again from its record and compare; `tell` hears each line. Nothing of it is kept.

    Raises:
        UntraceableError: there is no such version.
        NotReproducibleError: what is recorded is not enough, or may not be used.
        NotReproducedError: it was made again, and something differs.
    """
    tuned = is_tuned(version)
    training = recorded_finetuning(opened, version) if tuned else recorded_training(opened, version)
    missing = missing_code(training["code_commit"])
    if missing and not allow_current_code:
        raise NotReproducibleError(
            f"the code of {version} is not at hand: {missing}; to try with the code of today, add --allow-current-code"
        )
    again = _tuned(opened, version, training, books) if tuned else _model(opened, version, training)
    with opened.workshop.alone(), _scratch(opened) as name:
        work = Path(name)
        code = PROJECT if missing else check_out(training["code_commit"], work / "code")
        attempt = Attempt(version, training, work, Place(code, _environment(training, code)))
        tell(f"code: that of today, for {missing}" if missing else f"code: commit {training['code_commit']}")
        tell(again.data)
        _tell_surroundings(attempt, tell)
        again.write(attempt)
        findings = again.find(attempt, tell)
    differing = [each.what for each in findings if not each.agreed]
    if differing:
        raise NotReproducedError(f"{version} was not reproduced: {', '.join(differing)} differ; see the lines above")
    tell(f"{version} is reproduced: {len(findings)} of {len(findings)} comparisons agree")


def _model(opened: Sources, version: str, training: Mapping[str, Any]) -> Again:
    rows = recorded_documents(opened, version, training)
    data = f"documents: {rows.num_rows} of snapshot {training['documents_snapshot']}, their hash is the recorded one"
    return Again(data, lambda attempt: write_documents(attempt, rows), partial(_model_findings, opened))


def _tuned(opened: Sources, version: str, training: Mapping[str, Any], books: Books) -> Again:
    texts = recorded_texts(opened, version, training, books.shelf, books.permission)
    where = f"snapshot {training['table_snapshot']} of {training['table']}"
    data = f"texts: {texts.count} of {where}, their hash is the recorded one; base {training['base_version']}"

    def write(attempt: Attempt) -> None:
        texts.write(attempt.work / TEXTS)

    return Again(data, write, partial(_tuned_findings, opened))


def _scratch(opened: Sources) -> "tempfile.TemporaryDirectory[str]":
    """A folder for one attempt; below `work`, so that a withdrawal empties what a killed attempt left."""
    root = opened.workshop.root / "work"
    root.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="reproduce-", dir=root)


def _environment(training: Mapping[str, Any], code: Path) -> dict[str, str]:
    environment = machine_environment() | {"PYTHONPATH": str(code)}
    # What ran on the CPU must run there again, also where there is a GPU.
    return environment | {"CUDA_VISIBLE_DEVICES": ""} if training["device"] == CPU else environment


def _tell_surroundings(attempt: Attempt, tell: Callable[[str], None]) -> None:
    here = look_around(_environment(attempt.training, PROJECT))
    device = attempt.training["device"]
    if device != CPU and here["device"] == CPU:
        raise NotReproducibleError(f"{attempt.version} was trained on {device}, and torch sees no GPU here")
    found = list(differences(attempt.training, here))
    for line in found:
        tell(f"environment: {line}")
    if not found:
        threads = attempt.training["threads"]
        tell(f"environment: as recorded, {len(here['packages'])} packages, {device}, {threads} threads")


def _model_findings(opened: Sources, attempt: Attempt, tell: Callable[[str], None]) -> Sequence[Finding]:
    def steps(progress: Progress) -> None:
        if progress.step % TOLD_EVERY_STEPS == 0 or progress.step == progress.steps:
            tell(f"step {progress.step}/{progress.steps}, {progress.seconds_left:.0f} s left")

    original = opened.workshop.checkpoints.folder(attempt.version)
    again = train_again(attempt, steps)
    findings = _told(compared(attempt, original, again), tell)
    return [*findings, *_told(compared_figures(opened, attempt, evaluate_again(attempt, again)), tell)]


def _tuned_findings(opened: Sources, attempt: Attempt, tell: Callable[[str], None]) -> Sequence[Finding]:
    store = opened.workshop.tuned_store(attempt.version)
    original, base = store.folder(attempt.version), base_folder(opened, attempt.version, attempt.training)
    again, answer = tune_again(attempt, original, base, tell)
    findings = [*compared_tuned(store, attempt, original, again), *compared_shares(opened, attempt, answer)]
    return _told(findings, tell)


def _told(findings: Iterable[Finding], tell: Callable[[str], None]) -> list[Finding]:
    """Tell each finding as soon as it is there."""
    kept = []
    for each in findings:
        tell(str(each))
        kept.append(each)
    return kept
