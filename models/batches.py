"""Packed tokens per split and the seeded order in which training sees them.

Shapes: B sequences, T tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.config import Recipe
from models.documents import Document
from models.errors import NoDocumentsError
from models.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packed:
    """Documents as tokens, each opened by the end-of-text token, with the bytes behind them.

    Tokens are int64 where they are in memory, narrower on disk (`models.token_file`); batches are int64.
    """

    documents: Sequence[npt.NDArray[Any]]
    names: list[str]
    byte_count: int

    @property
    def mark(self) -> int:
        """The token that opens every document, of which there is one at least."""
        return int(self.documents[0][0])

    @property
    def token_count(self) -> int:
        """Tokens, marks included."""
        return sum(len(tokens) for tokens in self.documents)

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text behind one token on average, marks included as tokens without bytes."""
        return self.byte_count / self.token_count


@dataclass(frozen=True)
class Batch:
    """Inputs, the tokens that follow them, and the windows of text they are."""

    inputs_BT: Tokens
    targets_BT: Tokens
    windows: "tuple[tuple[_Epoch, int], ...]"

    @property
    def epoch(self) -> int:
        """The pass over all documents, from 0, that the last window belongs to."""
        return self.windows[-1][0].number

    def document_names(self) -> list[str]:
        """Documents with a token in the batch, each once, in the batch's order."""
        return list(dict.fromkeys(name for epoch, at in self.windows for name in epoch.names_in(at)))


def pack(documents: list[Document], tokenizer: Tokenizer) -> Packed:
    """Encode documents of one split; the caller has chosen the split already."""
    encoded = tokenizer.encode_all([document.text for document in documents])
    return Packed(
        documents=[np.array([tokenizer.end_of_text, *tokens], dtype=np.int64) for tokens in encoded],
        names=[document.document_id for document in documents],
        byte_count=sum(document.byte_count for document in documents),
    )


class _Stream:
    """Documents one after the other in some order, of which only what is asked for is read."""

    def __init__(self, packed: Packed, order: Tokens) -> None:
        self._packed, self._order = packed, order
        self.ends = np.cumsum([len(packed.documents[at]) for at in order], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def between(self, first: int, last: int) -> Tokens:
        """The tokens from one place to before another."""
        parts, at = [], int(np.searchsorted(self.ends, first, side="right"))
        while first < last:
            tokens = self._packed.documents[self._order[at]]
            start = int(self.ends[at]) - len(tokens)
            parts.append(tokens[first - start : last - start])
            first, at = int(self.ends[at]), at + 1
        return np.concatenate(parts).astype(np.int64)

    def names(self, first: int, last: int) -> list[str]:
        """Documents with a token from one place to before another."""
        start, end = np.searchsorted(self.ends, [first, last - 1], side="right")
        return [self._packed.names[document] for document in self._order[start : end + 1]]


class _Epoch:
    """One pass: documents shuffled, joined, cut into windows of context + 1 tokens, and the windows shuffled."""

    def __init__(self, packed: Packed, *, context: int, number: int, random: np.random.Generator) -> None:
        self.number, self._context = number, context
        self.opened_with = dict(random.bit_generator.state)
        self._stream = _Stream(packed, random.permutation(len(packed.documents)))
        # Cuts fall elsewhere in every epoch.
        self._cut = int(random.integers((len(self._stream) - 1) % context + 1))
        self.order = random.permutation((len(self._stream) - self._cut - 1) // context)

    def window(self, at: int) -> Tokens:
        """The tokens of one window."""
        return self._stream.between(*self._place(at))

    def names_in(self, at: int) -> list[str]:
        """Documents with a token in one window."""
        return self._stream.names(*self._place(at))

    def _place(self, at: int) -> tuple[int, int]:
        first = self._cut + at * self._context
        return first, first + self._context + 1


class Loader:
    """Endless batches in an order fixed by the seed, which can be taken up again at any batch."""

    def __init__(self, packed: Packed, *, context: int, batch: int, seed: int) -> None:
        """Open the first pass; raise NoDocumentsError when all documents together are shorter than one window."""
        if packed.token_count < context + 1:
            raise NoDocumentsError(
                f"{packed.token_count} training tokens do not fill one window of {context + 1}; "
                "load more documents or shorten the recipe's context"
            )
        self._packed, self._context, self._batch = packed, context, batch
        self._random = np.random.default_rng(seed)
        self._epoch, self._drawn = self._open(0), 0

    def _open(self, number: int) -> _Epoch:
        return _Epoch(self._packed, context=self._context, number=number, random=self._random)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        drawn = tuple(self._draw() for _ in range(self._batch))
        stacked = np.stack([epoch.window(at) for epoch, at in drawn])
        return Batch(inputs_BT=stacked[:, :-1], targets_BT=stacked[:, 1:], windows=drawn)

    def _draw(self) -> tuple[_Epoch, int]:
        if self._drawn == len(self._epoch.order):
            self._epoch, self._drawn = self._open(self._epoch.number + 1), 0
        at = int(self._epoch.order[self._drawn])
        self._drawn += 1
        return self._epoch, at

    def state(self) -> dict[str, Any]:
        """Where the order stands, as JSON values."""
        return {"epoch": self._epoch.number, "drawn": self._drawn, "random": self._epoch.opened_with}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on exactly after the batch at which `state` was taken from a loader of the same documents."""
        self._random.bit_generator.state = state["random"]
        self._epoch, self._drawn = self._open(state["epoch"]), state["drawn"]


def batches(packed: Packed, recipe: Recipe) -> Loader:
    """Endless batches as a recipe asks for them."""
    return Loader(packed, context=recipe.context, batch=recipe.batch, seed=recipe.seed)


def fixed_windows(packed: Packed, *, context: int, count: int) -> Tokens | None:
    """At most `count` evenly spread windows for a running validation number; None when there is not one."""
    stream = _Stream(packed, np.arange(len(packed.documents)))
    available = (len(stream) - 1) // context
    if available < 1:
        return None
    chosen = np.unique(np.linspace(0, available - 1, num=min(count, available)).astype(np.int64))
    return np.stack([stream.between(int(at) * context, (int(at) + 1) * context + 1) for at in chosen])
