"""Distillation: a model of fewer layers, started from some of the whole model's and taught to predict as it does.

The student keeps the tables of words and evenly spaced layers, as DistilBERT does (https://arxiv.org/abs/1910.01108,
section 3); its loss mixes the text's own next token with the teacher's chances of all tokens at temperature 1
(https://arxiv.org/abs/1503.02531).
Shapes: B sequences, T tokens, V vocabulary, N tokens of a batch.
"""

import dataclasses
import logging
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.batches import Batch, Packed, batches
from models.config import Recipe
from models.device import Device
from models.errors import NaNLossError
from models.forms import Form
from models.lm import LanguageModel, documents_apart
from models.memory import require_fits
from models.optimizer import optimizers, schedule

log = logging.getLogger(__name__)

_TOLD_EVERY = 50


def student_recipe(recipe: Recipe, form: Form) -> Recipe:
    """Return the recipe of a form's student: fewer layers, at least one, and a short run at lower learning rates."""
    return dataclasses.replace(
        recipe,
        layers=max(1, round(recipe.layers * form.layer_share)),
        steps=form.steps,
        warmup_steps=min(recipe.warmup_steps, form.steps // 10),
        matrix_learning_rate=recipe.matrix_learning_rate * form.rate,
        embedding_learning_rate=recipe.embedding_learning_rate * form.rate,
        dropout=0.0,
    )


def distil(teacher: LanguageModel, packed: Packed, form: Form, device: Device) -> LanguageModel:
    """Teach a smaller model on training documents; equal input on one processor gives equal weights.

    Raises:
        TooLargeError: the student does not fit into memory beside its teacher.
        NaNLossError: the loss left the finite numbers.
    """
    recipe = student_recipe(teacher.recipe, form)
    require_fits(recipe, device, tokens=packed.token_count)
    teacher, student = teacher.to(device.torch_device).eval(), started(teacher, recipe).to(device.torch_device)
    steppers, loader = optimizers(student, recipe), batches(packed, recipe)
    for step in range(1, recipe.steps + 1):
        batch = next(loader)
        with device.arithmetic(), documents_apart(packed.mark, student, teacher):
            loss = _loss(student, teacher, batch, form.teacher_share, device)
        for each in steppers:
            each.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        length = torch.nn.utils.clip_grad_norm_(student.parameters(), recipe.clip_norm).item()
        if not (math.isfinite(loss.item()) and math.isfinite(length)):
            raise NaNLossError(f"the loss is {loss.item()} at step {step} of {recipe.steps}; lower the form's rate")
        share = schedule(step - 1, recipe)
        for group in (group for each in steppers for group in each.param_groups):
            group["lr"] = group["initial_lr"] * share
        for each in steppers:
            each.step()
        if step % _TOLD_EVERY == 0 or step == recipe.steps:
            log.info("distilling step=%d of=%d loss=%.4f", step, recipe.steps, loss.item())
    return student.eval()


def started(teacher: LanguageModel, recipe: Recipe) -> LanguageModel:
    """Return a model of a recipe with fewer layers that starts from the teacher's tables and evenly spaced layers."""
    student = LanguageModel(recipe)
    kept = np.linspace(0, teacher.recipe.layers - 1, num=recipe.layers).round().astype(int)
    learned = teacher.state_dict()
    start = {name: value for name, value in learned.items() if ".layers." not in name}
    for to, at in enumerate(kept):
        before = f"model.layers.{at}."
        start |= {
            f"model.layers.{to}.{name.removeprefix(before)}": value
            for name, value in learned.items()
            if name.startswith(before)
        }
    student.load_state_dict(start)
    return student


def _loss(student: LanguageModel, teacher: LanguageModel, batch: Batch, share: float, device: Device) -> Tensor:
    """Nats per token: the text's own next token, and how far the student's chances lie from the teacher's."""
    inputs_BT = torch.from_numpy(np.ascontiguousarray(batch.inputs_BT)).to(device.torch_device)
    targets_N = torch.from_numpy(np.ascontiguousarray(batch.targets_BT)).to(device.torch_device).flatten()
    with torch.no_grad():
        taught_NV = teacher(inputs_BT).flatten(0, 1).log_softmax(dim=-1)
    told_NV = student(inputs_BT).flatten(0, 1).log_softmax(dim=-1)
    own = functional.nll_loss(told_NV, targets_N)
    apart = functional.kl_div(told_NV, taught_NV, reduction="batchmean", log_target=True)
    return (1 - share) * own + share * apart
