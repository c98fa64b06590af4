"""Where the arithmetic runs: CPU by default, CUDA in bfloat16 when torch sees a card."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from models.config import Precision

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Device:
    """A torch device, the type of its arithmetic, and its name for people."""

    torch_device: torch.device
    dtype: torch.dtype
    name: str
    threads: int

    @property
    def processor(self) -> str:
        """Name of the processor as the kernel tells it; empty where it does not."""
        try:
            lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")

    @property
    def cpu_capability(self) -> str:
        """Widest instructions that torch uses here, e.g. AVX512: they decide in which order numbers are added."""
        return torch.backends.cpu.get_cpu_capability()

    def arithmetic(self) -> AbstractContextManager[object]:
        """Context in which a forward pass runs in this device's type."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.dtype)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def use_repeatable_algorithms() -> None:
    """Have torch refuse what does not give the same bits again.

    `torch.use_deterministic_algorithms` does the same and loads the compiler's settings besides, with all of the
    compiler: some three seconds of processor time in each process, for what nothing here is compiled with.
    """
    torch.set_deterministic_debug_mode("error")


def choose_device(precision: Precision, *, threads: int | None = None) -> Device:
    """Pick the device; on the CPU, fix the threads and use only repeatable algorithms."""
    if torch.cuda.is_available():
        dtype = torch.float32 if precision == "float32" else torch.bfloat16
        here = torch.device("cuda", torch.cuda.current_device())  # other threads have another current card
        return Device(here, dtype, torch.cuda.get_device_name(), 1)
    count = threads or min(cores(), 8)
    torch.set_num_threads(count)
    use_repeatable_algorithms()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return Device(torch.device("cpu"), dtype, "cpu", count)
