"""Instruction tuning: rows, a base and a recipe in, a model that answers out; only responses are learned."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from models.accuracy import Floats, Ids
from models.adapters import add_adapters, merge_adapters
from models.checkpoint import installed_packages, library_versions
from models.device import Device, choose_device
from models.errors import LabelsError, NothingLearnedError
from models.hub import hub_record
from models.instruct_recipe import InstructRecipe
from models.instruct_store import Causal, load_causal
from models.instructed import Example, by_token, compared, encoded, response_losses, token_losses, written
from models.instructions import Instruction, parts, require_splits, rows_of, rows_sha256
from models.memory import Tuned, require_tuning_fits
from models.progress import Taught, TuningStep
from models.resume import ResumeStore
from models.tuned_requests import TunedFigure
from models.tuning import KEEP_SECONDS, Tuning, tuning_key

log = logging.getLogger(__name__)


def instruct(
    rows: Sequence[Instruction],
    base: Path,
    recipe: InstructRecipe,
    *,
    threads: int | None = None,
    on_epoch: Callable[[Taught], None] = lambda _: None,
    on_step: Callable[[TuningStep], None] = lambda _: None,
    resume: ResumeStore[Taught] | None = None,
    keep_seconds: float = KEEP_SECONDS,
) -> tuple[Causal, dict[str, Any]]:
    """Learn responses from the rows of split 'train'; return the model, and the record of how it was made.

    With `resume` a killed run goes on: on the CPU to the same weights, bit for bit, with the threads it began with.
    Rows of 'validation' say whether anything was learned; 'test' is never read.

    Raises:
        LabelsError: a split is empty, a question stands in several, or rows are longer than the context.
        CheckpointError: the base cannot be read.
        RecipeError: the context is longer than the base has positions for.
        NaNLossError: the loss or a gradient left the finite numbers.
        TooLargeError: it would need more memory than there is; said before the first step.
        NothingLearnedError: on validation rows responses are not surely likelier than to the base.
    """
    require_splits(rows)
    state = resume.newest() if resume else None
    device = choose_device("auto", threads=int(state.made_by["threads"]) if state else threads)
    torch.manual_seed(recipe.seed)
    causal = load_causal(base, context=recipe.context)
    held = encoded(rows_of(rows, "validation"), causal.chat, recipe.context)
    before_N = response_losses(causal, held, device)
    adapted = _adapted(causal, recipe)
    loop = _Loop(causal, rows, held, recipe, device, resume)
    log.info("instructing device=%s base=%s method=%s rows=%d", device.name, base, recipe.method, len(rows))
    require_tuning_fits(recipe, _tuned(causal, loop.trainable), device)
    curve = loop.run(on_epoch, on_step, keep_seconds, state)
    model = causal.model if adapted is None else merge_adapters(adapted)
    causal = dataclasses.replace(causal, model=model.requires_grad_(requires_grad=True).eval())
    _require_learned(response_losses(causal, held, device), before_N, loop, rows_of(rows, "validation"))
    return causal, _record(rows, base, recipe, loop, curve)


def _adapted(causal: Causal, recipe: InstructRecipe) -> Any:  # noqa: ANN401  peft's
    if recipe.method == "full":
        causal.model.requires_grad_(requires_grad=True)
        return None
    return add_adapters(causal.model, rank=recipe.lora_rank, but=cast(Any, causal.model).get_output_embeddings())


class _Loop(Tuning[Taught]):
    """The steps of one run."""

    def __init__(
        self,
        causal: Causal,
        rows: Sequence[Instruction],
        held: list[Example],
        recipe: InstructRecipe,
        device: Device,
        store: ResumeStore[Taught] | None,
    ) -> None:
        self._causal, self.held = causal, held
        self.learned = encoded(rows_of(rows, "train"), causal.chat, recipe.context)
        self._names = [each.row_id for each in rows_of(rows, "train")]
        encoded(rows_of(rows, "test"), causal.chat, recipe.context)  # said before the work, not after it
        causal.model.to(device.torch_device)
        moving = [each for each in causal.model.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(moving, lr=recipe.base_rate, weight_decay=recipe.weight_decay)
        super().__init__(causal.model, [optimizer], [len(each.tokens) for each in self.learned], recipe, device, store)

    def loss(self, chosen: Ids) -> Tensor:
        """Mean loss of the batch by token of its responses."""
        batch = [self.learned[at] for at in chosen]
        total: Tensor = token_losses(self._causal, batch, self.device).sum()
        mean: Tensor = total / sum(each.count for each in batch)
        return mean

    def name(self, place: int) -> str:
        """The number of a row that is learned."""
        return self._names[place]

    def point(self, epoch: int, loss: float, cpu_seconds: float) -> Taught:
        """The epoch's loss, and that on validation rows."""
        held = float(response_losses(self._causal, self.held, self.device).sum()) / sum(
            each.count for each in self.held
        )
        return Taught(epoch, self._recipe.epochs, loss, held, cpu_seconds)


def _tuned(causal: Causal, moving: int) -> Tuned:
    config = causal.config
    width = int(config.hidden_size)
    wide = int(getattr(config, "intermediate_size", None) or 4 * width)
    layers, words = int(config.num_hidden_layers), int(config.vocab_size)
    return Tuned(moving=moving, layers=layers, width=width, mlp_width=wide, vocabulary=words)


def _require_learned(after_N: Floats, before_N: Floats, loop: _Loop, rows: Sequence[Instruction]) -> None:
    """Raise NothingLearnedError unless responses are surely likelier than to the base, by groups of rows."""
    gain = by_token(before_N - after_N, loop.held, [each.group for each in rows])
    if not gain.low > 0:
        raise NothingLearnedError(
            f"on {len(rows)} validation rows a token of a response takes {gain} nats less than by the base: nothing "
            "was learned and nothing written; train longer, on more rows, or at another rate"
        )


def _record(
    rows: Sequence[Instruction], base: Path, recipe: InstructRecipe, loop: _Loop, curve: list[Taught]
) -> dict[str, Any]:
    return {
        "base": base.name,
        **hub_record(base),
        "recipe": asdict(recipe),
        "rows_sha256": rows_sha256(rows),
        "train_rows": len(loop.learned),
        "train_tokens": int(np.sum([each.count for each in loop.learned])),
        "validation_rows": len(loop.held),
        "trainable_parameters": loop.trainable,
        "device": loop.device.name,
        "threads": loop.device.threads,
        "resumed_at_step": loop.resumed_at,
        "curve": [asdict(each) for each in curve],
        "versions": library_versions(),
        "packages": installed_packages(),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def instructing_key(rows: Sequence[Instruction], base: Path, recipe: InstructRecipe) -> str:
    """Name of what a tuning gives: rows in their order, the base's files, the recipe, this library's version."""
    return tuning_key(map(parts, rows), base, recipe.canonical_json())


def evaluate_instructed(
    causal: Causal, base: Path, rows: Sequence[Instruction], *, context: int, threads: int | None = None
) -> list[TunedFigure]:
    """Measure responses of rows, by the model and by its base; both read the same tokens.

    Raises:
        LabelsError: there is no row, or rows are longer than the context.
        CheckpointError: the base cannot be read.
    """
    if not rows:
        raise LabelsError("there is no row to measure on; name a split or a file that has some")
    device = choose_device("auto", threads=threads)
    examples = encoded(rows, causal.chat, context)
    tuned_N, base_N = (response_losses(each, examples, device) for each in (causal, load_causal(base)))
    return compared(tuned_N, base_N, examples, rows)


def answer(causal: Causal, asked: str, *, most: int, threads: int | None = None) -> str:
    """Return the likeliest response, token by token, of at most `most` tokens."""
    return written(causal, asked, most=most, device=choose_device("auto", threads=threads))[0]
