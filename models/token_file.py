"""Tokens in a file that the kernel reads where they are needed, so that a corpus need not fit into memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.batches import Packed
from models.documents import Document
from models.tokenizer import Tokenizer

_DOCUMENTS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class TokenIndex:
    """What a file of tokens does not tell: the type of a token, and of each document its name and how long it is."""

    type: str
    names: list[str]
    lengths: list[int]
    byte_count: int


def write_tokens(documents: Sequence[Document], tokenizer: Tokenizer, path: Path) -> TokenIndex:
    """Encode documents of one split into a file, two bytes a token where ids fit into them.

    They are the tokens that `models.batches.pack` gives.
    """
    kind = np.dtype("<u2" if tokenizer.size <= 2**16 else "<u4")
    lengths: list[int] = []
    with path.open("xb") as file:
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            part = documents[start : start + _DOCUMENTS_AT_ONCE]
            for tokens in tokenizer.encode_all([document.text for document in part]):
                lengths.append(1 + len(tokens))
                file.write(np.array([tokenizer.end_of_text, *tokens], dtype=kind).tobytes())
    return TokenIndex(
        type=kind.str,
        names=[document.document_id for document in documents],
        lengths=lengths,
        byte_count=sum(document.byte_count for document in documents),
    )


def read_tokens(path: Path, index: TokenIndex) -> Packed:
    """Map a file of tokens into memory, from which only what is asked for is read."""
    kind = np.dtype(index.type)
    whole: npt.NDArray[Any] = np.memmap(path, dtype=kind, mode="r") if index.lengths else np.zeros(0, kind)
    return Packed(
        documents=np.split(whole, np.cumsum(index.lengths[:-1])) if index.lengths else [],
        names=index.names,
        byte_count=index.byte_count,
    )
