"""What runs inside the child process for a classifier: it is made or found, measured, and compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from models.accuracy import difference
from models.checkpoint import installed_packages, library_versions
from models.classified import GAIN_OVER_WORDS, evaluate_classifier
from models.classifier import Classifier
from models.classifier_recipe import finetune_recipe
from models.classifier_store import load_classifier, save_classifier
from models.classifier_trials import read_trial_files, require_known, run_classifier_trials
from models.classifier_versions import ClassifierVersions
from models.device import Device, choose_device
from models.errors import LabelsError
from models.finetune import finetune, finetuning_key
from models.known_tests import read_injections
from models.labelled import LabelledText, label_names, labelled_from, of_split
from models.progress import Learned, TuningStep
from models.requests import RESULT, write_result
from models.resume import ResumeStore
from models.trials import TrialResult
from models.tuned_requests import TuneAnswer, TunedGain, TuneRequest, read_tune_request
from models.tuned_store import found_or_made
from models.word_counts import told_by_words


def run_classify(request_path: Path, tell: Callable[[Learned | TuningStep], None]) -> None:
    """Make a classifier, or find the equal one, measure it on the held-out texts, and answer."""
    request = read_tune_request(request_path)
    texts = _read_texts(request.texts)
    trials = read_trial_files(request.trials)
    require_known(trials, label_names(texts))  # said before the work, not after it
    store = ClassifierVersions(request.root)
    version, created = _made(request, texts, store, tell)
    with store.opened(version) as folder:
        classifier, held = load_classifier(folder), of_split(texts, "test")
    device = choose_device("auto", threads=request.threads)
    injections = read_injections(request.known_tests, request.known_tests_most)
    figures = evaluate_classifier(classifier, held, device, by_words=told_by_words(of_split(texts, "train"), held))
    beside = next(each for each in figures if each.name == GAIN_OVER_WORDS)
    taken = run_classifier_trials(trials, classifier, held, device, injections=injections, beside_words=beside)
    answer = TuneAnswer(
        version=version,
        created=created,
        figures=figures,
        trials=[_without_texts(each) for each in taken],
        gain=_gain(classifier, store, request.compare, version, held, device),
    )
    write_result(request_path.parent / RESULT, answer.as_json())


def _read_texts(path: Path) -> list[LabelledText]:
    try:
        rows = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise LabelsError(f"cannot read labelled texts from {path}: {error}; write a Parquet file there") from error
    return labelled_from(rows, text="text", label="label", group="group", split="split")


def _made(
    request: TuneRequest,
    texts: Sequence[LabelledText],
    store: ClassifierVersions,
    tell: Callable[[Learned | TuningStep], None],
) -> tuple[str, bool]:
    recipe = finetune_recipe(dict(request.recipe))

    def make(states: ResumeStore[Learned]) -> Callable[[Mapping[str, Any], Path], None]:
        made = finetune(
            texts, request.base, recipe, threads=request.threads, on_epoch=tell, on_step=tell, resume=states
        )
        versions = {"versions": library_versions(), "packages": installed_packages()}
        told = {**made.training, **versions, "trained_at": datetime.now(UTC).isoformat(timespec="seconds")}
        return lambda record, folder: save_classifier(replace(made, training={**told, **record}), folder)

    return found_or_made(request, store, finetuning_key(texts, request.base, recipe), recipe.seed, Learned, make)


def _without_texts(result: TrialResult) -> TrialResult:
    """Leave out texts of the table, which tell of people perhaps; examples of a test are its own."""
    own = result.measure in ("functionality", "fairness", "word_counts")
    told = result.detail if own else result.detail.partition(", not: ")[0]
    return replace(result, detail=told)


def _gain(
    candidate: Classifier,
    store: ClassifierVersions,
    current: str,
    version: str,
    held: list[LabelledText],
    device: Device,
) -> TunedGain | None:
    """Compare with the version in use on the same texts; one that lacks a label of today counts as wrong there."""
    if current in ("", version):
        return None
    groups, used = [each.group for each in held], load_classifier(store.folder(current))
    gain = difference(_right(candidate, held, device), _right(used, held, device), groups)
    return TunedGain("accuracy", gain.value, gain.low, gain.high, len(held), len(set(groups)))


def _right(classifier: Classifier, held: list[LabelledText], device: Device) -> npt.NDArray[np.bool_]:
    told_N = classifier.chances([each.text for each in held], device).argmax(axis=1)
    return np.array([classifier.labels[at] == each.label for at, each in zip(told_N, held, strict=True)])
