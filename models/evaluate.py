"""Evaluation: bits per byte of held-out documents, per evaluator and slice, and the comparison of two models.

Shapes: B sequences, T tokens, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.baselines import Baseline, Trigram, Unigram
from models.batches import Packed, Tokens, pack
from models.checkpoint import Loaded
from models.device import Device, choose_device
from models.documents import Document, evaluation_snapshot, of_split
from models.scores import DocumentScore, EvaluationRow, summarise

Floats = npt.NDArray[np.float64]
_IGNORED = -100  # cross entropy skips this target


@dataclass(frozen=True)
class Evaluation:
    """Scores of held-out documents, one by one and summed."""

    evaluation_snapshot: str
    rows: list[EvaluationRow]
    scores: list[DocumentScore]


@dataclass(frozen=True)
class Window:
    """Tokens start..end of one document go in; those from first_target on are scored."""

    document: int
    start: int
    first_target: int
    end: int


def evaluate(loaded: Loaded, documents: list[Document], *, threads: int | None = None) -> Evaluation:
    """Score every byte of every test document once, by the model and by baselines fitted on the train documents.

    Raises:
        NoDocumentsError: split test or train has no text.
    """
    held, learned = of_split(documents, "test"), of_split(documents, "train")
    packed, fitted = pack(held, loaded.tokenizer), pack(learned, loaded.tokenizer)
    size, end = loaded.recipe.vocabulary_size, loaded.tokenizer.end_of_text
    device = choose_device(loaded.recipe.precision, threads=threads)
    bits = {
        "gpt": model_bits(loaded, packed, device=device),
        "unigram": baseline_bits(Unigram.fit(fitted, vocabulary_size=size), packed),
        "trigram": baseline_bits(Trigram.fit(fitted, vocabulary_size=size, end_of_text=end), packed),
    }
    scores = [
        DocumentScore(evaluator, document.document_id, document.dataset, document.byte_count, float(value))
        for evaluator, values in bits.items()
        for document, value in zip(held, values, strict=True)
    ]
    return Evaluation(evaluation_snapshot(held), summarise(scores), scores)


def baseline_bits(baseline: Baseline, packed: Packed) -> Floats:
    """Bits that a baseline needs for each document."""
    return np.array([-np.log2(baseline.probabilities(tokens)).sum() for tokens in packed.documents])


def sliding_windows(lengths: list[int], *, context: int) -> Iterator[Window]:
    """Windows that score each token but a document's first exactly once, with half a context before it or more."""
    for document, length in enumerate(lengths):
        start, first_target = 0, 1
        while first_target < length:
            end = min(start + context + 1, length)
            yield Window(document, start, first_target, end)
            start, first_target = start + context // 2, end


def model_bits(loaded: Loaded, packed: Packed, *, device: Device, batch: int = 32) -> Floats:
    """Bits that the model needs for each document."""
    model = loaded.model.to(device.torch_device).eval()
    return bits_by_document(model, packed, context=loaded.recipe.context, device=device, batch=batch)


@torch.no_grad()
def bits_by_document(
    forward: Callable[[torch.Tensor], torch.Tensor], packed: Packed, *, context: int, device: Device, batch: int = 32
) -> Floats:
    """Bits that whatever turns tokens BT into logits BTV needs for each document."""
    lengths = [len(tokens) for tokens in packed.documents]
    windows = sorted(sliding_windows(lengths, context=context), key=lambda window: window.end - window.start)
    bits = np.zeros(len(lengths))
    for first in range(0, len(windows), batch):
        part = windows[first : first + batch]
        inputs_BT, targets_BT = _padded(part, packed)
        with device.arithmetic():
            logits_BTV = forward(torch.from_numpy(inputs_BT).to(device.torch_device))
        targets = torch.from_numpy(targets_BT).to(device.torch_device)
        nats_BT = functional.cross_entropy(logits_BTV.mT, targets, reduction="none", ignore_index=_IGNORED)
        for window, nats in zip(part, nats_BT.double().sum(dim=1).tolist(), strict=True):
            bits[window.document] += nats / math.log(2)
    return bits


def _padded(windows: list[Window], packed: Packed) -> tuple[Tokens, Tokens]:
    """Inputs and targets of one length; padding comes after the text, where causal attention never looks."""
    width = max(window.end - window.start for window in windows) - 1
    inputs_BT = np.zeros((len(windows), width), dtype=np.int64)
    targets_BT = np.full((len(windows), width), _IGNORED, dtype=np.int64)
    for row, window in enumerate(windows):
        tokens = packed.documents[window.document][window.start : window.end]
        scored = window.first_target - window.start
        inputs_BT[row, : len(tokens) - 1] = tokens[:-1]
        targets_BT[row, scored - 1 : len(tokens) - 1] = tokens[scored:]
    return inputs_BT, targets_BT
