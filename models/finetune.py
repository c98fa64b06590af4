"""Fine-tuning: labelled texts, a base and a recipe in, a calibrated classifier with its figures out."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.accuracy import Floats, Ids, difference
from models.adapters import add_adapters, merge_adapters
from models.checkpoint import library_versions
from models.classifier import Classifier, ClassifierModel, Encoded, fitted_temperature
from models.classifier_recipe import FinetuneRecipe
from models.classifier_store import Base, load_base
from models.config import LIBRARY_VERSION, file_sha256
from models.device import Device, choose_device
from models.errors import NaNLossError, NothingLearnedError
from models.labelled import LabelledText, label_names, of_split, snapshot
from models.memory import Tuned, require_tuning_fits
from models.ngrams import rarities
from models.progress import Learned
from models.resume import ResumeStore, State
from models.run import Kept, made_by
from models.text_batches import TextBatches

Right = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

KEEP_SECONDS = 60.0
"""How often a run's state is kept, so that a kill costs no more."""
KEPT_SHARE = 0.05
"""Share of the time that keeping states may take: those of a large base are kept less often."""


def finetune(
    texts: Sequence[LabelledText],
    base: Path,
    recipe: FinetuneRecipe,
    *,
    threads: int | None = None,
    on_epoch: Callable[[Learned], None] = lambda _: None,
    resume: ResumeStore[Learned] | None = None,
    keep_seconds: float = KEEP_SECONDS,
) -> Classifier:
    """Learn labels from the texts of split 'train' and the temperature from 'validation'; 'test' is never read.

    With `resume`, the run's state is kept about every `keep_seconds` (0: after every step) and after the last step. A
    run that finds one goes on from there: on the CPU to the same weights, bit for bit, with the threads it began with.

    Raises:
        LabelsError: there is nothing to learn or to measure.
        CheckpointError: the base cannot be read.
        NaNLossError: the loss or a gradient left the finite numbers.
        TooLargeError: it would need more memory than there is; said before the first step.
        NothingLearnedError: on validation texts it is no better than always naming the commonest label.
    """
    labels = label_names(texts)
    learned, held = of_split(texts, "train"), of_split(texts, "validation")
    state = resume.newest() if resume else None
    device = choose_device("auto", threads=int(state.made_by["threads"]) if state else threads)
    torch.manual_seed(recipe.seed)
    start = load_base(base, recipe)
    model = _model(start, labels, learned, recipe)
    adapted = add_adapters(model.encoder, rank=recipe.lora_rank) if recipe.method == "lora" else None
    model.to(device.torch_device)
    classifier = Classifier(model, start.spelling, labels, recipe, 1.0, start.recipe, start.config)
    log.info("fine-tuning device=%s base=%s method=%s texts=%d", device.name, base, recipe.method, len(learned))
    loop = _Loop(classifier, learned, held, device, resume)
    require_tuning_fits(recipe, _tuned(loop.trainable, start), device)
    curve = loop.run(on_epoch, keep_seconds, state)
    if adapted is not None:
        model.encoder = merge_adapters(adapted)
    return _calibrated(classifier, loop, curve, {"base": start.name, "texts_sha256": snapshot(texts)})


def _model(
    start: Base, labels: Sequence[str], learned: Sequence[LabelledText], recipe: FinetuneRecipe
) -> ClassifierModel:
    """A head on the base, and beside it a branch that knows how rare features are among the texts to learn from."""
    found = rarities([each.text for each in learned], recipe.ngram_buckets) if recipe.ngram_buckets else None
    model = ClassifierModel(start.encoder, len(labels), recipe, None if found is None else torch.from_numpy(found))
    if recipe.method == "head":
        model.encoder.requires_grad_(requires_grad=False)
    return model


def _tuned(moving: int, start: Base) -> Tuned:
    """Sizes of the model; a base of transformers that tells no width of its MLPs is taken for one of four widths."""
    width = start.encoder.width
    assert isinstance(width, int)
    if start.recipe is not None:
        return Tuned(moving=moving, layers=start.recipe.layers, width=width, mlp_width=start.recipe.mlp_width)
    layers, wide = start.config.get("num_hidden_layers"), start.config.get("intermediate_size")
    return Tuned(moving=moving, layers=int(layers or 1), width=width, mlp_width=int(wide or 4 * width))


def _calibrated(classifier: Classifier, loop: "_Loop", curve: list[Learned], origin: dict[str, str]) -> Classifier:
    logits_NL, true_N = loop.held_logits(), loop.held_labels
    _require_learned(classifier, logits_NL.argmax(1) == true_N, loop)
    training = {
        **origin,
        "device": loop.device.name,
        "threads": loop.device.threads,
        "train_texts": len(loop.labels_N),
        "validation_texts": len(true_N),
        "label_counts": dict(zip(classifier.labels, np.bincount(loop.labels_N).tolist(), strict=True)),
        "trainable_parameters": loop.trainable,
        "resumed_at_step": loop.resumed_at,
        "curve": [asdict(each) for each in curve],
    }
    fitted = fitted_temperature(logits_NL, true_N)
    return Classifier(
        classifier.model.requires_grad_(requires_grad=True).eval(), classifier.spelling, classifier.labels,
        classifier.recipe, fitted, classifier.base_recipe, classifier.base_config, training,
    )  # fmt: skip


def _require_learned(classifier: Classifier, right_N: Right, loop: "_Loop") -> None:
    """Raise NothingLearnedError unless it is surely better than the commonest label, by groups of texts."""
    commonest = int(np.bincount(loop.labels_N).argmax())
    gain = difference(right_N, loop.held_labels == commonest, loop.held_groups)
    if not gain.low > 0:
        raise NothingLearnedError(
            f"on {len(right_N)} validation texts the classifier is right in {right_N.mean():.1%}, and always saying "
            f"{classifier.labels[commonest]!r} in {np.mean(loop.held_labels == commonest):.1%} (gain {gain}): "
            "nothing was learned and nothing written; see whether labels belong to their texts, or train longer"
        )


class _Loop:
    """The steps of one run."""

    def __init__(
        self,
        classifier: Classifier,
        learned: list[LabelledText],
        held: list[LabelledText],
        device: Device,
        store: ResumeStore[Learned] | None,
    ) -> None:
        number = {label: at for at, label in enumerate(classifier.labels)}
        self._classifier, self._recipe, self.device = classifier, classifier.recipe, device
        self._texts = classifier.encode([each.text for each in learned])
        self.labels_N = np.array([number[each.label] for each in learned])
        self._held = classifier.encode([each.text for each in held])
        self.held_labels = np.array([number[each.label] for each in held])
        self.held_groups = [each.group for each in held]
        self._optimizers = _optimizers(classifier.model, self._recipe)
        self._rates = [[group["lr"] for group in each.param_groups] for each in self._optimizers]
        self._moving = [each for each in classifier.model.parameters() if each.requires_grad]
        self.trainable = sum(each.numel() for each in self._moving)
        self._weights_L = _label_weights(self.labels_N, self._recipe, device)
        self._noise = torch.Generator(device.torch_device).manual_seed(self._recipe.seed)
        lengths = [len(each.tokens) for each in self._texts]
        self._batches = TextBatches(lengths, batch=self._recipe.batch, seed=self._recipe.seed)
        self._steps_an_epoch = self._batches.batches_a_pass
        self._steps = self._recipe.epochs * self._steps_an_epoch
        self._loss_sum, self.resumed_at = 0.0, 0
        identity = made_by(device, **library_versions(), peft=metadata.version("peft"))
        self._kept = Kept(classifier.model, self._optimizers, self, identity, store, steps=self._steps)

    def state(self) -> dict[str, Any]:
        """Where the run stands in its texts, as JSON values."""
        return {"texts": self._batches.state(), "loss_sum": self._loss_sum}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self._batches.resume(state["texts"])
        self._loss_sum = float(state["loss_sum"])

    def run(
        self, on_epoch: Callable[[Learned], None], keep_seconds: float, state: State[Learned] | None
    ) -> list[Learned]:
        """Learn the steps that a state has not; return the curve of all epochs."""
        before = self._kept.take_up(state)
        self.resumed_at = before.step
        if before.noise:
            self._set_noise(before.noise)
        curve, began = list(before.curve), time.process_time() - before.seconds
        rhythm = _Rhythm(keep_seconds)
        self._classifier.model.train()
        for step in range(before.step, self._steps):
            self._loss_sum += self._step(step, next(self._batches))
            if (step + 1) % self._steps_an_epoch == 0:
                curve.append(self._learned(len(curve) + 1, time.process_time() - began))
                on_epoch(curve[-1])
            if rhythm.due() or step + 1 == self._steps:
                started, seconds = time.monotonic(), time.process_time() - began
                self._kept.keep(step + 1, curve=curve, noise=self._noises(), seconds=seconds)
                rhythm.kept_since(started)
        return curve

    def _learned(self, epoch: int, cpu_seconds: float) -> Learned:
        """The point of the epoch that is over; the next one's losses are summed from nought."""
        loss, self._loss_sum = self._loss_sum / self._steps_an_epoch, 0.0
        right = float((self.held_logits().argmax(1) == self.held_labels).mean())
        return Learned(epoch, self._recipe.epochs, loss, right, cpu_seconds)

    def _noises(self) -> list[Tensor]:
        """Where all random numbers stand: our own dropout's, and torch's, which transformers' bases draw from."""
        on_card = [torch.cuda.get_rng_state()] if self.device.torch_device.type == "cuda" else []
        return [self._noise.get_state(), torch.get_rng_state(), *on_card]

    def _set_noise(self, noise: Sequence[Tensor]) -> None:
        self._noise.set_state(noise[0].cpu())
        torch.set_rng_state(noise[1].cpu())
        if self.device.torch_device.type == "cuda":
            torch.cuda.set_rng_state(noise[2].cpu())

    def held_logits(self) -> Floats:
        """Logits NL of the validation texts."""
        return self._classifier.logits(self._held, self.device)

    def _step(self, step: int, chosen: Ids) -> float:
        batch: list[Encoded] = [self._texts[at] for at in chosen]
        true_B = torch.from_numpy(self.labels_N[chosen]).to(self.device.torch_device)
        with self.device.arithmetic():
            logits_BL = self._classifier.model(batch, self._noise)
        loss = functional.cross_entropy(
            logits_BL, true_B, weight=self._weights_L, label_smoothing=self._recipe.label_smoothing
        )
        for each in self._optimizers:
            each.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        dense = [each for each in self._moving if each.grad is not None and not each.grad.is_sparse]
        length = nn.utils.clip_grad_norm_(dense, self._recipe.clip_norm).item()
        if not (math.isfinite(loss.item()) and math.isfinite(length)):
            raise NaNLossError(
                f"the loss is {loss.item()} and the gradient's length {length} at step {step + 1} of {self._steps}; "
                f"{self._kept.kept()}, lower the recipe's rates"
            )
        share = self._share(step)
        for each, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(each.param_groups, rates, strict=True):
                group["lr"] = rate * share
            # Said, for of its own choice torch warns.
            with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
                each.step()
        return loss.item()

    def _share(self, step: int) -> float:
        """Share of the full rate at a step from 0: a linear rise, then a linear fall to nought."""
        rise = max(1.0, self._recipe.warmup_share * self._steps)
        return min(1.0, (step + 1) / rise) * (1 - step / self._steps)


class _Rhythm:
    """When to keep a run's state."""

    def __init__(self, every_seconds: float) -> None:
        self._every, self._pause, self._last = every_seconds, every_seconds, time.monotonic()

    def due(self) -> bool:
        """Say whether it is time."""
        return time.monotonic() - self._last >= self._pause

    def kept_since(self, began: float) -> None:
        """Wait from now on, the longer the longer the keeping took that began then."""
        self._last = time.monotonic()
        self._pause = max(self._every, (self._last - began) / KEPT_SHARE) if self._every else 0.0


def finetuning_key(texts: Sequence[LabelledText], base: Path, recipe: FinetuneRecipe) -> str:
    """Name of what a fine-tuning gives: texts in their order, the base's files, the recipe, this library's version.

    A base that is no folder has no files; fine-tuning will say so.
    """
    there = base.iterdir() if base.is_dir() else ()
    files = sorted(path for path in there if path.suffix in (".json", ".safetensors"))
    digest = hashlib.sha256()
    for each in texts:
        digest.update(json.dumps([each.split, each.group, each.label, each.text]).encode() + b"\n")
    parts = [digest.hexdigest(), [[path.name, file_sha256(path)] for path in files]]
    return hashlib.sha256(json.dumps([*parts, recipe.canonical_json(), LIBRARY_VERSION]).encode()).hexdigest()


def _label_weights(labels_N: Ids, recipe: FinetuneRecipe, device: Device) -> Tensor | None:
    if not recipe.balanced:
        return None
    counts_L = np.bincount(labels_N)
    return torch.from_numpy(len(labels_N) / (len(counts_L) * counts_L)).float().to(device.torch_device)


def _optimizers(model: ClassifierModel, recipe: FinetuneRecipe) -> list[torch.optim.Optimizer]:
    """AdamW for base and head, each at its rate; Adagrad for the table of features, whose gradients are sparse."""
    base = [each for each in model.encoder.parameters() if each.requires_grad]
    groups = [{"params": list(model.head.parameters()), "lr": recipe.head_rate}]
    if base:
        groups.append({"params": base, "lr": recipe.base_rate})
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)]
    if model.ngrams is not None:
        made.append(torch.optim.Adagrad(model.ngrams.table.parameters(), lr=recipe.ngram_rate))
    return made
