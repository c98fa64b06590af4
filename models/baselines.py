"""Baselines a language model must beat: a unigram and a Kneser-Ney trigram over the same tokens."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.batches import Packed
from models.counted import find

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Baseline(Protocol):
    """Probability of each token of a document given those before it."""

    def probabilities(self, tokens: Ids) -> Floats:
        """One probability for each token but the first, which is the end-of-text mark that opens the document."""


@dataclass(frozen=True)
class Unigram:
    """Token frequencies with one added to each count."""

    share: Floats

    @classmethod
    def fit(cls, packed: Packed, *, vocabulary_size: int) -> "Unigram":
        """Count tokens of training documents."""
        counts = np.bincount(np.concatenate(packed.documents), minlength=vocabulary_size) + 1.0
        return cls(counts / counts.sum())

    def probabilities(self, tokens: Ids) -> Floats:
        """Frequencies of the tokens after the first."""
        return self.share[tokens[1:]]


@dataclass(frozen=True)
class Trigram:
    """Interpolated modified Kneser-Ney, Chen and Goodman 1998, section 3: https://dash.harvard.edu/handle/1/25104739."""

    vocabulary_size: int
    end_of_text: int
    unigram: Floats
    bigrams: "Level"
    trigrams: "Level"

    @classmethod
    def fit(cls, packed: Packed, *, vocabulary_size: int, end_of_text: int) -> "Trigram":
        """Count token triples of training documents, from two opening marks to one closing mark."""
        size = vocabulary_size
        keys = np.concatenate([_triples(tokens, size, end_of_text, closed=True) for tokens in packed.documents])
        triples, counts = np.unique(keys, return_counts=True)
        # Lower orders count in how many contexts an n-gram continues, not how often it occurs.
        pairs, pair_counts = np.unique(triples % size**2, return_counts=True)
        words, word_counts = np.unique(pairs % size, return_counts=True)
        return cls(
            vocabulary_size=size,
            end_of_text=end_of_text,
            unigram=_unigram(words, word_counts, size),
            bigrams=Level.count(pairs, pair_counts, size),
            trigrams=Level.count(triples, counts, size),
        )

    def probabilities(self, tokens: Ids) -> Floats:
        """Probability of each token after the first."""
        return self.probability(_triples(tokens, self.vocabulary_size, self.end_of_text, closed=False))

    def probability(self, triples: Ids) -> Floats:
        """Probability of the last token of each triple given the two before it."""
        pairs = triples % self.vocabulary_size**2
        lower = self.unigram[pairs % self.vocabulary_size]
        return self.trigrams.interpolate(triples, self.bigrams.interpolate(pairs, lower))


@dataclass(frozen=True)
class Level:
    """Discounted counts of n-grams of one order and the weight left to the order below."""

    size: int
    grams: Ids
    discounted: Floats
    contexts: Ids
    totals: Floats
    left: Floats

    @classmethod
    def count(cls, grams: Ids, counts: Ids, size: int) -> "Level":
        """Discount by the three constants that the counts of counts give."""
        discounts = _discounts(counts)
        taken = discounts[np.minimum(counts, 3)]
        contexts, where = np.unique(grams // size, return_inverse=True)
        totals = np.bincount(where, weights=counts).astype(np.float64)
        left = np.bincount(where, weights=taken) / totals
        return cls(size, grams, counts - taken, contexts, totals, left)

    def interpolate(self, grams: Ids, lower: Floats) -> Floats:
        """This order's probability; a context never seen passes the lower order through."""
        gram_at, gram_seen = find(self.grams, grams)
        context_at, context_seen = find(self.contexts, grams // self.size)
        own = np.where(gram_seen, self.discounted[gram_at], 0.0) / self.totals[context_at]
        mixed: Floats = np.where(context_seen, own + self.left[context_at] * lower, lower)
        return mixed


def _triples(tokens: Ids, size: int, end_of_text: int, *, closed: bool) -> Ids:
    ends = [end_of_text] if closed else []
    padded = np.concatenate(([end_of_text], tokens, np.array(ends, dtype=np.int64)))
    return (padded[:-2] * size + padded[1:-1]) * size + padded[2:]


def _unigram(words: Ids, counts: Ids, size: int) -> Floats:
    discounts = _discounts(counts)
    taken = discounts[np.minimum(counts, 3)]
    share = np.full(size, taken.sum() / counts.sum() / size)
    share[words] += (counts - taken) / counts.sum()
    return share


def _discounts(counts: Ids) -> Floats:
    """Constants for counts 0, 1, 2 and 3 or more; 0.75 where a toy corpus has no count of some size."""
    n1, n2, n3, n4 = (float((counts == number).sum()) for number in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return np.array([0.0, 0.75, 0.75, 0.75])
    y = n1 / (n1 + 2 * n2)
    steps = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    # Never nothing: what is taken is all that tokens unseen after a context have.
    clipped: Floats = np.clip(steps, [0.0, 0.1, 0.1, 0.1], [0.0, 0.9, 1.9, 2.9])
    return clipped
