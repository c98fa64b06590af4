"""Training: documents and a recipe in, a model with its tokenizer and its curve out."""

import logging
import math
import time
from collections.abc import Callable, Sequence

import torch

from models.ahead import Ahead, Ready
from models.batches import Batch, Packed, Tokens, batches, fixed_windows
from models.checkpoint import Trained
from models.compiled import why_not_compiled
from models.config import Recipe
from models.counted import Counted
from models.device import Device, choose_device
from models.documents import Document
from models.errors import NaNLossError, RecipeError
from models.lm import LanguageModel, documents_apart
from models.memory import require_fits
from models.optimizer import schedule
from models.prepared import Prepared, prepare
from models.progress import Progress
from models.resume import ResumeStore
from models.run import Before, Run, made_by
from models.team import BY_ONESELF, Seat, Team
from models.tokenizer import Tokenizer
from models.trials import Trial, TrialResult
from models.trials_before import before_training
from models.workers import Workers

log = logging.getLogger(__name__)

_NAMES_SHOWN = 5


def train(
    documents: list[Document],
    recipe: Recipe,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    threads: int | None = None,
    resume: ResumeStore[Progress] | None = None,
    trials: Sequence[Trial] = (),
    seat: Seat = BY_ONESELF,
    prepared: Prepared | None = None,
) -> Trained:
    """Learn a tokenizer and a model from the documents of split 'train'; split 'test' is never read.

    With `resume`, the run's state is kept each time validation is measured, and a run that finds one goes on from
    there: on the CPU to the same weights, bit for bit. Processes that train together meet once all is ready for the
    first step; each gives the same weights, and the one at the `seat` that leads asks for memory, takes the trials,
    keeps the states, measures validation and tells how it goes. Without `prepared` tokenizer and tokens are made here,
    in memory.

    Raises:
        NoDocumentsError: there is too little training text.
        RecipeError: the vocabulary is larger than the text.
        TooLargeError: the recipe does not fit into memory.
        TrialError: one of `trials` that stops training fails.
        NaNLossError: the loss or a gradient left the finite numbers.
        NoRoomError: the disk is full.
    """
    state = resume.newest(tidy=seat.leads) if resume else None
    device = choose_device(recipe.precision, threads=int(state.made_by["threads"]) if state else threads)
    started = time.monotonic()
    prepared = prepared or prepare(documents, recipe.vocabulary_size)
    packed, tokenizer = prepared.train, prepared.tokenizer
    _require_vocabulary(recipe, packed, tokenizer)
    in_memory = packed.token_count if recipe.counted_order or not prepared.mapped else 0
    if seat.leads or device.torch_device.type == "cuda":  # a card is each one's own, the machine's memory is shared
        require_fits(recipe, device, tokens=in_memory, processes=seat.size)
    taken = before_training(trials, recipe, device, packed, documents) if trials else []
    with seat.meet() as team:
        run = _started(recipe, device, packed, tokenizer, resume if team.leads else None, team)
        before = run.take_up(state)
        for point in before.curve:  # who hears of this run now may not have heard of these
            on_progress(point)
        with documents_apart(tokenizer.end_of_text, run.model):
            curve = _Loop(run, packed, prepared.validation, on_progress, team).run(before, started=started)
    return _trained(run, tokenizer, packed, before, curve, taken, time.monotonic() - started, team)


def _require_vocabulary(recipe: Recipe, packed: Packed, tokenizer: Tokenizer) -> None:
    """Raise RecipeError when more tokens are to be known than the text has bytes to find them in."""
    there = round(packed.token_count * packed.bytes_per_token)
    if packed.token_count > recipe.context and recipe.vocabulary_size > there:  # too little for a window is said there
        raise RecipeError(
            f"vocabulary_size={recipe.vocabulary_size:,} is more than the {there:,} bytes of all training documents, "
            f"in which {tokenizer.size:,} different tokens were found; lower it to that, or load more documents"
        )


def _trained(
    run: Run,
    tokenizer: Tokenizer,
    packed: Packed,
    before: Before[Progress],
    curve: list[Progress],
    taken: list[TrialResult],
    seconds: float,
    team: Team,
) -> Trained:
    return Trained(
        model=run.model.eval(),
        tokenizer=tokenizer,
        device=run.device,
        train_tokens=run.recipe.steps * run.recipe.tokens_per_step,
        train_seconds=before.seconds + seconds,
        curve=curve,
        distinct_tokens=packed.token_count,
        bytes_per_token=packed.bytes_per_token,
        resumed_at=before.step,
        trials=taken,
        processes=team.size,
        not_compiled=why_not_compiled(run.recipe, run.device),
    )


def _started(
    recipe: Recipe,
    device: Device,
    packed: Packed,
    tokenizer: Tokenizer,
    store: ResumeStore[Progress] | None,
    team: Team,
) -> Run:
    """A model as its seed draws it, with its optimizers and its loader."""
    model = LanguageModel(recipe).to(device.torch_device)
    log.info(
        "training device=%s dtype=%s threads=%d processes=%d seed=%d parameters=%d tokens=%d",
        device.name, device.dtype, device.threads, team.size, recipe.seed, model.parameter_count(), packed.token_count,
    )  # fmt: skip
    reason = why_not_compiled(recipe, device)
    log.info("not compiled: %s", reason) if reason else log.info("compiled by torch.compile")
    identity = made_by(device, tokenizer_sha256=tokenizer.sha256(), **_shared(team))
    loader = Ahead(batches(packed, recipe), device.torch_device)
    return Run(model, recipe, device, loader, identity, store)


def _shared(team: Team) -> dict[str, str]:
    return {"processes": str(team.size)} if team.size > 1 else {}


class _Loop:
    """The steps of one run."""

    def __init__(
        self,
        run: Run,
        packed: Packed,
        validation: Packed,
        on_progress: Callable[[Progress], None],
        team: Team,
    ) -> None:
        self._work, self._on_progress, self._team = run, on_progress, team
        self._model, self._recipe, self._device = run.model, run.recipe, run.device
        self._counted = _counted(packed, run.recipe)
        self._full_rates = [[group["initial_lr"] for group in each.param_groups] for each in run.optimizers]
        self._held = fixed_windows(validation, context=run.recipe.context, count=run.recipe.validation_windows)
        self._bits_per_byte = 1.0 / (math.log(2) * packed.bytes_per_token)
        self._held_bits_per_byte = 1.0 / (math.log(2) * validation.bytes_per_token) if self._held is not None else 0.0

    def run(self, before: Before[Progress], *, started: float) -> list[Progress]:
        """The steps after `before`; the whole run's curve has the first, every recorded and the last step."""
        workers = Workers(self._model, self._device, counted=self._counted, team=self._team)
        with self._work.loader, workers:
            if before.noise:
                workers.set_noise(before.noise)
            return self._run(before, workers, started)

    def _run(self, before: Before[Progress], workers: Workers, started: float) -> list[Progress]:
        recipe, curve = self._recipe, list(before.curve)
        rate = workers.matmul_rate()
        clock = _Clock()
        for step in range(before.step + 1, recipe.steps + 1):
            loss = self._step(step, next(self._work.loader), workers)
            last = step == recipe.steps
            measured = last or step % recipe.validate_every == 0
            if step == 1 or step % recipe.record_every == 0 or last:
                speed = clock.steps_per_second(step - before.step)
                tokens_per_second = speed * recipe.tokens_per_step
                progress = Progress(
                    step=step,
                    steps=recipe.steps,
                    train_bits_per_byte=loss * self._bits_per_byte,
                    validation_bits_per_byte=self._validate(clock) if measured else None,
                    tokens_per_second=tokens_per_second,
                    seconds_left=(recipe.steps - step) / speed,
                    utilisation=tokens_per_second * self._model.operations_per_token() / rate,
                )
                curve.append(progress)
                self._on_progress(progress)
            if measured and not last:
                with clock.paused():
                    seconds = before.seconds + time.monotonic() - started
                    self._work.keep(step, curve=curve, noise=workers.noise(), seconds=seconds)
        return curve

    def _step(self, step: int, ready: Ready, workers: Workers) -> float:
        value = workers.learn(ready.inputs_BT, ready.targets_BT)
        # Asked before anything moves: weights spoilt by this batch would blame the next one.
        length = torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip_norm).item()
        if not (math.isfinite(value) and math.isfinite(length)):
            raise self._lost(step, ready.batch, value, length)
        share = schedule(step - 1, self._recipe)
        for each, rates in zip(self._work.optimizers, self._full_rates, strict=True):
            for group, rate in zip(each.param_groups, rates, strict=True):
                group["lr"] = rate * share
        workers.all([each.step for each in self._work.optimizers])
        return value

    def _lost(self, step: int, batch: Batch, loss: float, gradient: float) -> NaNLossError:
        names = batch.document_names()
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return NaNLossError(
            f"the loss is {loss} and the gradient's length {gradient} at step {step} of {self._recipe.steps} (epoch "
            f"{batch.epoch}, first tokens {batch.inputs_BT[0, :8].tolist()}, documents "
            f"{', '.join(names[:_NAMES_SHOWN])}{more}); {self._work.kept()}, lower the recipe's learning rates or look "
            "at these documents"
        )

    def _validate(self, clock: "_Clock") -> float | None:
        if self._held is None or not self._team.leads:
            return None
        with clock.paused():
            self._model.eval()
            value = mean_loss(self._model, self._held, device=self._device, batch=self._recipe.batch)
            self._model.train()
        return value * self._held_bits_per_byte


def _counted(packed: Packed, recipe: Recipe) -> Counted | None:
    if not recipe.counted_order:
        return None
    counted = Counted.count(packed, order=recipe.counted_order, vocabulary_size=recipe.vocabulary_size)
    log.info("counted order=%d numbers=%d", recipe.counted_order, counted.number_count)
    return counted


class _Clock:
    """Time spent in steps, validation left out."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def steps_per_second(self, step: int) -> float:
        return step / max(time.monotonic() - self._started, 1e-9)

    def paused(self) -> "_Pause":
        return _Pause(self)

    def skip(self, seconds: float) -> None:
        self._started += seconds


class _Pause:
    """Shifts the clock by the time spent inside."""

    def __init__(self, clock: _Clock) -> None:
        self._clock, self._entered = clock, 0.0

    def __enter__(self) -> None:
        self._entered = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._clock.skip(time.monotonic() - self._entered)


@torch.no_grad()
def mean_loss(model: LanguageModel, windows_BT: Tokens, *, device: Device, batch: int) -> float:
    """Mean negative log likelihood in nats per token over windows of context + 1 tokens."""
    total = 0.0
    for start in range(0, len(windows_BT), batch):
        part = torch.from_numpy(windows_BT[start : start + batch]).to(device.torch_device)
        with device.arithmetic():
            total += model.loss(part[:, :-1], part[:, 1:]).item() * len(part)
    return total / len(windows_BT)
