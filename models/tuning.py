"""The loop that all fine-tuning runs: a seeded order, a linear schedule, and states by which a killed run goes on."""

import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, Protocol

import torch
from torch import Tensor, nn

from models.accuracy import Ids
from models.checkpoint import library_versions
from models.config import LIBRARY_VERSION, file_sha256
from models.device import Device
from models.errors import NaNLossError
from models.progress import TuningStep
from models.resume import Point, ResumeStore, State
from models.run import Kept, made_by
from models.text_batches import TextBatches

KEEP_SECONDS = 60.0
"""How often a run's state is kept, so that a kill costs no more."""
KEPT_SHARE = 0.05
"""Share of the time that keeping states may take: those of a large base are kept less often."""
TOLD_SECONDS = 10.0
"""How often a step is told of, as of training."""
_NAMES_SHOWN = 8


class Steps(Protocol):
    """What of a recipe decides the steps."""

    @property
    def batch(self) -> int:
        """Texts a step."""

    @property
    def epochs(self) -> int:
        """Passes over all texts."""

    @property
    def warmup_share(self) -> float:
        """Share of the steps in which the rate rises."""

    @property
    def clip_norm(self) -> float:
        """Longest gradient."""

    @property
    def seed(self) -> int:
        """Of the order and of dropout."""


class Tuning(ABC, Generic[Point]):
    """The steps of one run over texts of these lengths; what is learned of a batch, and shown of an epoch, is given."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        lengths: Sequence[int],
        recipe: Steps,
        device: Device,
        store: ResumeStore[Point] | None,
    ) -> None:
        self._model, self._recipe, self.device = model, recipe, device
        self._optimizers = list(optimizers)
        self._rates = [[group["lr"] for group in each.param_groups] for each in self._optimizers]
        self._moving = [each for each in model.parameters() if each.requires_grad]
        self.trainable = sum(each.numel() for each in self._moving)
        self.noise = torch.Generator(device.torch_device).manual_seed(recipe.seed)
        self._lengths, self._batches = lengths, TextBatches(lengths, batch=recipe.batch, seed=recipe.seed)
        self._steps_an_epoch = self._batches.batches_a_pass
        self._steps = recipe.epochs * self._steps_an_epoch
        self._loss_sum, self.resumed_at = 0.0, 0
        identity = made_by(device, **library_versions(), peft=metadata.version("peft"))
        self._kept = Kept(model, self._optimizers, self, identity, store, steps=self._steps)

    @abstractmethod
    def loss(self, chosen: Ids) -> Tensor:
        """Loss of a batch, by the places of its texts."""

    @abstractmethod
    def name(self, place: int) -> str:
        """What the text at a place is called: the number of its row, for the text itself may be about a person."""

    @abstractmethod
    def point(self, epoch: int, loss: float, cpu_seconds: float) -> Point:
        """What is shown of an epoch that is over, with its mean loss."""

    def state(self) -> dict[str, Any]:
        """Where the run stands in its texts, as JSON values."""
        return {"texts": self._batches.state(), "loss_sum": self._loss_sum}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self._batches.resume(state["texts"])
        self._loss_sum = float(state["loss_sum"])

    def run(
        self,
        on_epoch: Callable[[Point], None],
        on_step: Callable[[TuningStep], None],
        keep_seconds: float,
        state: State[Point] | None,
    ) -> list[Point]:
        """Learn the steps that a state has not; return the curve of all epochs. Of steps one in ten seconds is told."""
        before = self._kept.take_up(state)
        self.resumed_at = before.step
        if before.noise:
            self._set_noise(before.noise)
        curve, began = list(before.curve), time.process_time() - before.seconds
        rhythm, told = _Rhythm(keep_seconds), _Told(on_step, self._steps)
        self._model.train()
        for step in range(before.step, self._steps):
            chosen = next(self._batches)
            loss = self._step(step, chosen)
            self._loss_sum += loss
            told.hear(step + 1, loss, texts=len(chosen), tokens=sum(self._lengths[at] for at in chosen))
            if (step + 1) % self._steps_an_epoch == 0:
                curve.append(self._learned(len(curve) + 1, time.process_time() - began))
                on_epoch(curve[-1])
            if rhythm.due() or step + 1 == self._steps:
                started, seconds = time.monotonic(), time.process_time() - began
                self._kept.keep(step + 1, curve=curve, noise=self._noises(), seconds=seconds)
                rhythm.kept_since(started)
        return curve

    def _learned(self, epoch: int, cpu_seconds: float) -> Point:
        """The point of the epoch that is over; the next one's losses are summed from nought."""
        loss, self._loss_sum = self._loss_sum / self._steps_an_epoch, 0.0
        return self.point(epoch, loss, cpu_seconds)

    def _noises(self) -> list[Tensor]:
        """Where all random numbers stand: our own dropout's, and torch's, which transformers' bases draw from."""
        on_card = [torch.cuda.get_rng_state()] if self.device.torch_device.type == "cuda" else []
        return [self.noise.get_state(), torch.get_rng_state(), *on_card]

    def _set_noise(self, noise: Sequence[Tensor]) -> None:
        self.noise.set_state(noise[0].cpu())
        torch.set_rng_state(noise[1].cpu())
        if self.device.torch_device.type == "cuda":
            torch.cuda.set_rng_state(noise[2].cpu())

    def _step(self, step: int, chosen: Ids) -> float:
        loss = self.loss(chosen)
        for each in self._optimizers:
            each.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        dense = [each for each in self._moving if each.grad is not None and not each.grad.is_sparse]
        length = nn.utils.clip_grad_norm_(dense, self._recipe.clip_norm).item()
        if not (math.isfinite(loss.item()) and math.isfinite(length)):
            raise self._lost(step, chosen, loss.item(), length)
        share = self._share(step)
        for each, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(each.param_groups, rates, strict=True):
                group["lr"] = rate * share
            # Said, for of its own choice torch warns.
            with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
                each.step()
        return loss.item()

    def _lost(self, step: int, chosen: Ids, loss: float, length: float) -> NaNLossError:
        names = ", ".join(self.name(int(at)) for at in chosen[:_NAMES_SHOWN])
        more = f" and {len(chosen) - _NAMES_SHOWN} more" if len(chosen) > _NAMES_SHOWN else ""
        return NaNLossError(
            f"the loss is {loss} and the gradient's length {length} at step {step + 1} of {self._steps} (epoch "
            f"{step // self._steps_an_epoch + 1}, rows {names}{more}); {self._kept.kept()}, lower the recipe's rates "
            "or look at these rows"
        )

    def _share(self, step: int) -> float:
        """Share of the full rate at a step from 0: a linear rise, then a linear fall to nought."""
        rise = max(1.0, self._recipe.warmup_share * self._steps)
        return min(1.0, (step + 1) / rise) * (1 - step / self._steps)


class _Told:
    """Tells of a run's steps, one in ten seconds."""

    def __init__(self, on_step: Callable[[TuningStep], None], steps: int) -> None:
        self._on_step, self._steps = on_step, steps
        self._began = self._last = time.monotonic()
        self._done = self._texts = self._tokens = 0
        self._losses = list[float]()

    def hear(self, step: int, loss: float, *, texts: int, tokens: int) -> None:
        """Count a step, and tell of it if it is time."""
        self._done, self._texts, self._tokens = self._done + 1, self._texts + texts, self._tokens + tokens
        self._losses.append(loss)
        now = time.monotonic()
        if now - self._last < TOLD_SECONDS:
            return
        seconds = now - self._began
        self._on_step(
            TuningStep(
                step=step,
                steps=self._steps,
                loss=sum(self._losses) / len(self._losses),
                texts_per_second=self._texts / seconds,
                tokens_per_second=self._tokens / seconds,
                seconds_left=(self._steps - step) * seconds / self._done,
            )
        )
        self._last, self._losses = now, []


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


def tuning_key(rows: Iterable[Sequence[str]], base: Path, recipe: str) -> str:
    """Name of what a tuning gives: rows in their order, the base's files, the recipe, this library's version.

    A base that is no folder has no files; tuning will say so.
    """
    there = base.iterdir() if base.is_dir() else ()
    files = sorted(path for path in there if path.suffix in (".json", ".safetensors"))
    digest = hashlib.sha256()
    for each in rows:
        digest.update(json.dumps(list(each)).encode() + b"\n")
    parts = [digest.hexdigest(), [[path.name, file_sha256(path)] for path in files]]
    return hashlib.sha256(json.dumps([*parts, recipe, LIBRARY_VERSION]).encode()).hexdigest()
