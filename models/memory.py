"""Whether a recipe fits into memory, worked out before training, and the nearest one that does."""

import dataclasses
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from models.config import Recipe
from models.device import Device
from models.errors import TooLargeError

FLOAT, WIDE = 4, 8
PROCESS = 800 * 2**20
"""Interpreter, torch and its kernels: resident size with a model of nothing; 735 MiB were measured."""
MARGIN = 0.9
"""Share of free memory that a run may plan with; the rest is for what grows meanwhile."""
_HEAD_ROWS = 256
_IN_BYTES = sys.platform == "darwin"


def needed_bytes(recipe: Recipe, device: Device, *, tokens: int) -> int:
    """Return about how many bytes training holds at its peak: an upper estimate, by what is kept for the backward pass.

    `tokens` are the training tokens that stay in memory.
    """
    width, wide = recipe.width, recipe.mlp_width
    matrices = recipe.layers * (4 * width * width + 3 * width * wide)
    tables = 2 * recipe.vocabulary_size * width
    on_cpu = device.torch_device.type == "cpu"
    workers = min(device.threads, recipe.batch) if on_cpu else 1
    # Weights, one gradient a thread, and the optimizer: a momentum and five temporaries of Muon, two moments of Adam.
    held = matrices * (1 + workers + 6) + tables * (1 + workers + 3)
    # Per token and layer: 11 rows of the model's width and 4 of the MLP's are kept for the backward pass, and the
    # allocator holds about a quarter more: 282 MiB were measured where the rows alone make 200.
    kept = recipe.tokens_per_step * recipe.layers * (17 * width + 5 * wide)
    if on_cpu:
        head = workers * (_HEAD_ROWS * recipe.vocabulary_size + recipe.tokens_per_step * width)
        return PROCESS + FLOAT * (held + kept + head) + 2 * WIDE * tokens
    head = 3 * recipe.tokens_per_step * recipe.vocabulary_size
    return FLOAT * (held + head) + (FLOAT * kept) // (2 if device.dtype is torch.bfloat16 else 1)


def free_bytes(device: Device) -> int:
    """Return memory that may still be taken: the card's, or the machine's within the limit of this process's group."""
    if device.torch_device.type == "cuda":
        return int(torch.cuda.mem_get_info(device.torch_device)[0])
    free = [int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    return min([*free, *_group_limits()], default=2**63)


def peak_bytes() -> int:
    """Return the largest resident size this process had, in bytes.

    Where the kernel tells it of the program itself: getrusage also counts the process that started it, before exec.
    """
    told = [int(line.split()[1]) * 1024 for line in _lines("/proc/self/status") if line.startswith("VmHWM:")]
    return told[0] if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if _IN_BYTES else 1024)


def require_fits(recipe: Recipe, device: Device, *, tokens: int, free: int | None = None) -> None:
    """Raise TooLargeError, with the nearest recipe that fits, when training would need more memory than there is."""
    there = int((free_bytes(device) if free is None else free) * MARGIN)
    need = needed_bytes(recipe, device, tokens=tokens)
    if need <= there:
        return
    said = f"training needs about {_size(need)} and {_size(there)} may be used"
    for smaller, how in _smaller(recipe):
        if needed_bytes(smaller, device, tokens=tokens) <= there:
            raise TooLargeError(f"{said}; the nearest recipe that fits has {how} and all else the same")
    raise TooLargeError(f"{said}; no smaller batch, context or number of layers of this width fits, so halve the width")


def _smaller(recipe: Recipe) -> Iterator[tuple[Recipe, str]]:
    """Smaller recipes, those first that change least what is learned."""
    for batch in range(recipe.batch - 1, 0, -1):
        yield dataclasses.replace(recipe, batch=batch), f"batch={batch}"
    context = recipe.context // 2
    while context >= 16:
        yield dataclasses.replace(recipe, batch=1, context=context), f"batch=1, context={context}"
        context //= 2
    short = min(recipe.context, 16)
    for layers in range(recipe.layers - 1, 0, -1):
        small = dataclasses.replace(recipe, batch=1, context=short, layers=layers)
        yield small, f"batch=1, context={short}, layers={layers}"


def _group_limits() -> list[int]:
    """What the control group leaves, https://docs.kernel.org/admin-guide/cgroup-v2.html; nothing where it sets none.

    Pages of files that were read long ago count as used there, though the kernel gives them back when asked.
    """
    root = Path("/sys/fs/cgroup")
    limit, used = _lines(root / "memory.max"), _lines(root / "memory.current")
    if not limit or not used or not limit[0].strip().isdigit():
        return []
    cached = [int(line.split()[1]) for line in _lines(root / "memory.stat") if line.startswith("inactive_file ")]
    return [max(0, int(limit[0]) - int(used[0]) + sum(cached))]


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
