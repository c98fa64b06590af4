"""What is asked of a recipe and its documents before the first step: cheap, and a failure means the run is pointless.

Shapes: B sequences, T tokens.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from models.batches import Packed, fixed_windows
from models.config import Recipe
from models.device import Device
from models.documents import Document
from models.errors import TrialError
from models.leakage import near_duplicates
from models.lm import LanguageModel
from models.optimizer import optimizers
from models.trials import Measured, Trial, TrialResult, results
from models.triggers import strongest_trigger

SEQUENCES, STEPS = 2, 40
_SHOWN = 5


def before_training(
    trials: Sequence[Trial], recipe: Recipe, device: Device, packed: Packed, documents: Sequence[Document]
) -> list[TrialResult]:
    """Take the tests that come before training.

    Raises:
        TrialError: one that stops training fails.
    """
    torch.set_num_threads(1)  # products this small gain nothing from threads that meet at each of them
    try:
        measured = _of_one_batch(recipe, device, packed)
    finally:
        torch.set_num_threads(device.threads)
    measured["near_duplicate_share"] = _near_duplicate_share(documents)
    if any(each.measure == "trigger_shift" for each in trials):
        measured["trigger_shift"] = _trigger_shift(documents)
    taken = results(trials, {each.name: measured[each.measure] for each in trials if each.measure in measured})
    failed = [each for each in taken if not each.passed and each.stops == "training"]
    if failed:
        told = "; ".join(
            f"{each.trial} is {each.value:.4g}, {each.comparison.replace('_', ' ')} {each.threshold:g} {each.detail}"
            for each in failed
        )
        raise TrialError(
            f"before training: {told}; correct the recipe or the model, or the thresholds with their owner"
        )
    return taken


def _of_one_batch(recipe: Recipe, device: Device, packed: Packed) -> dict[str, Measured]:
    """Learn one small batch again and again, in a model of its own."""
    windows_BT = fixed_windows(packed, context=recipe.context, count=SEQUENCES)
    assert windows_BT is not None, "the loader has asked for a window before"
    tokens_BT = torch.from_numpy(windows_BT).to(device.torch_device)
    model = LanguageModel(recipe).to(device.torch_device)
    moving = optimizers(model, recipe)
    losses, silent = [], list[str]()
    for step in range(STEPS):
        loss = _learn(model, tokens_BT, device)
        losses.append(loss)
        if step == STEPS // 2:  # the output layer and the layers' last matrices start at nought and must move first
            silent = [name for name, weight in model.named_parameters() if not _flows(weight.grad)]
        for each in moving:
            each.step()
    first, last = losses[0], losses[-1]
    return {
        "first_loss_gap": Measured(abs(first / math.log(recipe.vocabulary_size) - 1), f"first loss {first:.4f}"),
        "one_batch_loss_share": Measured(last / first, f"from {first:.4f} to {last:.4f} in {STEPS} steps"),
        "weights_without_gradient": Measured(len(silent), ", ".join(silent[:_SHOWN])),
    }


def _learn(model: LanguageModel, tokens_BT: Tensor, device: Device) -> float:
    model.zero_grad(set_to_none=True)
    with device.arithmetic():
        loss = model.loss(tokens_BT[:, :-1], tokens_BT[:, 1:])
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    torch.nn.utils.clip_grad_norm_(model.parameters(), model.recipe.clip_norm)
    return loss.item()


def _flows(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(torch.isfinite(gradient).all()) and bool(gradient.any())


def _near_duplicate_share(documents: Sequence[Document]) -> Measured:
    held = sum(1 for each in documents if each.split != "train" and each.text)
    found = near_duplicates(documents)
    detail = ", ".join(f"{each.held} says {each.learned} ({each.share:.0%})" for each in found[:_SHOWN])
    return Measured(len(found) / held if held else 0.0, detail)


def _trigger_shift(documents: Sequence[Document]) -> Measured:
    found = strongest_trigger(documents)
    if found is None:
        return Measured(0.0, "no word is shared by enough training documents")
    some = ", ".join(found.document_ids[:_SHOWN])
    return Measured(found.shift, f"{ascii(found.word)[1:-1]} in {len(found.document_ids)} documents, such as {some}")
