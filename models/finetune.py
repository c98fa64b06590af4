"""Fine-tuning: labelled texts, a base and a recipe in, a calibrated classifier with its figures out."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.accuracy import Floats, Ids, difference
from models.adapters import add_adapters, merge_adapters
from models.classifier import Classifier, ClassifierModel, Encoded, fitted_temperature
from models.classifier_recipe import FinetuneRecipe
from models.classifier_store import Base, load_base
from models.device import Device, choose_device
from models.errors import NaNLossError, NothingLearnedError
from models.labelled import LabelledText, label_names, of_split, snapshot
from models.memory import Tuned, require_tuning_fits
from models.ngrams import rarities

Right = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

_LIKE_LENGTHS = 50
"""Batches that are cut from texts sorted by length together, so that little is padded."""


@dataclass(frozen=True, slots=True)
class Learned:
    """One epoch: mean loss in nats a text, and the accuracy on validation texts."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float
    cpu_seconds: float


def finetune(
    texts: Sequence[LabelledText],
    base: Path,
    recipe: FinetuneRecipe,
    *,
    threads: int | None = None,
    on_epoch: Callable[[Learned], None] = lambda _: None,
) -> Classifier:
    """Learn labels from the texts of split 'train' and the temperature from 'validation'; 'test' is never read.

    Raises:
        LabelsError: there is nothing to learn or to measure.
        CheckpointError: the base cannot be read.
        NaNLossError: the loss or a gradient left the finite numbers.
        TooLargeError: it would need more memory than there is; said before the first step.
        NothingLearnedError: on validation texts it is no better than always naming the commonest label.
    """
    labels = label_names(texts)
    learned, held = of_split(texts, "train"), of_split(texts, "validation")
    device = choose_device("auto", threads=threads)
    torch.manual_seed(recipe.seed)
    start = load_base(base, recipe)
    rare = (
        torch.from_numpy(rarities([each.text for each in learned], recipe.ngram_buckets))
        if recipe.ngram_buckets
        else None
    )
    model = ClassifierModel(start.encoder, len(labels), recipe, rare)
    adapted = add_adapters(model.encoder, rank=recipe.lora_rank) if recipe.method == "lora" else None
    if recipe.method == "head":
        model.encoder.requires_grad_(requires_grad=False)
    model.to(device.torch_device)
    classifier = Classifier(model, start.spelling, labels, recipe, 1.0, start.recipe, start.config)
    log.info("fine-tuning device=%s base=%s method=%s texts=%d", device.name, base, recipe.method, len(learned))
    loop = _Loop(classifier, learned, held, device)
    require_tuning_fits(recipe, _tuned(loop.trainable, start), device)
    curve = [each for each in loop.run(on_epoch)]
    if adapted is not None:
        model.encoder = merge_adapters(adapted)
    return _calibrated(classifier, loop, curve, {"base": start.name, "texts_sha256": snapshot(texts)})


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
        self, classifier: Classifier, learned: list[LabelledText], held: list[LabelledText], device: Device
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
        self._random = np.random.default_rng(self._recipe.seed)
        self._steps_an_epoch = math.ceil(len(self._texts) / self._recipe.batch)

    def run(self, on_epoch: Callable[[Learned], None]) -> Iterator[Learned]:
        """Learn epoch by epoch."""
        epochs, began = self._recipe.epochs, time.process_time()
        for epoch in range(epochs):
            self._classifier.model.train()
            losses = [
                self._step(epoch * self._steps_an_epoch + at, chosen) for at, chosen in enumerate(self._batches())
            ]
            right = float((self.held_logits().argmax(1) == self.held_labels).mean())
            point = Learned(epoch + 1, epochs, float(np.mean(losses)), right, time.process_time() - began)
            on_epoch(point)
            yield point

    def held_logits(self) -> Floats:
        """Logits NL of the validation texts."""
        return self._classifier.logits(self._held, self.device)

    def _batches(self) -> list[Ids]:
        """One epoch's batches: texts in random order, those of like length together, then the batches shuffled."""
        order, size = self._random.permutation(len(self._texts)), self._recipe.batch
        found = []
        for start in range(0, len(order), size * _LIKE_LENGTHS):
            part = sorted(order[start : start + size * _LIKE_LENGTHS], key=lambda at: len(self._texts[at].tokens))
            found += [np.array(part[at : at + size]) for at in range(0, len(part), size)]
        return [found[at] for at in self._random.permutation(len(found))]

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
                f"the loss is {loss.item()} and the gradient's length {length} at step {step + 1}; nothing was "
                "written, lower the recipe's rates"
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
        steps = self._recipe.epochs * self._steps_an_epoch
        rise = max(1.0, self._recipe.warmup_share * steps)
        return min(1.0, (step + 1) / rise) * (1 - step / steps)


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
