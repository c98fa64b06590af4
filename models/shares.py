"""How many of the tokens a model learned from come from which dataset under which licence."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import DocumentsError
from models.tokenizer import load_tokenizer

COLUMNS = ("dataset", "licence", "text", "split")
DOCUMENTS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class TokenShare:
    """The training documents of one dataset under one licence (None: not stated), and their tokens."""

    dataset: str
    licence: str | None
    document_count: int
    token_count: int
    token_share: float


def token_shares(checkpoint: Path, documents: Path) -> list[TokenShare]:
    """Count the tokens of the training split with a model's own tokenizer, largest share first.

    As in training, each document counts one more token, the mark that opens it.

    Raises:
        DocumentsError: the documents lack a column.
    """
    tokenizer = load_tokenizer(checkpoint)
    try:
        table = pq.read_table(documents, columns=list(COLUMNS), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise DocumentsError(f"{documents} holds no documents with {list(COLUMNS)}: {error}") from error
    learned = table.filter((pc.field("split") == "train") & (pc.field("text") != ""))
    counts: dict[tuple[str, str | None], list[int]] = defaultdict(lambda: [0, 0])
    for batch in learned.to_batches(max_chunksize=DOCUMENTS_AT_ONCE):
        rows = batch.to_pylist()
        for row, tokens in zip(rows, tokenizer.encode_all([row["text"] for row in rows]), strict=True):
            count = counts[row["dataset"], row["licence"]]
            count[0] += 1
            count[1] += len(tokens) + 1
    total = sum(tokens for _, tokens in counts.values())
    shares = [
        TokenShare(
            dataset=dataset, licence=licence, document_count=number, token_count=tokens, token_share=tokens / total
        )
        for (dataset, licence), (number, tokens) in counts.items()
    ]
    return sorted(shares, key=lambda share: (-share.token_count, share.dataset, share.licence or ""))
