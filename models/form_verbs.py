"""What runs inside the child process for smaller forms: one is made, or one is measured beside the whole version."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.batches import Packed, pack
from models.checkpoint import Loaded
from models.device import Device, choose_device, use_repeatable_algorithms
from models.distil import distil
from models.documents import evaluation_snapshot, of_split, read_documents, snapshot_hash
from models.errors import FormError
from models.evaluate import bits_by_document
from models.form_requests import MeasureRequest, ShrinkRequest, read_request
from models.form_store import FormStore, Parent, Runnable, load_runnable, weights_file
from models.form_verdict import FormRun
from models.forms import Form, form_named
from models.lm import LanguageModel
from models.memory import peak_bytes
from models.requests import RESULT, write_result
from models.scores import DocumentScore, write_scores

TURNS, TEXTS = 5, 8
"""How often each of two models is timed, and on how many windows of held-out text each time."""


def run_shrink(request_path: Path) -> None:
    """Make a form, or find the equal one, and answer with its name."""
    request = read_request(request_path, ShrinkRequest)
    form, parent = form_named(request.form, request.forms_file), Parent.read(request.checkpoint)
    store = FormStore(request.forms)
    found = store.find(form.key(parent.weights_sha256), parent.version)
    if found is None:
        model = _made(form, parent.loaded, request)
        origin = {"code_commit": request.code_commit, "run_id": request.run_id}
        found = store.add(form, parent, model, origin)
    write_result(request_path.parent / RESULT, {"form": found})


def _made(form: Form, loaded: Loaded, request: ShrinkRequest) -> LanguageModel:
    if form.method != "distilled":
        return loaded.model
    documents = read_documents(request.documents)
    if snapshot_hash(documents, splits=("train", "validation")) != loaded.training["documents_sha256"]:
        raise FormError(
            f"{request.checkpoint.name} learned from other documents than those that are published now, and what is "
            f"made from it must not learn from more; distil a version trained on these documents"
        )
    device = choose_device(loaded.recipe.precision, threads=request.threads)
    return distil(loaded.model, pack(of_split(documents, "train"), loaded.tokenizer), form, device)


def run_measure(request_path: Path) -> None:
    """Score a form on the held-out documents, on one core in float32, and answer with a `FormRun`."""
    request = read_request(request_path, MeasureRequest)
    torch.set_num_threads(1)
    use_repeatable_algorithms()
    device = Device(torch.device("cpu"), torch.float32, "cpu", 1)
    held = of_split(read_documents(request.documents), "test")
    made = load_runnable(request.made, threads=1)
    packed = pack(held, made.tokenizer)
    bits = bits_by_document(made.forward, packed, context=made.recipe.context, device=device)
    peak = peak_bytes()  # before the whole version is opened, too
    write_scores(
        request.scores,
        [
            DocumentScore("gpt", document.document_id, document.dataset, document.byte_count, float(value))
            for document, value in zip(held, bits, strict=True)
        ],
    )
    speed, whole_speed = _speeds(made, load_runnable(request.whole, threads=1), packed)
    run = FormRun(
        evaluation_snapshot=evaluation_snapshot(held),
        scores=request.scores,
        size_bytes=weights_file(request.made).stat().st_size,
        peak_memory_bytes=peak,
        tokens_per_cpu_second=speed,
        whole_tokens_per_cpu_second=whole_speed,
    )
    write_result(request_path.parent / RESULT, {**asdict(run), "scores": str(run.scores)})


@torch.no_grad()
def _speeds(made: Runnable, whole: Runnable, packed: Packed) -> tuple[float, float]:
    """Tokens read per CPU second, one text at a time, by each in turns: the middle turn's, after one that warms up."""
    context = min(made.recipe.context, whole.recipe.context)
    longest = sorted(packed.documents, key=len, reverse=True)[:TEXTS]
    texts = [torch.from_numpy(np.ascontiguousarray(tokens[None, :context])) for tokens in longest]
    rates: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(TURNS + 1):
        for at, forward in enumerate((made.forward, whole.forward)):
            rates[at].append(_rate(forward, texts))
    return statistics.median(rates[0][1:]), statistics.median(rates[1][1:])


def _rate(forward: Callable[[Tensor], Tensor], texts: list[Tensor]) -> float:
    began = time.process_time()
    for tokens_BT in texts:
        forward(tokens_BT)
    return sum(tokens_BT.numel() for tokens_BT in texts) / max(time.process_time() - began, 1e-9)
