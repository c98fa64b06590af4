"""Words and pairs of words of a text as numbered, weighted features: TF-IDF over a fixed number of hashed places.

Shapes: N features of one text, K places.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"\w\w+")

Places = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Places in a table of features and their weights, whose squares sum to 1; a text without words has none."""

    places_N: Places
    weights_N: Weights


def _counts(text: str, buckets: int) -> tuple[Places, npt.NDArray[np.float64]]:
    words = _WORD.findall(text.lower())
    pairs = [f"{one} {two}" for one, two in pairwise(words)]
    found = Counter(zlib.crc32(each.encode()) % buckets for each in (*words, *pairs))
    return np.fromiter(found.keys(), np.int64, len(found)), np.fromiter(found.values(), np.float64, len(found))


def rarities(texts: Sequence[str], buckets: int) -> Weights:
    """Return each place's weight by how few texts have it, ln((1 + texts) / (1 + having)) + 1; nought below two."""
    having_K = np.zeros(buckets, np.int64)
    for text in texts:
        having_K[_counts(text, buckets)[0]] += 1
    weights_K: Weights = np.where(having_K < 2, 0.0, np.log((1 + len(texts)) / (1 + having_K)) + 1).astype(np.float32)
    return weights_K


def features(text: str, rarities_K: Weights) -> Features:
    """Return a text's features: (1 + ln count) times rarity, brought to length 1."""
    places_N, counts_N = _counts(text, len(rarities_K))
    weights_N = (1 + np.log(counts_N)) * rarities_K[places_N]
    kept = weights_N > 0
    length = float(np.sqrt((weights_N[kept] ** 2).sum())) or 1.0
    return Features(places_N[kept], (weights_N[kept] / length).astype(np.float32))
