"""The baseline of text classification: TF-IDF and multinomial logistic regression, as scikit-learn defines the two.

Shapes: N texts, F features (words), L labels.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_WORD = re.compile(r"\b\w\w+\b")
ROUNDS = 100
MOST_WORDS = 200_000


@dataclass(frozen=True)
class TfidfBaseline:
    """Words with their weights, https://scikit-learn.org/stable/modules/feature_extraction.html, and a linear layer."""

    places: dict[str, int]
    rarity_F: Tensor
    weight_FL: Tensor
    bias_L: Tensor

    def logits(self, texts: Sequence[str]) -> Tensor:
        """Scores NL; their softmax is a probability."""
        logits_NL: Tensor = torch.sparse.mm(_features(texts, self.places, self.rarity_F), self.weight_FL) + self.bias_L
        return logits_NL


def fit_tfidf(texts: Sequence[str], labels_N: Tensor, *, label_count: int, strength: float = 1.0) -> TfidfBaseline:
    """Fit on training texts; `strength` is scikit-learn's C.

    Words of one text only are left out when there are more than MOST_WORDS.
    """
    document_counts = Counter(word for text in texts for word in set(_words(text)))
    words = sorted(document_counts)
    if len(words) > MOST_WORDS:
        words = [word for word in words if document_counts[word] > 1]
    places = {word: at for at, word in enumerate(words)}
    counts_F = torch.tensor([document_counts[word] for word in words], dtype=torch.float32)
    rarity_F = torch.log((1 + len(texts)) / (1 + counts_F)) + 1
    features_NF = _features(texts, places, rarity_F)
    weight_FL = torch.zeros(len(words), label_count, requires_grad=True)
    bias_L = torch.zeros(label_count, requires_grad=True)
    moving = torch.optim.LBFGS(
        [weight_FL, bias_L], max_iter=ROUNDS, tolerance_grad=1e-6, history_size=10, line_search_fn="strong_wolfe"
    )

    def lost() -> Tensor:
        moving.zero_grad()
        logits_NL = torch.sparse.mm(features_NF, weight_FL) + bias_L
        fitted = torch.nn.functional.cross_entropy(logits_NL, labels_N)
        loss: Tensor = fitted + weight_FL.square().sum() / (2 * strength * len(texts))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return loss

    moving.step(lost)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    return TfidfBaseline(places, rarity_F, weight_FL.detach(), bias_L.detach())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _features(texts: Sequence[str], places: dict[str, int], rarity_F: Tensor) -> Tensor:
    """Rows of unit length; a text without a known word is a row of noughts."""
    rows, columns, counts = [], [], []
    for row, text in enumerate(texts):
        for word, count in Counter(_words(text)).items():
            if word in places:
                rows.append(row)
                columns.append(places[word])
                counts.append(float(count))
    rows_K, columns_K = np.array(rows, np.int64), np.array(columns, np.int64)
    values_K = np.array(counts, np.float32) * rarity_F.numpy()[columns_K]
    lengths_N = np.sqrt(np.bincount(rows_K, weights=values_K**2, minlength=len(texts)))
    values_K = (values_K / lengths_N[rows_K]).astype(np.float32)
    indices = torch.from_numpy(np.stack([rows_K, columns_K]))
    made: Tensor = torch.sparse_coo_tensor(
        indices, torch.from_numpy(values_K), (len(texts), len(places)), check_invariants=True
    )
    return made.coalesce()
