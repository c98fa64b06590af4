"""Threads that each learn from their share of a batch on one core: they meet once a step, not at every product.

Shapes: B sequences, T tokens.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch
from torch import Tensor

from models.counted import Counted
from models.device import Device
from models.lm import LanguageModel

# Large enough to run at the machine's full rate, small enough to be over in a tenth of a second.
_PRODUCTS, _SIDE_CPU, _SIDE_CUDA = 10, 512, 8192


class Workers:
    """A few threads of one core each; the sum of their gradients has a fixed order, so runs can be repeated."""

    def __init__(self, device: Device, *, seed: int, counted: Counted | None = None) -> None:
        """Prepare the threads; with `counted` chances, they learn from these instead of the text's own next token."""
        self._device, self._counted = device, counted
        self._count = device.threads if device.torch_device.type == "cpu" else 1
        self._noise = [torch.Generator(device.torch_device).manual_seed(seed + at) for at in range(self._count)]
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
        """Where each thread's random numbers stand."""
        return [each.get_state() for each in self._noise]

    def set_noise(self, states: Sequence[Tensor]) -> None:
        """Take every thread's random numbers up again."""
        for each, state in zip(self._noise, states, strict=True):
            each.set_state(state.cpu())

    def matmul_rate(self) -> float:
        """Operations a second of plain products of matrices in this device's type, all threads at once, now."""
        on_cpu = self._device.torch_device.type == "cpu"
        side = _SIDE_CPU if on_cpu else _SIDE_CUDA
        one = torch.ones(side, side, dtype=self._device.dtype, device=self._device.torch_device)

        def multiply() -> None:
            for _ in range(_PRODUCTS):
                torch.mm(one, one)
            if not on_cpu:
                torch.cuda.synchronize()

        self.all([multiply] * self._count)  # the first products also load the kernels
        began = time.perf_counter()
        self.all([multiply] * self._count)
        return self._count * _PRODUCTS * 2.0 * side**3 / (time.perf_counter() - began)

    def all(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Do all jobs, in any order."""
        for done in [self._pool.submit(job) for job in jobs]:
            done.result()

    def learn(self, model: LanguageModel, inputs_BT: Tensor, targets_BT: Tensor) -> float:
        """Set every weight's gradient to that of the mean loss over the batch; return that loss."""
        count = min(self._count, len(inputs_BT))
        shares = list(zip(inputs_BT.tensor_split(count), targets_BT.tensor_split(count), self._noise, strict=False))
        weights = list(model.parameters())

        def one(share: tuple[Tensor, Tensor, torch.Generator]) -> tuple[float, tuple[Tensor, ...]]:
            with self._device.arithmetic():
                loss = model.loss(*share, self._chances(*share[:2])) * (len(share[0]) / len(inputs_BT))
            return loss.item(), torch.autograd.grad(loss, weights)

        done = list(self._pool.map(one, shares))
        for weight, *parts in zip(weights, *(gradients for _, gradients in done), strict=True):
            weight.grad = parts[0]
            for part in parts[1:]:
                weight.grad += part
        return sum(loss for loss, _ in done)

    def _chances(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor | None:
        if self._counted is None:
            return None
        chances_NV = self._counted.chances(inputs_BT.cpu().numpy(), targets_BT.cpu().numpy())
        return torch.from_numpy(chances_NV).to(self._device.torch_device)


def _take_one_core() -> None:
    torch.set_num_threads(1)
