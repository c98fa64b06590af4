"""A run of training or fine-tuning while it lasts: model, optimizers and loader, kept and taken up together."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

import torch
from torch import Tensor, nn

from models.ahead import Ahead
from models.config import Recipe
from models.device import Device
from models.errors import NaNLossError
from models.lm import LanguageModel
from models.optimizer import optimizers
from models.progress import Progress
from models.resume import Point, ResumeStore, State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Before(Generic[Point]):
    """What was done before this process took the run up: nothing, or the steps of a kept state."""

    step: int = 0
    seconds: float = 0.0
    curve: list[Point] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)


class Place(Protocol):
    """Where a run stands in what it learns from."""

    def state(self) -> dict[str, Any]:
        """Where it stands, as JSON values."""

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken."""


class Kept(Generic[Point]):
    """Weights that move, their optimizers and the place in the data, kept together and taken up together.

    Weights that stay as they were are not kept: what they come from is part of the run's key.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        place: Place,
        identity: Mapping[str, str | int],
        store: ResumeStore[Point] | None,
        *,
        steps: int,
    ) -> None:
        self._whole, self.optimizers, self._place = model, list(optimizers), place
        self._identity, self._store, self._steps = dict(identity), store, steps

    def take_up(self, state: State[Point] | None) -> Before[Point]:
        """Put everything where a state says; a state of another library, device or tokenizer is left aside."""
        if state is None:
            return Before()
        if dict(state.made_by) != self._identity:
            log.warning("starting anew: state of step %d made by %s, not %s", state.step, state.made_by, self._identity)
            return Before()
        weights = _below("model", state.tensors)
        assert weights.keys() == self._moving().keys()
        self._whole.load_state_dict(weights, strict=False)
        for at, each in enumerate(self.optimizers):
            each.load_state_dict({**each.state_dict(), "state": _by_weight(_below(f"optimizer.{at}", state.tensors))})
        self._place.resume(state.loader)
        noise = _below("noise", state.tensors)
        log.info("resumed step=%d of=%d seconds_before=%.1f", state.step, self._steps, state.seconds)
        return Before(state.step, state.seconds, state.curve, [noise[str(at)] for at in range(len(noise))])

    def keep(self, step: int, *, curve: list[Point], noise: list[Tensor], seconds: float) -> None:
        """Keep the run as it stands after a step.

        Raises:
            NaNLossError: a weight is not a finite number, so this state is not worth keeping.
        """
        if self._store is None:
            return
        tensors = {f"model.{name}": weight.detach() for name, weight in self._moving().items()}
        spoilt = [name for name, weight in tensors.items() if not torch.isfinite(weight).all()]
        if spoilt:
            raise NaNLossError(
                f"after step {step} of {self._steps} these weights are no finite numbers: {', '.join(spoilt)}; "
                f"{self.kept()}, lower the recipe's learning rates"
            )
        for at, each in enumerate(self.optimizers):
            for weight, values in each.state_dict()["state"].items():
                tensors |= {f"optimizer.{at}.{weight}.{name}": value for name, value in values.items()}
        tensors |= {f"noise.{at}": value for at, value in enumerate(noise)}
        state = State(
            step=step,
            tensors=tensors,
            loader=self._place.state(),
            curve=curve,
            seconds=seconds,
            made_by=self._identity,
        )
        self._store.save(state)

    def kept(self) -> str:
        """Say what stays of the run when it stops now."""
        step = self._store.newest_step() if self._store else 0
        if self._store is None or not step:
            return "nothing was kept"
        return f"the last good state, of step {step}, stays in {self._store.folder}"

    def _moving(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self._whole.named_parameters() if weight.requires_grad}


class Run(Kept[Progress]):
    """A language model with its optimizers and its loader."""

    def __init__(
        self,
        model: LanguageModel,
        recipe: Recipe,
        device: Device,
        loader: Ahead,
        identity: Mapping[str, str | int],
        store: ResumeStore[Progress] | None,
    ) -> None:
        self.model, self.recipe, self.device, self.loader = model, recipe, device, loader
        super().__init__(model, optimizers(model, recipe), loader, identity, store, steps=recipe.steps)


def made_by(device: Device, **others: str) -> dict[str, str | int]:
    """Return what the sameness of a resumed run rests on: torch, device, arithmetic, threads, and what else is told."""
    return {
        "torch": torch.__version__,
        "device": device.name,
        "dtype": str(device.dtype),
        "threads": device.threads,
        **others,
    }


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _by_weight(values: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for path, value in values.items():
        weight, _, name = path.partition(".")
        found.setdefault(int(weight), {})[name] = value
    return found
