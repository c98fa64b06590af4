"""Fine-tuning: labelled texts, a base and a recipe in, a calibrated classifier with its figures out."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.accuracy import Floats, Ids, difference
from models.adapters import add_adapters, merge_adapters
from models.classifier import Classifier, ClassifierModel, Encoded, fitted_temperature
from models.classifier_recipe import FinetuneRecipe
from models.classifier_store import Base, load_base
from models.device import Device, choose_device
from models.errors import NothingLearnedError
from models.hub import hub_record
from models.labelled import LabelledText, label_names, of_split, snapshot
from models.memory import Tuned, require_tuning_fits
from models.ngrams import rarities
from models.progress import Learned, TuningStep
from models.resume import ResumeStore
from models.tuning import KEEP_SECONDS, Tuning, tuning_key

Right = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)


def finetune(
    texts: Sequence[LabelledText],
    base: Path,
    recipe: FinetuneRecipe,
    *,
    threads: int | None = None,
    on_epoch: Callable[[Learned], None] = lambda _: None,
    on_step: Callable[[TuningStep], None] = lambda _: None,
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
    curve = loop.run(on_epoch, on_step, keep_seconds, state)
    if adapted is not None:
        model.encoder = merge_adapters(adapted)
    origin = {"base": start.name, "texts_sha256": snapshot(texts), **hub_record(base)}
    return _calibrated(classifier, loop, curve, origin)


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


def _calibrated(classifier: Classifier, loop: "_Loop", curve: list[Learned], origin: dict[str, Any]) -> Classifier:
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


class _Loop(Tuning[Learned]):
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
        self._classifier, recipe = classifier, classifier.recipe
        self._texts = classifier.encode([each.text for each in learned])
        self._names = [each.text_id for each in learned]
        self.labels_N = np.array([number[each.label] for each in learned])
        self._held = classifier.encode([each.text for each in held])
        self.held_labels = np.array([number[each.label] for each in held])
        self.held_groups = [each.group for each in held]
        self._weights_L = _label_weights(self.labels_N, recipe, device)
        lengths = [len(each.tokens) for each in self._texts]
        super().__init__(classifier.model, _optimizers(classifier.model, recipe), lengths, recipe, device, store)

    def point(self, epoch: int, loss: float, cpu_seconds: float) -> Learned:
        """The epoch's loss, and the accuracy on validation texts."""
        right = float((self.held_logits().argmax(1) == self.held_labels).mean())
        return Learned(epoch, self._recipe.epochs, loss, right, cpu_seconds)

    def name(self, place: int) -> str:
        """The row of a text that is learned."""
        return self._names[place]

    def held_logits(self) -> Floats:
        """Logits NL of the validation texts."""
        return self._classifier.logits(self._held, self.device)

    def loss(self, chosen: Ids) -> Tensor:
        """Cross-entropy of a batch's labels."""
        batch: list[Encoded] = [self._texts[at] for at in chosen]
        true_B = torch.from_numpy(self.labels_N[chosen]).to(self.device.torch_device)
        with self.device.arithmetic():
            logits_BL = self._classifier.model(batch, self.noise)
        smoothing = self._classifier.recipe.label_smoothing
        return functional.cross_entropy(logits_BL, true_B, weight=self._weights_L, label_smoothing=smoothing)


def finetuning_key(texts: Sequence[LabelledText], base: Path, recipe: FinetuneRecipe) -> str:
    """Name of what a fine-tuning gives: texts in their order, the base's files, the recipe, this library's version."""
    rows = ([each.split, each.group, each.label, each.text] for each in texts)
    return tuning_key(rows, base, recipe.canonical_json())


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
