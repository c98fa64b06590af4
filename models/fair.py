"""Whether a model does equally well for groups of documents that are declared in a file of tests."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from models.documents import Document
from models.scores import DocumentScore
from models.trials import Group, Measured

FEWEST = 5
"""Held-out documents below which a group's figure says too little."""


def group_gap(groups: Sequence[Group], documents: Iterable[Document], scores: Iterable[DocumentScore]) -> Measured:
    """Return the bits per byte of the worst group less those of the best, less two standard errors of that difference.

    Groups are compared within their dataset; where a test names several datasets, the widest gap of them is returned.
    A dataset that is not there has no groups, and groups of fewer than five held-out documents are not compared: both
    give 0 and say so. A group that no document of its dataset belongs to is declared wrongly and gives no number.
    """
    known = list(documents)
    present = [each for each in groups if any(document.dataset == each.dataset for document in known)]
    if not present:
        return Measured(0.0, f"no document of {', '.join(sorted({each.dataset for each in groups}))}")
    empty = [each.name for each in present if not any(_belongs(each, one.dataset, one.document_id) for one in known)]
    if empty:
        return Measured(math.nan, f"no document belongs to {', '.join(empty)}; correct the group's pattern")
    ours = [score for score in scores if score.evaluator == "gpt"]
    found = {
        dataset: _within([each for each in present if each.dataset == dataset], ours)
        for dataset in dict.fromkeys(each.dataset for each in present)
    }
    told = [f"{dataset}: {each.detail}" if len(found) > 1 else each.detail for dataset, each in found.items()]
    gaps = [each.value for each in found.values() if not math.isnan(each.value)]
    return Measured(max(gaps, default=0.0), "; ".join(told))


def _within(groups: Sequence[Group], ours: Sequence[DocumentScore]) -> Measured:
    """Compare the groups of one dataset; the value is no number where fewer than two have enough documents."""
    by_group = {each.name: [one for one in ours if _belongs(each, one.dataset, one.document_id)] for each in groups}
    figures = {name: _ratio(own) for name, own in by_group.items() if len(own) >= FEWEST}
    told = ", ".join(
        f"{name} {figures[name][0]:.3f} ({len(own)})" if name in figures else f"{name} ({len(own)}, too few)"
        for name, own in by_group.items()
    )
    if len(figures) < 2:
        return Measured(math.nan, f"not compared: {told}")
    (worst, worst_error), (best, best_error) = max(figures.values()), min(figures.values())
    return Measured(worst - best - 2 * math.hypot(worst_error, best_error), f"bits per byte: {told}")


def _belongs(group: Group, dataset: str, document_id: str) -> bool:
    return dataset == group.dataset and re.search(group.documents, document_id) is not None


def _ratio(own: Sequence[DocumentScore]) -> tuple[float, float]:
    """Bits per byte and its standard error over documents, as the evaluation's."""
    bits_N, sizes_N = np.array([each.bits for each in own]), np.array([each.byte_count for each in own], np.float64)
    ratio = float(bits_N.sum() / sizes_N.sum())
    residuals_N = bits_N - ratio * sizes_N
    count = len(own)
    return ratio, math.sqrt(count / (count - 1) * float(residuals_N @ residuals_N)) / float(sizes_N.sum())
