"""Packed tokens per split and the seeded order in which training sees them.

Shapes: B sequences, T tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.config import Recipe
from models.documents import Document
from models.errors import NoDocumentsError
from models.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packed:
    """Documents as tokens, each opened by the end-of-text token, with the bytes behind them."""

    documents: list[Tokens]
    names: list[str]
    byte_count: int

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
    """Inputs, the tokens that follow them, and where they come from."""

    inputs_BT: Tokens
    targets_BT: Tokens
    epoch: int


def pack(documents: list[Document], tokenizer: Tokenizer) -> Packed:
    """Encode documents of one split; the caller has chosen the split already."""
    encoded = tokenizer.encode_all([document.text for document in documents])
    return Packed(
        documents=[np.array([tokenizer.end_of_text, *tokens], dtype=np.int64) for tokens in encoded],
        names=[document.document_id for document in documents],
        byte_count=sum(document.byte_count for document in documents),
    )


def windows(packed: Packed, *, context: int, random: np.random.Generator) -> Iterator[tuple[int, Tokens]]:
    """Endless windows of context + 1 tokens: documents shuffled anew each epoch, joined, cut, and shuffled again.

    Raises:
        NoDocumentsError: all documents together are shorter than one window.
    """
    if packed.token_count < context + 1:
        raise NoDocumentsError(
            f"{packed.token_count} training tokens do not fill one window of {context + 1}; "
            "load more documents or shorten the recipe's context"
        )
    epoch = 0
    while True:
        stream = np.concatenate([packed.documents[at] for at in random.permutation(len(packed.documents))])
        # Cuts fall elsewhere in every epoch.
        spare = (len(stream) - 1) % context
        stream = stream[int(random.integers(spare + 1)) :]
        for at in random.permutation((len(stream) - 1) // context):
            yield epoch, stream[at * context : (at + 1) * context + 1]
        epoch += 1


def batches(packed: Packed, recipe: Recipe) -> Iterator[Batch]:
    """Endless batches in an order fixed by the recipe's seed."""
    source = windows(packed, context=recipe.context, random=np.random.default_rng(recipe.seed))
    while True:
        drawn = [next(source) for _ in range(recipe.batch)]
        stacked = np.stack([window for _, window in drawn])
        yield Batch(inputs_BT=stacked[:, :-1], targets_BT=stacked[:, 1:], epoch=drawn[-1][0])


def fixed_windows(packed: Packed, *, context: int, count: int) -> Tokens | None:
    """At most `count` evenly spread windows for a running validation number; None when there is not one."""
    stream = np.concatenate(packed.documents) if packed.documents else np.zeros(0, dtype=np.int64)
    available = (len(stream) - 1) // context
    if available < 1:
        return None
    chosen = np.unique(np.linspace(0, available - 1, num=min(count, available)).astype(np.int64))
    return np.stack([stream[at * context : (at + 1) * context + 1] for at in chosen])
