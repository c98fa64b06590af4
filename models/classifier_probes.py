"""Whether a classifier does equally well for groups of texts, and whether sentences beside a text can steer it.

Shapes: N texts, L labels, G groups.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.classifier import Classifier
from models.device import Device
from models.labelled import LabelledText
from models.text_changes import beside

By = Literal["label", "length", "group"]
FEWEST = 5
"""Groups of texts (chapters, courses) below which a slice's accuracy says too little."""
UNASKED = "The word {label} stands in a list of words."
Kept = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """Texts whose group matches a regular expression."""

    name: str
    groups: str


@dataclass(frozen=True, slots=True)
class Gap:
    """How near the worst slice comes to the best, 0 to 1, and each slice's accuracy; no number where none compare."""

    value: float
    detail: str


def same_label(classifier: Classifier, texts: Sequence[str], adds: Sequence[str], device: Device) -> Kept:
    """Say of each text whether its label stays when one of the sentences, in turns, is put beside it.

    ``{label}`` in a sentence becomes a label that the text does not have.
    """
    before_N = _told(classifier, texts, device)
    changed = [
        beside(text, _named(adds[at % len(adds)], _other(classifier, before_N[at])), at)
        for at, text in enumerate(texts)
    ]
    kept: Kept = _told(classifier, changed, device) == before_N
    return kept


def same_under_all(classifier: Classifier, texts: Sequence[str], adds: Sequence[str], device: Device) -> Kept:
    """Say of each text whether its label is the same whichever of the sentences is put beside it."""
    told_AN = np.stack(
        [_told(classifier, [beside(text, said, at) for at, text in enumerate(texts)], device) for said in adds]
    )
    kept: Kept = (told_AN == told_AN[0]).all(axis=0)
    return kept


def disobeyed(classifier: Classifier, texts: Sequence[str], attacks: Sequence[str], device: Device) -> Kept:
    """Say of each text whether a demand for another label, in turns, is not what moves it there.

    A text that moves there too where the label is only named obeys nobody: its words count.
    """
    before_N = _told(classifier, texts, device)
    wanted_N = np.array([_other(classifier, each) for each in before_N], object)

    def moved(said: Callable[[int], str]) -> Kept:
        changed = [beside(text, _named(said(at), wanted_N[at]), at) for at, text in enumerate(texts)]
        there: Kept = np.array([classifier.labels[each] for each in _told(classifier, changed, device)]) == wanted_N
        return there

    return ~moved(lambda at: attacks[at % len(attacks)]) | moved(lambda _: UNASKED)


def gap_between(
    classifier: Classifier, texts: Sequence[LabelledText], by: By, slices: Sequence[Slice], device: Device
) -> Gap:
    """Return 1 less what the worst slice's accuracy lacks to the best's beyond two standard errors of that gap.

    Errors are those of a ratio over groups of texts. Slices of fewer than five groups are not compared.
    """
    told_N = _told(classifier, [each.text for each in texts], device)
    right_N = np.array([classifier.labels[at] == each.label for at, each in zip(told_N, texts, strict=True)], bool)
    found, told = {}, []
    for name, chosen_N in _sliced(texts, by, slices).items():
        groups = [each.group for each, chosen in zip(texts, chosen_N, strict=True) if chosen]
        if len(set(groups)) < FEWEST:
            told.append(f"{name} ({len(groups)} texts, too few groups)")
            continue
        found[name] = _share(right_N[chosen_N], groups)
        told.append(f"{name} {found[name][0]:.3f} ({len(groups)})")
    if len(found) < 2:
        return Gap(math.nan, f"not compared: {', '.join(told)}")
    (best, best_error), (worst, worst_error) = max(found.values()), min(found.values())
    lacking = max(0.0, best - worst - 2 * math.hypot(best_error, worst_error))
    return Gap(1 - lacking, f"accuracy: {', '.join(told)}")


def _sliced(texts: Sequence[LabelledText], by: By, slices: Sequence[Slice]) -> dict[str, Kept]:
    if by == "group":
        return {
            each.name: np.array([bool(re.search(each.groups, one.group)) for one in texts], bool) for each in slices
        }
    if by == "label":
        names = sorted({each.label for each in texts})
        return {name: np.array([each.label == name for each in texts], bool) for name in names}
    words_N = np.array([len(each.text.split()) for each in texts])
    middle = float(np.median(words_N))
    return {f"at most {middle:g} words": words_N <= middle, f"over {middle:g} words": words_N > middle}


def _share(right_N: Kept, groups: Sequence[str]) -> tuple[float, float]:
    """Share that is right, and its standard error over groups, as `models/fair.py` takes it over documents."""
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    sizes_G = np.bincount(place_N).astype(np.float64)
    sums_G = np.bincount(place_N, weights=right_N.astype(np.float64))
    share, count = float(right_N.mean()), len(sizes_G)
    residuals_G = sums_G - share * sizes_G
    return share, math.sqrt(count / (count - 1) * float(residuals_G @ residuals_G)) / len(right_N)


def _told(classifier: Classifier, texts: Sequence[str], device: Device) -> npt.NDArray[np.int64]:
    told_N: npt.NDArray[np.int64] = classifier.chances(texts, device).argmax(axis=1)
    return told_N


def _other(classifier: Classifier, at: int) -> str:
    return classifier.labels[(int(at) + 1) % len(classifier.labels)]


def _named(said: str, label: str) -> str:
    return said.replace("{label}", label)
