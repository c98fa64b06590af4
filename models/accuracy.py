"""How well labels were told, with intervals over groups: texts of one chapter are alike and count as one draw.

Shapes: N texts, G groups, L labels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.scores import Measure

RESAMPLES, _AT_ONCE = 2000, 100
WILSON_Z = 1.959964
"""Normal quantile of a two-sided interval of 95 %."""
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """For people."""
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def accuracy(right_N: npt.NDArray[np.bool_], groups: Sequence[str]) -> Interval:
    """Return the share that is right, its interval by a bootstrap over groups; one group gives one point."""
    return _bootstrapped(right_N.astype(np.float64), groups)


def measured(name: str, part: str, interval: Interval, count: int, on: str, *, draws: int) -> Measure:
    """Return a figure on a slice; an interval over a single draw says nothing and is left out."""
    low, high = (interval.low, interval.high) if draws > 1 else (None, None)
    return Measure(name, part, interval.value, low, high, count, on)


def wilson(right: int, count: int) -> Interval:
    """Return a share of at least one draw with its 95 % score interval, Wilson 1927: honest at 0 and 1, too."""
    share, z2 = right / count, WILSON_Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = WILSON_Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def difference(right_N: npt.NDArray[np.bool_], other_N: npt.NDArray[np.bool_], groups: Sequence[str]) -> Interval:
    """Return how much more often the first is right than the other on the same texts."""
    return _bootstrapped(right_N.astype(np.float64) - other_N, groups)


def macro_f1(told_N: Ids, true_N: Ids, label_count: int) -> float:
    """Return the mean over labels of the harmonic mean of precision and recall.

    A label that is there and never told counts nought; one that is neither there nor told is left out.
    """
    scores = []
    for label in range(label_count):
        hits = float(((told_N == label) & (true_N == label)).sum())
        said, there = float((told_N == label).sum()), float((true_N == label).sum())
        if said + there:
            scores.append(2 * hits / (said + there))
    return float(np.mean(scores))


def calibration_error(chances_NL: Floats, true_N: Ids, *, bins: int = 10) -> float:
    """Return the expected calibration error, https://arxiv.org/abs/1706.04599: how far sureness is from being right."""
    sure_N, told_N = chances_NL.max(axis=1), chances_NL.argmax(axis=1)
    places = np.minimum((sure_N * bins).astype(np.int64), bins - 1)
    error = 0.0
    for place in range(bins):
        here = places == place
        if here.any():
            error += here.mean() * abs(float(sure_N[here].mean()) - float((told_N[here] == true_N[here]).mean()))
    return float(error)


def calibration(chances_NL: Floats, true_N: Ids, groups: Sequence[str], *, bins: int = 10) -> Interval:
    """Return the expected calibration error with a bootstrap over groups, by each group's own count in each bin.

    The error of a resample is never below nought, so the interval of a well calibrated model lies above its value.
    """
    sure_N, right_N = chances_NL.max(axis=1), chances_NL.argmax(axis=1) == true_N
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    group_count = int(place_N.max()) + 1
    tables = np.zeros((group_count, bins))
    np.add.at(tables, (place_N, np.minimum((sure_N * bins).astype(np.int64), bins - 1)), sure_N - right_N)
    sizes = np.bincount(place_N)
    errors = [np.abs(drawn @ tables).sum(axis=1) / (drawn @ sizes) for drawn in resamples(group_count)]
    low, high = np.quantile(np.concatenate(errors), [0.025, 0.975])
    return Interval(calibration_error(chances_NL, true_N, bins=bins), float(low), float(high))


def resamples(group_count: int) -> Iterator[Ids]:
    """Yield how often each group is drawn, a hundred resamples at a time, so that many groups take little memory."""
    draw = np.random.default_rng(0)
    for _ in range(RESAMPLES // _AT_ONCE):
        yield draw.multinomial(group_count, np.full(group_count, 1 / group_count), size=_AT_ONCE)


def ratio_interval(sums_G: Floats, sizes_G: Floats) -> Interval:
    """Return sum over sum, with the interval of a bootstrap over the groups behind the two."""
    found = [(drawn @ sums_G) / (drawn @ sizes_G) for drawn in resamples(len(sums_G))]
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975])
    return Interval(float(sums_G.sum() / sizes_G.sum()), float(low), float(high))


def _bootstrapped(values_N: Floats, groups: Sequence[str]) -> Interval:
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    sums_G = np.bincount(place_N, weights=values_N).astype(np.float64)
    return ratio_interval(sums_G, np.bincount(place_N).astype(np.float64))
