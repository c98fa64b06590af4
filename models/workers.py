"""Threads that each learn from their share of a batch on one core: they meet once a step, not at every product.

Where several processes train together, each has one thread here and its share of the batch, and gradients meet between
processes. In both cases a share may be learned in several passes, so that only one of them must fit into memory.

Shapes: B sequences, T tokens.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType

import torch
from torch import Tensor

from models.compiled import loss_of
from models.counted import Counted
from models.device import Device
from models.lm import LanguageModel
from models.team import ALONE, Team

# Large enough to run at the machine's full rate, small enough to be over in a tenth of a second.
_PRODUCTS, _SIDE_CPU, _SIDE_CUDA = 10, 512, 8192


class Workers:
    """A few threads of one core each; the sum of their gradients has a fixed order, so runs can be repeated."""

    def __init__(
        self, model: LanguageModel, device: Device, *, counted: Counted | None = None, team: Team = ALONE
    ) -> None:
        """Prepare the threads; with `counted` chances, they learn from these instead of the text's own next token."""
        self._model, self._device, self._counted, self._team = model, device, counted, team
        self._count = device.threads if device.torch_device.type == "cpu" and team.size == 1 else 1
        first = model.recipe.seed + team.rank * self._count
        self._noise = [torch.Generator(device.torch_device).manual_seed(first + at) for at in range(self._count)]
        self._loss = team.together(loss_of(model, device))
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="worker", initializer=_take_one_core)

    def __enter__(self) -> "Workers":
        torch.set_num_threads(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._device.threads)

    def noise(self) -> list[Tensor]:
        """Where each thread's random numbers stand, in every process; all processes must ask."""
        return self._team.all_of([each.get_state() for each in self._noise])

    def set_noise(self, states: Sequence[Tensor]) -> None:
        """Take every thread's random numbers up again."""
        for each, state in zip(self._noise, self._team.mine_of(states), strict=True):
            each.set_state(state.cpu())

    def matmul_rate(self) -> float:
        """Operations a second of plain products of matrices in this device's type, all threads at once, now.

        Of several processes each measures its own, and counts as one of as many.
        """
        on_cpu = self._device.torch_device.type == "cpu"
        side = _SIDE_CPU if on_cpu else _SIDE_CUDA
        one = torch.ones(side, side, dtype=self._device.dtype, device=self._device.torch_device)

        def multiply() -> None:
            for _ in range(_PRODUCTS):
                torch.mm(one, one)
            if not on_cpu:
                torch.cuda.synchronize(self._device.torch_device)

        self.all([multiply] * self._count)  # the first products also load the kernels
        began = time.perf_counter()
        self.all([multiply] * self._count)
        return self._team.size * self._count * _PRODUCTS * 2.0 * side**3 / (time.perf_counter() - began)

    def all(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Do all jobs, in any order."""
        for done in [self._pool.submit(job) for job in jobs]:
            done.result()

    def learn(self, inputs_BT: Tensor, targets_BT: Tensor) -> float:
        """Set every weight's gradient to that of the mean loss over the batch; return that loss."""
        if self._team.size > 1:
            return self._learn_together(inputs_BT, targets_BT)
        count = min(self._count, len(inputs_BT))
        shares = list(zip(inputs_BT.tensor_split(count), targets_BT.tensor_split(count), self._noise, strict=False))
        weights = list(self._model.parameters())

        def one(share: tuple[Tensor, Tensor, torch.Generator]) -> tuple[float, list[Tensor]]:
            total = 0.0
            sums: list[Tensor] = []
            for loss in self._passes(*share, of=len(inputs_BT)):
                gradients = torch.autograd.grad(loss, weights)
                total += loss.item()
                sums = _added(sums, gradients)
            return total, sums

        done = list(self._pool.map(one, shares))
        for weight, *parts in zip(weights, *(gradients for _, gradients in done), strict=True):
            weight.grad = parts[0]
            for part in parts[1:]:
                weight.grad += part
        return sum(loss for loss, _ in done)

    def _learn_together(self, inputs_BT: Tensor, targets_BT: Tensor) -> float:
        """Learn from this process's share; the last pass's gradients are averaged with those of the others."""
        self._model.zero_grad(set_to_none=True)
        mine = self._team.mine(inputs_BT), self._team.mine(targets_BT)
        passes, total = self._pass_count(len(mine[0])), 0.0
        losses = self._passes(*mine, self._noise[0], of=len(inputs_BT))
        for at in range(passes):
            with nullcontext() if at == passes - 1 else self._team.not_yet(self._loss):
                loss = next(losses)
                (loss * self._team.size).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            total += loss.item()
        return self._team.sum(total)

    def _pass_count(self, rows: int) -> int:
        return min(self._model.recipe.accumulate, rows)

    def _passes(self, inputs_BT: Tensor, targets_BT: Tensor, noise: torch.Generator, *, of: int) -> Iterator[Tensor]:
        """The losses of a share's parts, one after the other, each weighed by its share of the `of` sequences."""
        passes = self._pass_count(len(inputs_BT))
        for inputs, targets in zip(inputs_BT.tensor_split(passes), targets_BT.tensor_split(passes), strict=True):
            with self._device.arithmetic():
                loss: Tensor = self._loss(inputs, targets, noise, self._chances(inputs, targets))
            yield loss * (len(inputs) / of)

    def _chances(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor | None:
        if self._counted is None:
            return None
        chances_NV = self._counted.chances(inputs_BT.cpu().numpy(), targets_BT.cpu().numpy())
        return torch.from_numpy(chances_NV).to(self._device.torch_device)


def _added(sums: list[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    if not sums:
        return list(gradients)
    for total, gradient in zip(sums, gradients, strict=True):
        total += gradient
    return sums


def _take_one_core() -> None:
    torch.set_num_threads(1)
