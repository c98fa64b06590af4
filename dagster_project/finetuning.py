"""Fine-tuning from the command line: texts in, a classifier's folder and its figures out."""

import dataclasses
import hashlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.archive.levels import printable_json
from models.classified import GAIN_OVER_WORDS, evaluate_classifier
from models.classifier import Classifier
from models.classifier_recipe import FinetuneRecipe
from models.classifier_store import load_classifier, save_classifier
from models.classifier_trials import (
    SHIPPED,
    ClassifierTrial,
    read_suite,
    read_trial_files,
    require_known,
    run_classifier_trials,
)
from models.device import choose_device
from models.durable import held_alone
from models.errors import LabelsError, NothingLearnedError, TrialError
from models.finetune import finetune, finetuning_key
from models.known_tests import read_injections
from models.labelled import LabelledText, is_unicode, label_names, of_split
from models.progress import Learned, TuningStep
from models.resume import ResumeStore
from models.trials import TrialResult, as_values
from models.tuned_requests import TunedFigure
from models.word_counts import told_by_words

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which tests a classifier takes, and where its figures go as rows."""

    trials: tuple[Path, ...] = ()
    suite: Path | None = None
    known_tests: Path | None = None
    rows: Path | None = None

    def read(self) -> list[ClassifierTrial]:
        """Return the tests that come with the library, those of further files, and those of a suite."""
        if self.rows is not None and not self.rows.absolute().parent.is_dir():
            raise TrialError(f"there is no folder for {self.rows}; make it, or name another file with --rows")
        if self.rows is not None and self.rows.is_dir():
            raise TrialError(f"{self.rows} is a folder; name a file with --rows")
        found = read_trial_files((SHIPPED, *self.trials))
        return [*found, *(read_suite(self.suite) if self.suite else ())]


def trained(
    texts: Sequence[LabelledText], base: Path, recipe: FinetuneRecipe, out: Path, asked: Asked, *, threads: int | None
) -> Iterator[str]:
    """Fine-tune, measure, keep the classifier, and yield what to tell; a run that was killed is gone on with.

    Raises:
        ModelError: as fine-tuning raises it; nothing was written then.
        TrialError: a test that stops promotion failed; the classifier was written, with its results.

    A fault while measuring is raised as it is; the classifier was written without figures then.
    """
    if out.exists():
        raise LabelsError(f"{out} is there already and stays as it is; name another folder with --out")
    if not out.absolute().parent.is_dir():
        raise LabelsError(f"there is no folder for {out}; make it, or name another with --out")
    trials, injections = asked.read(), read_injections(asked.known_tests)
    require_known(trials, label_names(texts))  # said before the work, not after it
    states = ResumeStore(out.parent / f".{out.name}.states", finetuning_key(texts, base, recipe), Learned)
    with held_alone(states.root):
        classifier = _learned(texts, base, recipe, states, threads)
        figures, results = _kept(classifier, texts, trials, injections, out, threads)
        states.clear()
    yield f"wrote {out}: {len(classifier.labels)} labels, temperature {classifier.temperature:.2f}"
    yield from _told(figures, results, asked.rows)


def _learned(
    texts: Sequence[LabelledText], base: Path, recipe: FinetuneRecipe, states: ResumeStore[Learned], threads: int | None
) -> Classifier:
    if states.newest_step():
        sys.stderr.write(f"going on from step {states.newest_step()} of the run that was not finished\n")
    try:
        return finetune(texts, base, recipe, threads=threads, on_epoch=_tell, on_step=_tell, resume=states)
    except NothingLearnedError:  # going on would end here again
        states.clear()
        raise


def _kept(
    classifier: Classifier,
    texts: Sequence[LabelledText],
    trials: list[ClassifierTrial],
    injections: list[str],
    out: Path,
    threads: int | None,
) -> tuple[list[TunedFigure], list[TrialResult]]:
    """Measure a classifier and write it with its figures; return them."""
    try:
        held = of_split(texts, "test")
        by_words = told_by_words(of_split(texts, "train"), held)
        figures, results = _measured(classifier, held, trials, injections, threads, by_words)
    except BaseException:  # a fault here is no reason to lose the hours of learning
        save_classifier(classifier, out)
        log.warning("measuring failed, the classifier was kept without figures folder=%s", out)
        raise
    kept = {"figures": [asdict(each) for each in figures], "trials": as_values(results)}
    save_classifier(dataclasses.replace(classifier, training=classifier.training | kept), out)
    return figures, results


def evaluated(folder: Path, texts: Sequence[LabelledText], asked: Asked, *, threads: int | None) -> Iterator[str]:
    """Measure a kept classifier on the texts of split 'test', take its tests, and yield what to tell.

    Raises:
        TrialError: a test that stops promotion failed.
    """
    trials, injections = asked.read(), read_injections(asked.known_tests)
    figures, results = _measured(load_classifier(folder), of_split(texts, "test"), trials, injections, threads)
    yield from _told(figures, results, asked.rows)


def predicted(folder: Path, version: str, texts: Sequence[str], *, threads: int | None) -> Iterator[str]:
    """Yield one JSON object a text: its label, and the probability of every label.

    The answer of a version has a name, by which it can be explained; a text that has no UTF-8 form cannot be named.

    Raises:
        LabelsError: a text has a lone surrogate and so no UTF-8 form.
    """
    if strange := [at for at, text in enumerate(texts, 1) if not is_unicode(text)]:
        raise LabelsError(f"text {strange[0]} has a lone surrogate and so no UTF-8 form; correct it")
    classifier = load_classifier(folder)
    for text, chances_L in zip(texts, classifier.chances(texts, choose_device("auto", threads=threads)), strict=True):
        chances = {label: round(float(each), 6) for label, each in zip(classifier.labels, chances_L, strict=True)}
        told = {"text": text, "label": classifier.labels[int(chances_L.argmax())], "probabilities": chances}
        if version:
            told["prediction"] = f"{version}/{told['label']}/{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        yield printable_json(json.dumps(told, ensure_ascii=False))


def _measured(
    classifier: Classifier,
    held: list[LabelledText],
    trials: list[ClassifierTrial],
    injections: list[str],
    threads: int | None,
    by_words: Sequence[str] = (),
) -> tuple[list[TunedFigure], list[TrialResult]]:
    device = choose_device("auto", threads=threads)
    figures = evaluate_classifier(classifier, held, device, by_words=by_words)
    beside = next((each for each in figures if each.name == GAIN_OVER_WORDS), None)
    return figures, run_classifier_trials(trials, classifier, held, device, injections=injections, beside_words=beside)


def _tell(point: Learned | TuningStep) -> None:
    sys.stderr.write(f"{point}\n")
    sys.stderr.flush()


def _told(figures: list[TunedFigure], results: list[TrialResult], rows: Path | None) -> Iterator[str]:
    if rows is not None:
        pq.write_table(_rows(figures, results), rows, write_page_checksum=True)
    for each in figures:
        interval = "" if each.low is None else f" [{each.low:.4f}, {each.high:.4f}]"
        yield f"{each.name} on {each.slice}: {each.value:.4f}{interval} ({each.text_count} texts of {each.group_count})"
    for one in results:
        verdict = "passed" if one.passed else f"FAILED (stops {one.stops}, {one.owner})"
        yield f"{one.trial}: {one.value:.3f}, at least {one.threshold:g}: {verdict}; {one.detail}"
    failed = [each.trial for each in results if not each.passed and each.stops == "promotion"]
    if failed:
        raise TrialError(f"tests that stop promotion failed: {', '.join(failed)}; do not use this classifier as it is")


def _rows(figures: list[TunedFigure], results: list[TrialResult]) -> pa.Table:
    """Return figures and tests as one table: a row each, `kind` says which."""
    values: list[dict[str, Any]] = [
        {"kind": "figure", "name": each.name, "slice": each.slice, "value": each.value, "low": each.low,
         "high": each.high, "texts": each.text_count, "groups": each.group_count,
         "evaluation_snapshot": each.evaluation_snapshot}
        for each in figures
    ]  # fmt: skip
    values += [
        {"kind": "trial", "name": each.trial, "slice": each.measure, "value": each.value, "threshold": each.threshold,
         "passed": each.passed, "stops": each.stops, "owner": each.owner, "detail": each.detail}
        for each in results
    ]  # fmt: skip
    return pa.Table.from_pylist(values, schema=_SCHEMA)


_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()
_TYPES: dict[str, pa.DataType] = {
        "kind": _TEXT, "name": _TEXT, "slice": _TEXT, "value": _NUMBER, "low": _NUMBER, "high": _NUMBER,
        "texts": _COUNT, "groups": _COUNT, "evaluation_snapshot": _TEXT, "threshold": _NUMBER, "passed": pa.bool_(),
        "stops": _TEXT, "owner": _TEXT, "detail": _TEXT,
}  # fmt: skip
_SCHEMA = pa.schema(list(_TYPES.items()))
