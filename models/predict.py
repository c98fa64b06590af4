"""Predictions on held-out passages, for people to read: what comes next, how sure, and what the model writes on.

Shapes: B sequences, T tokens, V vocabulary.
"""

import hashlib
import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.batches import Tokens, pack
from models.checkpoint import Loaded
from models.device import Device, choose_device
from models.documents import Document, of_split
from models.lm import LanguageModel
from models.tokenizer import Tokenizer
from models.writing import write_on

PASSAGES = 64
CONTINUATION_TOKENS = 40
TOP = 5

_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("passage_id", pa.string()),
    pa.field("document_id", pa.string()),
    pa.field("dataset", pa.string()),
    pa.field("dataset_commit", pa.string()),
    pa.field("passage", pa.large_string()),
    pa.field("bits_per_byte", pa.float64()),
    pa.field("next_token", pa.string()),
    pa.field("top_tokens", pa.string()),
    pa.field("top_probabilities", pa.string()),
    pa.field("next_token_probability", pa.float64()),
    pa.field("in_top_5", pa.bool_()),
    pa.field("continuation", pa.large_string()),
]
PREDICTIONS = pa.schema(_FIELDS)


@dataclass(frozen=True)
class Passage:
    """Part of a held-out document: prompt tokens, the token that really follows, and where the text starts."""

    document: Document
    byte_offset: int
    prompt: Tokens
    next_token: int

    @property
    def passage_id(self) -> str:
        """Stable id: the document and the byte its passage starts at."""
        return f"{self.document.document_id}#{self.byte_offset}"


@dataclass(frozen=True)
class Prediction:
    """One row for people; the fields are those of the schema above."""

    passage_id: str
    document_id: str
    dataset: str
    dataset_commit: str
    passage: str
    bits_per_byte: float
    next_token: str
    top_tokens: str
    top_probabilities: str
    next_token_probability: float
    in_top_5: bool
    continuation: str


def predict(
    loaded: Loaded, documents: list[Document], *, count: int = PASSAGES, threads: int | None = None
) -> pa.Table:
    """Predict on one passage from each of at most `count` test documents; the choice depends on their ids only."""
    device = choose_device(loaded.recipe.precision, threads=threads)
    model = loaded.model.to(device.torch_device).eval()
    chosen = passages(of_split(documents, "test"), loaded, count=count)
    by_length: dict[int, list[Passage]] = defaultdict(list)
    for passage in chosen:
        by_length[len(passage.prompt)].append(passage)
    rows = [
        prediction
        for length in sorted(by_length)
        for prediction in _predict_alike(model, loaded.tokenizer, by_length[length], device=device)
    ]
    rows.sort(key=lambda row: row.passage_id)
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=PREDICTIONS)


def passages(held: list[Document], loaded: Loaded, *, count: int) -> list[Passage]:
    """One passage a document, datasets in turn, documents in the order of a hash of their ids."""
    queues: dict[str, list[Document]] = defaultdict(list)
    for document in sorted(held, key=lambda each: _number(each.document_id)):
        queues[document.dataset].append(document)
    in_turn = sorted((at, dataset) for dataset, queue in queues.items() for at in range(len(queue)))
    chosen = [queues[dataset][at] for at, dataset in in_turn[:count]]
    return [
        _passage(document, tokens, loaded.tokenizer, longest=loaded.recipe.context // 2)
        for document, tokens in zip(chosen, pack(chosen, loaded.tokenizer).documents, strict=True)
    ]


def _passage(document: Document, tokens: Tokens, tokenizer: Tokenizer, *, longest: int) -> Passage:
    """The prompt opens with the token before the passage, or the end-of-text mark at a document's start."""
    length = min(longest, len(tokens) - 1)
    start = _number(document.document_id + "#") % (len(tokens) - length)
    before = tokenizer.decode_bytes(tokens[: start + 1].tolist())
    return Passage(document, len(before), tokens[start : start + length], int(tokens[start + length]))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@torch.no_grad()
def _predict_alike(
    model: LanguageModel, tokenizer: Tokenizer, group: list[Passage], *, device: Device
) -> list[Prediction]:
    """Predictions for passages of one length."""
    prompts_BT = torch.from_numpy(np.stack([passage.prompt for passage in group])).to(device.torch_device)
    with device.arithmetic():
        logits_BTV = model(prompts_BT)
    log2_BTV = logits_BTV.double().log_softmax(dim=-1) / math.log(2)
    bits_BT = -log2_BTV[:, :-1].gather(2, prompts_BT[:, 1:, None]).squeeze(2)
    chances_BV = log2_BTV[:, -1].exp2()
    continuations_BT = write_on(model, prompts_BT, CONTINUATION_TOKENS, device=device).tolist()
    return [
        _row(passage, tokenizer, bits=float(bits), chances_V=chances_V, continuation=tokens)
        for passage, bits, chances_V, tokens in zip(
            group, bits_BT.sum(dim=1), chances_BV.cpu(), continuations_BT, strict=True
        )
    ]


def _row(
    passage: Passage, tokenizer: Tokenizer, *, bits: float, chances_V: Tensor, continuation: list[int]
) -> Prediction:
    scored = tokenizer.decode_bytes(passage.prompt[1:].tolist())
    top = chances_V.topk(TOP)
    tokens = top.indices.tolist()
    if tokenizer.end_of_text in continuation:
        continuation = continuation[: continuation.index(tokenizer.end_of_text)]
    return Prediction(
        passage_id=passage.passage_id,
        document_id=passage.document.document_id,
        dataset=passage.document.dataset,
        dataset_commit=passage.document.dataset_commit,
        passage=scored.decode("utf-8", errors="replace"),
        bits_per_byte=bits / max(len(scored), 1),
        next_token=tokenizer.printable(passage.next_token),
        top_tokens=json.dumps([tokenizer.printable(token) for token in tokens], ensure_ascii=False),
        top_probabilities=json.dumps([round(chance, 6) for chance in top.values.tolist()]),
        next_token_probability=float(chances_V[passage.next_token]),
        in_top_5=passage.next_token in tokens,
        continuation=tokenizer.decode(continuation),
    )
