"""The next batch is made ready while the step before it is taken, so that no step waits for the loader."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.batches import Batch, Loader, Tokens


@dataclass(frozen=True)
class Ready:
    """A batch, and its inputs and targets where the model is."""

    batch: Batch
    inputs_BT: Tensor
    targets_BT: Tensor


class Ahead:
    """A loader's batches in its order, one made ready ahead by a thread of its own."""

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self._loader, self._device = loader, device
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._coming: Future[tuple[Ready, dict[str, Any]]] | None = None
        self._state = loader.state()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __next__(self) -> Ready:
        ready, self._state = (self._coming or self._pool.submit(self._make)).result()
        self._coming = self._pool.submit(self._make)
        return ready

    def _make(self) -> tuple[Ready, dict[str, Any]]:
        batch = next(self._loader)
        return Ready(batch, self._moved(batch.inputs_BT), self._moved(batch.targets_BT)), self._loader.state()

    def _moved(self, tokens_BT: Tokens) -> Tensor:
        there = torch.from_numpy(np.ascontiguousarray(tokens_BT))
        if self._device.type == "cpu":
            return there
        return there.pin_memory().to(self._device, non_blocking=True)

    def state(self) -> dict[str, Any]:
        """Where the order stands after the batch that was given last, as JSON values."""
        return self._state

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on exactly after the batch at which `state` was taken; before the first batch is asked for."""
        assert self._coming is None
        self._loader.resume(state)
        self._state = dict(state)
