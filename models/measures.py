"""Figures of a model beside its bits per byte by dataset, each with a 95 % interval and what it was measured on.

Shapes: B sequences, T tokens, V vocabulary, N documents.
"""

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.accuracy import Interval, accuracy, calibration_error, ratio_interval
from models.baselines import Ids
from models.batches import pack
from models.checkpoint import Loaded
from models.device import Device
from models.documents import Document, of_split
from models.known_tests import PUBLISHED_MODELS, Pair, Question
from models.likelihood import bits_of
from models.lm import Past
from models.scores import ALL, DocumentScore, Measure

LENGTHS = ((1_000, "under 1 kB"), (10_000, "1 to 10 kB"), (2**63, "10 kB and more"))
WRITTEN_TOKENS, WRITINGS = 32, 5
_PASSAGES = 64


def own_measures(
    loaded: Loaded, documents: list[Document], scores: Sequence[DocumentScore], snapshot: str, device: Device
) -> list[Measure]:
    """Return what is cheap: bits per byte by slice, calibration, latency and memory."""
    held = of_split(documents, "test")
    return [
        *bits_per_byte(scores, snapshot),
        _calibration(loaded, held, snapshot, device),
        _latency(loaded, held, snapshot, device),
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
        found.append(_measure("bits_per_byte", name, interval, len(own), snapshot))
    return found


def blimp(loaded: Loaded, pairs: Sequence[Pair], device: Device) -> list[Measure]:
    """Share of minimal pairs whose grammatical sentence needs fewer bits, over all and by paradigm."""
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    bits = bits_of(loaded, _sentences(loaded, texts), device).numpy()
    right = bits[0::2] < bits[1::2]
    on = f"BLiMP, {len(pairs)} pairs"
    whole = accuracy(right, [pair.paradigm for pair in pairs])
    found = [_measure("blimp_accuracy", ALL, whole, len(pairs), on)]
    for paradigm in sorted({pair.paradigm for pair in pairs}):
        here = np.array([pair.paradigm == paradigm for pair in pairs])
        interval = accuracy(right[here], [str(at) for at in range(int(here.sum()))])
        found.append(_measure("blimp_accuracy", paradigm, interval, int(here.sum()), on))
    return found


def published(accuracies: dict[str, dict[str, float]], paradigms: Sequence[str]) -> list[Measure]:
    """The published models' mean accuracy over the same paradigms, all 1,000 pairs of each."""
    shown = sorted(set(paradigms) & set(accuracies))
    return [
        Measure(
            "blimp_accuracy",
            f"published: {name}",
            float(np.mean([accuracies[each][name] for each in shown])),
            None,
            None,
            1000 * len(shown),
            "BLiMP, as published",
        )
        for name in PUBLISHED_MODELS
        if shown
    ]


def arc(loaded: Loaded, questions: Sequence[Question], device: Device) -> list[Measure]:
    """Share of questions whose right answer needs the fewest bits a byte after the question; chance is about 0.25."""
    right = [_answered(loaded, each, device) for each in questions]
    found = []
    for part in sorted({each.part for each in questions}):
        here = np.array([ok for ok, each in zip(right, questions, strict=True) if each.part == part])
        interval = accuracy(here, [str(at) for at in range(len(here))])
        found.append(_measure("arc_accuracy", part, interval, len(here), f"ARC {part}, {len(here)} questions"))
    return found


def _answered(loaded: Loaded, question: Question, device: Device) -> bool:
    tokenizer, longest = loaded.tokenizer, loaded.recipe.context
    opening = [tokenizer.end_of_text, *tokenizer.encode(f"Question: {question.question}\nAnswer:")]
    sequences, skip = [], []
    for answer in question.answers:
        said = tokenizer.encode(f" {answer}")[: longest - 1]
        before = opening[-(longest - len(said)) :]
        sequences.append(np.array([*before, *said], np.int64))
        skip.append(len(before) - 1)
    bits = bits_of(loaded, sequences, device, skip=skip).numpy()
    sizes = np.array([len(answer.encode()) + 1 for answer in question.answers])
    return int((bits / sizes).argmin()) == question.right


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
    error = calibration_error(np.stack([sure_N, np.full(len(sure_N), -1.0)], axis=1), told_N)
    return Measure("calibration_error", ALL, error, None, None, len(sure_N), snapshot)


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
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measure("peak_memory_bytes", ALL, peak, None, None, loaded.model.parameter_count(), snapshot)


def _sentences(loaded: Loaded, texts: Sequence[str]) -> list[Ids]:
    end, longest = loaded.tokenizer.end_of_text, loaded.recipe.context
    return [np.array([end, *tokens][:longest], np.int64) for tokens in loaded.tokenizer.encode_all(texts)]


def _measure(name: str, part: str, interval: Interval, count: int, on: str) -> Measure:
    low, high = (interval.low, interval.high) if count > 1 else (None, None)
    return Measure(name, part, interval.value, low, high, count, on)
