"""Training tokens in a file that the kernel reads where they are needed, so that a corpus need not fit into memory.

The file has no name once it is open: it goes with its last reader, however that ends.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.batches import Packed
from models.documents import Document
from models.durable import FULL
from models.errors import NoRoomError
from models.tokenizer import Tokenizer

_DOCUMENTS_AT_ONCE = 1024


def pack_on_disk(documents: Sequence[Document], tokenizer: Tokenizer, folder: Path) -> Packed:
    """Encode documents of one split into an unnamed file under `folder`, two bytes a token where ids fit into them.

    Gives the tokens that `models.batches.pack` gives. Raises NoRoomError when the disk is full.
    """
    kind = np.dtype(np.uint16 if tokenizer.size <= 2**16 else np.uint32)
    lengths: list[int] = []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder, prefix="tokens-") as file:
        try:
            for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
                part = documents[start : start + _DOCUMENTS_AT_ONCE]
                for tokens in tokenizer.encode_all([document.text for document in part]):
                    lengths.append(1 + len(tokens))
                    file.write(np.array([tokenizer.end_of_text, *tokens], dtype=kind).tobytes())
            file.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise NoRoomError(
                f"no room for the tokens of {len(documents)} documents under {folder}: {error.strerror}; free disk "
                "space and train again"
            ) from error
        whole: npt.NDArray[Any] = np.memmap(file, dtype=kind, mode="r") if lengths else np.zeros(0, kind)
    return Packed(
        documents=np.split(whole, np.cumsum(lengths[:-1])) if lengths else [],
        names=[document.document_id for document in documents],
        byte_count=sum(document.byte_count for document in documents),
    )
