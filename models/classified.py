"""How well a classifier does on held-out texts: accuracy, macro-F1 and calibration, with intervals over groups.

Shapes: N texts, L labels, G groups.
"""

from collections.abc import Sequence

import numpy as np

from models.accuracy import Floats, Ids, Interval, accuracy, calibration, difference, macro_f1, resamples
from models.classifier import Classifier
from models.device import Device
from models.errors import LabelsError
from models.labelled import LabelledText, snapshot
from models.tuned_requests import TunedFigure

GAIN_OVER_WORDS = "gain_over_counted_words"


def evaluate_classifier(
    classifier: Classifier, texts: Sequence[LabelledText], device: Device, *, by_words: Sequence[str] = ()
) -> list[TunedFigure]:
    """Measure a classifier on held-out texts; the slices are `all` and each label.

    `by_words` are the labels that counted words tell of the same texts (`models.word_counts`); with them their accuracy
    and the gain over it are figures, too.

    Raises:
        LabelsError: there is no text, or a label that the classifier never learned.
    """
    true_N = numbered(classifier, texts)
    chances_NL = classifier.chances([each.text for each in texts], device)
    groups, named = [each.group for each in texts], snapshot(texts)
    right_N = chances_NL.argmax(axis=1) == true_N
    commonest_N = true_N == _commonest(classifier, true_N)

    def figure(name: str, part: str, interval: Interval, chosen_N: Ids) -> TunedFigure:
        count = len({groups[at] for at in chosen_N})
        low, high = (interval.low, interval.high) if count > 1 else (None, None)
        return TunedFigure(name, part, interval.value, low, high, len(chosen_N), count, named)

    everything = np.arange(len(texts))
    found = [
        figure("accuracy", "all", accuracy(right_N, groups), everything),
        figure(
            "macro_f1", "all", _macro_f1(chances_NL.argmax(axis=1), true_N, groups, len(classifier.labels)), everything
        ),
        figure("gain_over_commonest_label", "all", difference(right_N, commonest_N, groups), everything),
        figure("calibration_error", "all", calibration(chances_NL, true_N, groups), everything),
    ]
    if by_words:
        words_N = np.array([told == each.label for told, each in zip(by_words, texts, strict=True)])
        found.append(figure("accuracy_of_counted_words", "all", accuracy(words_N, groups), everything))
        found.append(figure(GAIN_OVER_WORDS, "all", difference(right_N, words_N, groups), everything))
    for at in np.unique(true_N):
        chosen = np.flatnonzero(true_N == at)
        share = accuracy(right_N[chosen], [groups[each] for each in chosen])
        found.append(figure("recall", f"label: {classifier.labels[at]}", share, chosen))
    return found


def numbered(classifier: Classifier, texts: Sequence[LabelledText]) -> Ids:
    """Return each text's label as the classifier numbers it.

    Raises:
        LabelsError: there is no text, or a label that the classifier never learned.
    """
    if not texts:
        raise LabelsError("there is no text to measure on; name a split or a file that has some")
    unknown = sorted({each.label for each in texts} - set(classifier.labels))
    if unknown:
        raise LabelsError(
            f"the classifier never learned the labels {unknown}; it knows {list(classifier.labels)}: take the texts "
            "out, or fine-tune with such labels"
        )
    return np.array([classifier.labels.index(each.label) for each in texts], np.int64)


def _commonest(classifier: Classifier, true_N: Ids) -> int:
    """The label that training showed most, or, where that is not recorded, the commonest here."""
    counts = classifier.training.get("label_counts")
    if counts:
        return classifier.labels.index(max(classifier.labels, key=lambda label: counts[label]))
    return int(np.bincount(true_N).argmax())


def _macro_f1(told_N: Ids, true_N: Ids, groups: Sequence[str], label_count: int) -> Interval:
    """Macro-F1 with a bootstrap over groups, by each group's own table of true and told labels.

    A resample that a label is missing from is averaged over the others, as the whole would be.
    """
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    group_count = int(place_N.max()) + 1
    tables = np.zeros((group_count, label_count * label_count))
    np.add.at(tables, (place_N, true_N * label_count + told_N), 1)
    scores = [_f1_of(drawn @ tables, label_count) for drawn in resamples(group_count)]
    low, high = np.quantile(np.concatenate(scores), [0.025, 0.975])
    return Interval(macro_f1(told_N, true_N, label_count), float(low), float(high))


def _f1_of(flat: Floats, label_count: int) -> Floats:
    tables = flat.reshape(-1, label_count, label_count)
    hits = np.diagonal(tables, axis1=1, axis2=2)
    both = tables.sum(axis=1) + tables.sum(axis=2)
    scores: Floats = (2 * hits / np.maximum(both, 1)).sum(axis=1) / (both > 0).sum(axis=1)
    return scores
