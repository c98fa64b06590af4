"""Figures of a model beside its bits per byte by dataset, each with a 95 % interval and what it was measured on.

Shapes: B sequences, T tokens, V vocabulary, N documents.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.accuracy import calibration, measured, ratio_interval
from models.baselines import Ids
from models.batches import pack
from models.checkpoint import Loaded
from models.device import Device
from models.documents import Document, of_split
from models.generation import generation_measures
from models.lm import Past
from models.memory import peak_bytes
from models.scores import ALL, DocumentScore, Measure

LENGTHS = ((1_000, "under 1 kB"), (10_000, "1 to 10 kB"), (2**63, "10 kB and more"))
WRITTEN_TOKENS, WRITINGS = 32, 5
_PASSAGES = 64


def own_measures(
    loaded: Loaded, documents: list[Document], scores: Sequence[DocumentScore], snapshot: str, device: Device
) -> list[Measure]:
    """Return what is cheap: bits per byte by slice, calibration, latency, writing and memory."""
    held = of_split(documents, "test")
    return [
        *bits_per_byte(scores, snapshot),
        _calibration(loaded, held, snapshot, device),
        _latency(loaded, held, snapshot, device),
        *generation_measures(loaded, held, snapshot, device),
        _memory(loaded, snapshot),
    ]


def bits_per_byte(scores: Sequence[DocumentScore], snapshot: str) -> list[Measure]:
    """Bits per byte of the model by dataset and by length, with a bootstrap over documents."""
    slices: dict[str, list[DocumentScore]] = defaultdict(list)
    for score in scores:
        if score.evaluator == "gpt":
            length = next(name for limit, name in LENGTHS if score.byte_count < limit)
            for name in (ALL, f"source: {score.dataset}", f"length: {length}"):
                slices[name].append(score)
    found = []
    for name, own in sorted(slices.items()):
        bits_N = np.array([each.bits for each in own])
        interval = ratio_interval(bits_N, np.array([each.byte_count for each in own], np.float64))
        found.append(measured("bits_per_byte", name, interval, len(own), snapshot, draws=len(own)))
    return found


def _calibration(loaded: Loaded, held: list[Document], snapshot: str, device: Device) -> Measure:
    """How far the sureness of the likeliest next token is from how often it comes."""
    passages = [tokens[: loaded.recipe.context] for tokens in pack(held[:_PASSAGES], loaded.tokenizer).documents]
    chances, right = [], []
    for tokens in passages:
        if len(tokens) < 2:
            continue
        with torch.no_grad(), device.arithmetic():
            logits_TV = loaded.model(torch.from_numpy(tokens[None, :-1]).to(device.torch_device))[0]
        sure_T, told_T = logits_TV.softmax(dim=-1).max(dim=-1)
        chances.append(sure_T.cpu().numpy().astype(np.float64))
        right.append(told_T.cpu().numpy() == tokens[1:])
    sure_N = np.concatenate(chances)
    # Told or not told: two classes, of which the first is the model's choice.
    told_N = np.where(np.concatenate(right), 0, 1)
    passage_N = np.repeat(np.arange(len(chances)), [len(each) for each in chances]).astype(str).tolist()
    error = calibration(np.stack([sure_N, np.full(len(sure_N), -1.0)], axis=1), told_N, passage_N)
    return measured("calibration_error", ALL, error, len(sure_N), snapshot, draws=len(chances))


def _latency(loaded: Loaded, held: list[Document], snapshot: str, device: Device) -> Measure:
    """CPU milliseconds for each token written after a short prompt, one text at a time; the middle of some writings."""
    prompt = pack(held[:1], loaded.tokenizer).documents[0][: loaded.recipe.context // 2]
    count = min(WRITTEN_TOKENS, loaded.recipe.context - len(prompt))
    spent = sorted(_spent(lambda: _write(loaded, prompt, count, device)) / count for _ in range(WRITINGS))
    middle = 1000 * spent[len(spent) // 2]
    return Measure("cpu_milliseconds_per_token", ALL, middle, 1000 * spent[0], 1000 * spent[-1], count, snapshot)


def _spent(run: Callable[[], None]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


@torch.no_grad()
def _write(loaded: Loaded, prompt: Ids, count: int, device: Device) -> None:
    pasts = [Past() for _ in range(loaded.recipe.layers)]
    step_BT = torch.from_numpy(prompt[None]).to(device.torch_device)
    for _ in range(count):
        with device.arithmetic():
            step_BT = loaded.model(step_BT, pasts)[:, -1].argmax(dim=-1, keepdim=True)


def _memory(loaded: Loaded, snapshot: str) -> Measure:
    """Largest resident size of the process that measured, in bytes; the weights alone are four bytes a parameter."""
    return Measure("peak_memory_bytes", ALL, float(peak_bytes()), None, None, loaded.model.parameter_count(), snapshot)
