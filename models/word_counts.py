"""TF-IDF of words with logistic regression: what people try first on texts, and what a classifier must not fall behind.

As scikit-learn does both by default: words of two letters or more in small letters, smoothed inverse document
frequencies, rows of unit length (https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting);
cross-entropy of all labels at once with half the squared weights beside its sum, intercepts free.
Shapes: N texts, V words, L labels, M different words of all texts together.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.labelled import LabelledText

ITERATIONS = 300
MOST_NUMBERS = 4_000_000
"""Words times labels; learning holds some 25 times their 8 bytes. Of more words those in most texts are counted."""
_STEPS_REMEMBERED = 10
_WORD = re.compile(r"\b\w\w+\b")


@dataclass(frozen=True)
class _Bags:
    """The words of each text and their weights, one text after the other; the first of each stands at `first_N`."""

    words_M: Tensor
    weights_M: Tensor
    first_N: Tensor

    def times(self, table_VL: Tensor) -> Tensor:
        """The sum of each text's rows of a table, by weight: NL."""
        summed_NL: Tensor = functional.embedding_bag(
            self.words_M, table_VL, self.first_N, mode="sum", per_sample_weights=self.weights_M
        )
        return summed_NL

    def turned(self, word_count: int) -> "_Bags":
        """The texts of each word."""
        order_M = torch.argsort(self.words_M, stable=True)
        sizes_N = torch.diff(self.first_N, append=torch.tensor([len(self.words_M)]))
        text_M = torch.repeat_interleave(torch.arange(len(self.first_N)), sizes_N)
        sizes_V = torch.bincount(self.words_M, minlength=word_count)
        return _Bags(text_M[order_M], self.weights_M[order_M], sizes_V.cumsum(0) - sizes_V)


def told_by_words(learned: Sequence[LabelledText], held: Sequence[LabelledText]) -> list[str]:
    """Return the label of each held-out text, as the counted words of the learned ones tell it.

    Where the learned texts have no words, each held-out text gets their commonest label.
    """
    labels = sorted({each.label for each in learned})
    counts = [_counted(each.text) for each in learned]
    seen = Counter(word for each in counts for word in each)
    if not seen:
        return [Counter(each.label for each in learned).most_common(1)[0][0]] * len(held)
    place = {word: at for at, word in enumerate(_kept(seen, MOST_NUMBERS // len(labels)))}
    rarity_V = np.array([np.log((1 + len(learned)) / (1 + seen[word])) + 1 for word in place])
    true_N = torch.tensor([labels.index(each.label) for each in learned])
    weight_VL, shift_L = _learned(_bags(counts, place, rarity_V), true_N, len(place), len(labels))
    asked = _bags([_counted(each.text) for each in held], place, rarity_V)
    told_N = (asked.times(weight_VL) + shift_L).argmax(dim=1)
    return [labels[at] for at in told_N.tolist()]


def _kept(seen: Mapping[str, int], most: int) -> list[str]:
    return sorted(sorted(seen, key=lambda word: (-seen[word], word))[:most])


def _counted(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _bags(counts: Sequence[Mapping[str, int]], place: Mapping[str, int], rarity_V: np.ndarray) -> _Bags:
    words, weights, first = list[int](), list[np.ndarray](), list[int]()
    for each in counts:
        first.append(len(words))
        known = {place[word]: count for word, count in each.items() if word in place}
        words += known
        raw = np.array(list(known.values()), np.float64) * rarity_V[np.array(list(known), np.int64)]
        weights.append(raw / np.linalg.norm(raw) if len(raw) else raw)
    flat = np.concatenate([np.zeros(0), *weights])
    return _Bags(torch.tensor(words, dtype=torch.long), torch.from_numpy(flat), torch.tensor(first, dtype=torch.long))


def _learned(bags: _Bags, true_N: Tensor, word_count: int, label_count: int) -> tuple[Tensor, Tensor]:
    """Minimise the loss by L-BFGS with its gradient written out, which reads the words of all texts twice a step."""
    weight_VL = torch.zeros(word_count, label_count, dtype=torch.float64, requires_grad=True)
    shift_L = torch.zeros(label_count, dtype=torch.float64, requires_grad=True)
    turned, count, wanted_NL = bags.turned(word_count), len(true_N), functional.one_hot(true_N, label_count).double()
    steps = torch.optim.LBFGS(
        [weight_VL, shift_L],
        max_iter=ITERATIONS,
        history_size=_STEPS_REMEMBERED,
        tolerance_grad=1e-5,
        line_search_fn="strong_wolfe",
    )

    @torch.no_grad()
    def loss() -> float:
        chances_NL = (bags.times(weight_VL) + shift_L).log_softmax(dim=1)
        off_NL = (chances_NL.exp() - wanted_NL) / count
        weight_VL.grad = turned.times(off_NL) + weight_VL / count
        shift_L.grad = off_NL.sum(dim=0)
        return float(-(chances_NL * wanted_NL).sum() / count + weight_VL.square().sum() / (2 * count))

    steps.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return weight_VL.detach(), shift_L.detach()
