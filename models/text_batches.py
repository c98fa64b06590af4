"""The seeded order in which fine-tuning sees its texts: those of like length together, so that little is padded.

Shapes: B texts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models.accuracy import Ids

_TOGETHER = 50
"""Batches that are cut from texts sorted by length together."""


class TextBatches:
    """Endless batches of places of texts, which can be taken up again at any batch; every pass has all texts once."""

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int) -> None:
        self._lengths, self._batch = lengths, batch
        self._random = np.random.default_rng(seed)
        self.batches_a_pass = math.ceil(len(lengths) / batch)
        self._opened_with: dict[str, Any] = {}
        self._pass, self._drawn = self._open(), 0

    def __iter__(self) -> Iterator[Ids]:
        return self

    def __next__(self) -> Ids:
        """Places of the next batch's texts."""
        if self._drawn == len(self._pass):
            self._pass, self._drawn = self._open(), 0
        self._drawn += 1
        return self._pass[self._drawn - 1]

    def state(self) -> dict[str, Any]:
        """Where the order stands, as JSON values."""
        return {"drawn": self._drawn, "random": self._opened_with}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on exactly after the batch at which `state` was taken from batches of texts of the same lengths."""
        self._random.bit_generator.state = state["random"]
        self._pass, self._drawn = self._open(), state["drawn"]

    def _open(self) -> list[Ids]:
        """One pass: texts in random order, those of like length together, then the batches shuffled."""
        self._opened_with = dict(self._random.bit_generator.state)
        order, size = self._random.permutation(len(self._lengths)), self._batch
        found = []
        for start in range(0, len(order), size * _TOGETHER):
            part = sorted(order[start : start + size * _TOGETHER], key=lambda at: self._lengths[at])
            found += [np.array(part[at : at + size]) for at in range(0, len(part), size)]
        return [found[at] for at in self._random.permutation(len(found))]
