"""Chances of the next token as counted in training text, which a small model learns from faster than from the text.

Interpolated Kneser-Ney with one discount an order (Ney, Essen and Kneser 1994, https://doi.org/10.1006/csla.1994.1001;
Chen and Goodman 1998, section 2.7: https://dash.harvard.edu/handle/1/25104739). A window's own occurrence is left out
of the counts, or a rare context would only say the token that follows it here.
Shapes: B sequences, T tokens, N their product, V vocabulary, K n-grams of one order, J contexts of one order.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.batches import Packed

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Level:
    """N-grams of one order: how often each was seen, or after how many tokens where a longer order is counted too."""

    grams_K: Ids
    counts_K: Floats
    contexts_J: Ids
    starts_J: Ids
    totals_J: Floats
    kinds_J: Floats
    discount: float

    @classmethod
    def of(cls, grams_K: Ids, counts_K: Ids, size: int) -> "_Level":
        contexts_J, first_J = np.unique(grams_K // size, return_index=True)
        once, twice = int((counts_K == 1).sum()), int((counts_K == 2).sum())
        return cls(
            grams_K,
            counts_K.astype(np.float32),
            contexts_J,
            np.append(first_J, len(grams_K)),
            np.add.reduceat(counts_K, first_J).astype(np.float32),
            np.diff(first_J, append=len(grams_K)).astype(np.float32),
            once / (once + 2 * twice) if once and twice else 0.75,
        )


@dataclass(frozen=True)
class _Asked:
    """One order's answer: the context's place, whether it was seen, the token's own count, whether one is left out."""

    at_N: Ids
    seen_N: Flags
    own_N: Floats
    less_N: Flags


class Counted:
    """N-grams of all orders up to the highest that training documents have."""

    def __init__(self, share_V: Floats, levels: list[_Level]) -> None:
        self._share_V, self._levels = share_V, levels

    @classmethod
    def count(cls, packed: Packed, *, order: int, vocabulary_size: int) -> "Counted":
        """Count n-grams of at most `order` tokens within documents, each opened and closed by the end-of-text token."""
        closed = [np.append(tokens, tokens[0]).astype(np.int64) for tokens in packed.documents]
        stream, owner = np.concatenate(closed), np.repeat(np.arange(len(closed)), [len(each) for each in closed])
        seen, keys = [np.unique(stream, return_counts=True)], stream
        for length in range(2, order + 1):
            keys = keys[:-1] * vocabulary_size + stream[length - 1 :]
            inside = keys[owner[: -(length - 1)] == owner[length - 1 :]]
            if not len(inside):
                break
            seen.append(np.unique(inside, return_counts=True))
        levels = []
        for length, (grams, counts) in enumerate(seen, start=1):
            if length < len(seen):
                counts = _kinds_before(grams, seen[length][0] % vocabulary_size**length)
            levels.append(_Level.of(grams, counts, vocabulary_size))
        share_V = np.full(vocabulary_size, 0.5 / vocabulary_size, np.float32)
        share_V[levels[0].grams_K] += levels[0].counts_K
        return cls(share_V / share_V.sum(), levels[1:])

    @property
    def number_count(self) -> int:
        """Numbers that are kept: a count for every n-gram, two for every context."""
        return sum(len(each.grams_K) + 2 * len(each.contexts_J) for each in self._levels)

    def chances(self, inputs_BT: Ids, targets_BT: Ids | None = None) -> Floats:
        """Chances NV of the token after each position, given at most the window's tokens up to there.

        With targets, as if each had been seen once less after its context.
        """
        targets_N = None if targets_BT is None else targets_BT.ravel()
        asked = self._ask(inputs_BT, targets_N)
        chances_NV = np.repeat(self._share_V[None], inputs_BT.size, axis=0)
        for level, answer in zip(self._levels, asked, strict=True):
            _interpolate(chances_NV, level, answer, targets_N)
        return chances_NV

    def _ask(self, inputs_BT: Ids, targets_N: Ids | None) -> list[_Asked]:
        """Look every context up, the longest first: only if that saw its token once does the next lose one too."""
        size, length = len(self._share_V), inputs_BT.shape[1]
        place_N = np.tile(np.arange(length), len(inputs_BT))
        contexts = [np.zeros_like(inputs_BT)]
        for back in range(len(self._levels)):
            earlier_BT = np.zeros_like(inputs_BT)
            earlier_BT[:, back:] = inputs_BT[:, : length - back]
            contexts.append(contexts[-1] + earlier_BT * size**back)
        less_N, asked = np.full(inputs_BT.size, fill_value=targets_N is not None), []
        for back in reversed(range(len(self._levels))):
            level, context_N = self._levels[back], contexts[back + 1].ravel()
            at_N, seen_N = find(level.contexts_J, context_N)
            seen_N &= place_N >= back
            if targets_N is None:
                asked.append(_Asked(at_N, seen_N, np.zeros(len(at_N), np.float32), less_N))
                continue
            gram_N, known_N = find(level.grams_K, context_N * size + targets_N)
            known_N &= seen_N
            own_N = np.where(known_N, level.counts_K[gram_N], np.float32(0))
            asked.append(_Asked(at_N, seen_N, own_N, less_N & known_N))
            less_N = less_N & (~known_N | (own_N == 1))
        return asked[::-1]


def _interpolate(chances_NV: Floats, level: _Level, asked: _Asked, targets_N: Ids | None) -> None:
    """Put one order over the shorter ones, in place; where its context was never seen they stay as they are."""
    size = chances_NV.shape[1]
    last_N = asked.less_N & (asked.own_N == 1)
    total_N = level.totals_J[asked.at_N] - asked.less_N
    told_N = asked.seen_N & (total_N > 0)
    by_N = np.where(told_N, 1 / np.maximum(total_N, 1), 0).astype(np.float32)
    left_N = level.discount * (level.kinds_J[asked.at_N] - last_N) * by_N
    chances_NV *= np.where(told_N, left_N, 1).astype(np.float32)[:, None]
    rows = np.flatnonzero(told_N)
    first = level.starts_J[asked.at_N[rows]]
    count = level.starts_J[asked.at_N[rows] + 1] - first
    row = np.repeat(rows, count)
    gram = np.arange(len(row)) + np.repeat(first - np.cumsum(count) + count, count)
    flat = chances_NV.reshape(-1)  # a view: the rows are new and in one piece
    flat[row * size + level.grams_K[gram] % size] += (level.counts_K[gram] - np.float32(level.discount)) * by_N[row]
    if targets_N is not None:
        less = np.flatnonzero(told_N & asked.less_N)
        taken = np.where(last_N[less], 1 - level.discount, 1).astype(np.float32)
        chances_NV[less, targets_N[less]] -= taken * by_N[less]


def _kinds_before(grams_K: Ids, endings: Ids) -> Ids:
    """How many different tokens stand before each n-gram; one that opens documents only counts as one."""
    found, kinds = np.unique(endings, return_counts=True)
    counts_K = np.ones(len(grams_K), np.int64)
    counts_K[np.searchsorted(grams_K, found)] = kinds
    return counts_K


def find(sorted_keys: Ids, keys: Ids) -> tuple[Ids, Flags]:
    """Places of keys among sorted ones, of which there are some, and whether each is there."""
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return at, sorted_keys[at] == keys
