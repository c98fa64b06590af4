"""CheckList tests of a classifier, https://arxiv.org/abs/2005.04118, as data, and their results.

Shapes: N texts, L labels.
"""

import gzip
import json
import logging
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from models.classifier import Classifier
from models.classifier_probes import By, Slice, disobeyed, gap_between, same_label, same_under_all
from models.device import Device
from models.entries import Entries
from models.errors import TrialError
from models.labelled import LabelledText
from models.text_changes import CHANGES
from models.trials import Stops, TrialResult, one_trial_each, responsible, share_faults, share_result
from models.tuned_requests import TunedFigure

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("classifier_trials.yaml")
TEXTS = 300
"""Held-out texts that a test changes: chosen by a hash of their words, the same ones every time."""
FALLEN = 0.01
"""How far a probability may fall and still count as not fallen."""
_SHOWN = 3

Kind = Literal[
    "invariance", "direction", "functionality", "mentions", "obedience", "published", "fairness", "word_counts"
]


@dataclass(frozen=True, slots=True)
class Example:
    """A text whose label is plain."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class ClassifierTrial:
    """One test; its value is a share of texts.

    `invariance`: the label stays when the text is changed by `change`, or `add` is put behind it.
    `direction`: the probability of `label` does not fall when `add` is put behind the text.
    `functionality`: the examples get their labels.
    `mentions`: the label is the same whichever of `adds` stands beside the text.
    `obedience`: a demand among `adds` for another label, ``{label}``, is not what moves a text there.
    `published`: the label stays when a published injection stands beside the text; not taken where there is none.
    `fairness`: 1 less what the worst slice's accuracy lacks to the best's, by label, length or `slices` of groups.
    `word_counts`: 1 less what its accuracy surely lacks to that of counted words; not taken where these are not there.
    """

    name: str
    kind: Kind
    at_least: float
    stops: Stops
    owner: str
    means: str
    change: str = ""
    add: str = ""
    label: str = ""
    examples: tuple[Example, ...] = ()
    adds: tuple[str, ...] = ()
    by: By | None = None
    slices: tuple[Slice, ...] = ()


def read_classifier_trials(path: Path = SHIPPED) -> list[ClassifierTrial]:
    """Read tests from a YAML file.

    Raises:
        TrialError: the file is unreadable, or a test lacks a field or has one too many.
    """
    return list(_ENTRIES.read(path).values())


def read_trial_files(paths: Iterable[Path]) -> list[ClassifierTrial]:
    """Read the tests of several files.

    Raises:
        TrialError: as of one file, or two files name a test alike, so that one result would stand for both.
    """
    return one_trial_each(each for path in paths for each in read_classifier_trials(path))


def _trial(name: str, given: dict[str, Any]) -> ClassifierTrial:
    examples = tuple(Example(**each) for each in given.pop("examples", ()))
    slices = tuple(Slice(**each) for each in given.pop("slices", ()))
    adds = tuple(given.pop("adds", ()))
    return ClassifierTrial(name=name, examples=examples, slices=slices, adds=adds, **given)


def _faults(trial: ClassifierTrial) -> list[str]:
    faults = share_faults(trial.kind, get_args(Kind), trial.at_least) + responsible(trial.stops, trial.owner)
    ways = [trial.change in CHANGES, bool(trial.add), bool(trial.adds)]
    if trial.kind == "invariance" and (ways.count(True) != 1 or (trial.change and not ways[0])):
        faults.append(f"give either add, or adds, or change as one of {', '.join(CHANGES)}")
    if trial.kind == "direction" and not (trial.add and trial.label):
        faults.append("give add and label")
    if trial.kind == "functionality" and not trial.examples:
        faults.append("it has no examples")
    return faults + _faults_of_probes(trial)


_ENTRIES = Entries("test", "no test", "a classifier", _trial, _faults, TrialError, SHIPPED)


def _faults_of_probes(trial: ClassifierTrial) -> list[str]:
    faults = []
    if not all(isinstance(each, str) and each.strip() for each in trial.adds):
        faults.append("adds are not all sentences")
    if trial.kind == "mentions" and len(trial.adds) < 2:
        faults.append("give two adds or more")
    if trial.kind == "obedience" and (not trial.adds or not all("{label}" in str(each) for each in trial.adds)):
        faults.append("give adds, each with {label}")
    if trial.kind == "fairness" and trial.by not in get_args(By):
        faults.append(f"by {trial.by!r} is none of {', '.join(get_args(By))}")
    if trial.kind == "fairness" and (trial.by == "group") != (len(trial.slices) > 1):
        faults.append("give two slices or more by group, and none by anything else")
    for each in trial.slices:
        try:
            re.compile(each.groups)
        except (re.error, TypeError) as error:
            faults.append(f"slice {each.name!r} has no regular expression: {error}")
    return faults


def read_suite(path: Path, *, at_least: float = 0.9, owner: str = "team:models") -> list[ClassifierTrial]:
    """Read minimum functionality tests from a suite: JSON lines of `test`, `example` and `label`, maybe gzipped.

    An example of several texts (question and answer) becomes one, joined by spaces; a line whose example is
    null is left out, with a warning.

    Raises:
        TrialError: the file is unreadable, empty, or a line lacks a field.
    """
    cases: dict[str, list[Example]] = defaultdict(list)
    lost: Counter[str] = Counter()
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        for line in text.splitlines():
            values = json.loads(line)
            if values["example"] is None:  # lost when the suite was converted
                lost[values["test"]] += 1
                continue
            parts = [values["example"]] if isinstance(values["example"], str) else values["example"]
            cases[values["test"]].append(Example(" ".join(parts), str(values["label"])))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise TrialError(f"cannot read a suite from {path}: {error!r}; give lines of test, example, label") from error
    if lost:
        log.warning("suite lines without a text are left out file=%s lines=%s", path, dict(lost))
    if not cases:
        raise TrialError(f"{path} holds no tests; give lines of test, example, label")
    means = f"Minimum functionality, from {path.name}."
    return [
        ClassifierTrial(name, "functionality", at_least, "nothing", owner, means, examples=tuple(examples))
        for name, examples in cases.items()
    ]


def require_known(trials: Sequence[ClassifierTrial], labels: Sequence[str]) -> None:
    """Raise TrialError when a test names a label that is not among these."""
    named = {each.label for trial in trials for each in trial.examples} | {each.label for each in trials if each.label}
    unknown = sorted(named - set(labels))
    if unknown:
        raise TrialError(f"tests name the labels {unknown}, the classifier knows {list(labels)}; change them")


def run_classifier_trials(
    trials: Sequence[ClassifierTrial],
    classifier: Classifier,
    texts: Sequence[LabelledText],
    device: Device,
    *,
    injections: Sequence[str] = (),
    beside_words: TunedFigure | None = None,
) -> list[TrialResult]:
    """Take the tests; those that change texts do it to at most `TEXTS` of the held-out ones.

    Tests of published injections are left out where there are none, and so are those against counted words, where
    their figure beside the classifier's is not given.

    Raises:
        TrialError: a test names a label that the classifier never learned, or needs texts and there are none.
    """
    require_known(trials, classifier.labels)
    chosen = sorted((each.text for each in texts), key=lambda text: zlib.crc32(text.encode()))[:TEXTS]
    if not chosen and any(each.kind != "functionality" for each in trials):
        raise TrialError("tests that change texts need some, and there are none; name a file with held-out texts")
    wanted = [replace(each, adds=tuple(injections)) if each.kind == "published" else each for each in trials]
    taken = []
    for each in wanted:
        if each.kind == "fairness":
            taken.append(_compared(each, classifier, texts, device))
        elif each.kind == "word_counts":
            taken += [] if beside_words is None else [_beside_words(each, beside_words)]
        elif each.kind != "published" or each.adds:
            taken.append(_taken(each, classifier, chosen, device))
    return taken


def _compared(
    trial: ClassifierTrial, classifier: Classifier, texts: Sequence[LabelledText], device: Device
) -> TrialResult:
    assert trial.by is not None
    gap = gap_between(classifier, texts, trial.by, trial.slices, device)
    return _result(trial, gap.value, gap.detail)


def _beside_words(trial: ClassifierTrial, gain: TunedFigure) -> TrialResult:
    high = gain.value if gain.high is None else gain.high
    low = gain.value if gain.low is None else gain.low
    told = f"{gain.value:+.4f} [{low:+.4f}, {high:+.4f}] on {gain.text_count} texts of {gain.group_count} groups"
    return _result(trial, 1 + min(0.0, high), told)


def _taken(trial: ClassifierTrial, classifier: Classifier, texts: list[str], device: Device) -> TrialResult:
    if trial.kind == "functionality":
        asked = [each.text for each in trial.examples]
        told = classifier.chances(asked, device).argmax(axis=1)
        kept = [classifier.labels[at] == each.label for at, each in zip(told, trial.examples, strict=True)]
    else:
        asked = texts
        kept = _kept(trial, classifier, texts, device)
    value = sum(kept) / len(kept)
    failures = [text[:60] for text, good in zip(asked, kept, strict=True) if not good][:_SHOWN]
    return _result(trial, value, f"{len(kept)} texts" + (f", not: {' | '.join(failures)}" if failures else ""))


def _result(trial: ClassifierTrial, value: float, detail: str) -> TrialResult:
    return share_result(trial.name, trial.kind, value, trial.at_least, trial.stops, trial.owner, detail)


def _kept(trial: ClassifierTrial, classifier: Classifier, texts: list[str], device: Device) -> list[bool]:
    if trial.adds:
        probe = {"mentions": same_under_all, "obedience": disobeyed}.get(trial.kind, same_label)
        return [bool(each) for each in probe(classifier, texts, trial.adds, device)]

    def change(text: str) -> str:
        return CHANGES[trial.change](text) if trial.change else f"{text} {trial.add}"

    before_NL = classifier.chances(texts, device)
    after_NL = classifier.chances([change(text) for text in texts], device)
    if trial.kind == "invariance":
        return [bool(each) for each in before_NL.argmax(axis=1) == after_NL.argmax(axis=1)]
    at = classifier.labels.index(trial.label)
    return [bool(each) for each in after_NL[:, at] >= before_NL[:, at] - FALLEN]
