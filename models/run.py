"""One training run while it lasts: model, optimizers and loader, and how they are kept and taken up again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.batches import Loader
from models.config import Recipe
from models.device import Device
from models.errors import NaNLossError
from models.lm import LanguageModel
from models.optimizer import optimizers
from models.progress import Progress
from models.resume import ResumeStore, State
from models.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Before:
    """What was done before this process took the run up: nothing, or the steps of a kept state."""

    step: int = 0
    seconds: float = 0.0
    curve: list[Progress] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)


class Run:
    """A model with its optimizers and its loader."""

    def __init__(
        self,
        model: LanguageModel,
        recipe: Recipe,
        device: Device,
        loader: Loader,
        identity: Mapping[str, str | int],
        store: ResumeStore | None,
    ) -> None:
        self.model, self.recipe, self.device, self.loader = model, recipe, device, loader
        self.optimizers = optimizers(model, recipe)
        self._identity, self._store = dict(identity), store

    def take_up(self, state: State | None) -> Before:
        """Put everything where a state says; a state of another library, device or tokenizer is left aside."""
        if state is None:
            return Before()
        if dict(state.made_by) != self._identity:
            log.warning("starting anew: state of step %d made by %s, not %s", state.step, state.made_by, self._identity)
            return Before()
        self.model.load_state_dict(_below("model", state.tensors))
        for at, each in enumerate(self.optimizers):
            each.load_state_dict({**each.state_dict(), "state": _by_weight(_below(f"optimizer.{at}", state.tensors))})
        self.loader.resume(state.loader)
        noise = _below("noise", state.tensors)
        log.info("resumed step=%d of=%d seconds_before=%.1f", state.step, self.recipe.steps, state.seconds)
        return Before(state.step, state.seconds, state.curve, [noise[str(at)] for at in range(len(noise))])

    def keep(self, step: int, *, curve: list[Progress], noise: list[Tensor], seconds: float) -> None:
        """Keep the run as it stands after a step.

        Raises:
            NaNLossError: a weight is not a finite number, so this state is not worth keeping.
        """
        if self._store is None:
            return
        tensors = {f"model.{name}": weight for name, weight in self.model.state_dict().items()}
        spoilt = [name for name, weight in tensors.items() if not torch.isfinite(weight).all()]
        if spoilt:
            raise NaNLossError(
                f"after step {step} of {self.recipe.steps} these weights are no finite numbers: {', '.join(spoilt)}; "
                f"{self.kept()}, lower the recipe's learning rates"
            )
        for at, each in enumerate(self.optimizers):
            for weight, values in each.state_dict()["state"].items():
                tensors |= {f"optimizer.{at}.{weight}.{name}": value for name, value in values.items()}
        tensors |= {f"noise.{at}": value for at, value in enumerate(noise)}
        state = State(
            step=step,
            tensors=tensors,
            loader=self.loader.state(),
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


def made_by(device: Device, tokenizer: Tokenizer) -> dict[str, str | int]:
    """Return what the sameness of a resumed run rests on."""
    return {
        "torch": torch.__version__,
        "device": device.name,
        "dtype": str(device.dtype),
        "threads": device.threads,
        "tokenizer_sha256": tokenizer.sha256(),
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
