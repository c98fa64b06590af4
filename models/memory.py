"""Whether a recipe fits into memory, worked out before training, and the nearest one that does."""

import bisect
import dataclasses
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.classifier_recipe import FinetuneRecipe
from models.config import Recipe
from models.device import Device
from models.errors import TooLargeError
from models.instruct_recipe import InstructRecipe

FLOAT, WIDE = 4, 8
PROCESS = 800 * 2**20
"""Interpreter, torch and its kernels: resident size with a model of nothing; 735 MiB were measured."""
MARGIN = 0.9
"""Share of free memory that a run may plan with; the rest is for what grows meanwhile."""
TEXTS_AT_ONCE = 64
"""Texts that a classifier reads at once when it does not learn."""
STEP, ADAPTED = 128 * 2**20, 1.75
"""What the first step of a fine-tuning loads, and what adapters keep of a layer more than the layer does."""
_HEAD_ROWS = 256
_IN_BYTES = sys.platform == "darwin"


def needed_bytes(recipe: Recipe, device: Device, *, tokens: int, processes: int = 1) -> int:
    """Return about how many bytes training holds at its peak: an upper estimate, by what is kept for the backward pass.

    `tokens` are the training tokens that stay in memory. Several `processes` share the machine's memory, so there it is
    what all of them hold; each has a card of its own, so on cards it is what one holds.
    """
    width, wide = recipe.width, recipe.mlp_width
    matrices = recipe.layers * (4 * width * width + 3 * width * wide)
    tables = 2 * recipe.vocabulary_size * width
    on_cpu = device.torch_device.type == "cpu"
    workers = min(device.threads, recipe.batch) if on_cpu and processes == 1 else 1
    sequences = -(-recipe.batch // processes)
    passes = min(recipe.accumulate, -(-sequences // workers))
    at_once = recipe.context * workers * -(-sequences // (workers * passes))
    # A second one holds what earlier passes, or other processes, gave.
    gradients = workers * (2 if passes > 1 or processes > 1 else 1)
    # Weights, one gradient a thread, and the optimizer: a momentum and five temporaries of Muon, two moments of Adam.
    held = matrices * (1 + gradients + 6) + tables * (1 + gradients + 3)
    # Per token and layer: 11 rows of the model's width and 4 of the MLP's are kept for the backward pass, and the
    # allocator holds about a quarter more: 282 MiB were measured where the rows alone make 200.
    kept = at_once * recipe.layers * (17 * width + 5 * wide)
    if on_cpu:
        head = workers * (_HEAD_ROWS * recipe.vocabulary_size + at_once * width)
        each = PROCESS + FLOAT * (held + kept + head) + 2 * WIDE * tokens + _counting_bytes(recipe, tokens)
        return processes * each
    head = 3 * at_once * recipe.vocabulary_size
    return FLOAT * (held + head) + (FLOAT * kept) // (2 if device.dtype is torch.bfloat16 else 1)


def _counting_bytes(recipe: Recipe, tokens: int) -> int:
    """N-grams of every order, each with a key and a count, what sorting the longest takes, and chances of a batch."""
    if not recipe.counted_order:
        return 0
    tables = tokens * ((WIDE + FLOAT) * recipe.counted_order + 6 * WIDE)
    return tables + 3 * FLOAT * recipe.tokens_per_step * recipe.vocabulary_size


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


def require_fits(recipe: Recipe, device: Device, *, tokens: int, free: int | None = None, processes: int = 1) -> None:
    """Raise TooLargeError, with the nearest recipe that fits, when training would need more memory than there is."""
    there = int((free_bytes(device) if free is None else free) * MARGIN)
    need = needed_bytes(recipe, device, tokens=tokens, processes=processes)
    if need <= there:
        return
    said = f"training needs about {_size(need)} and {_size(there)} may be used"

    def fits(smaller: Recipe) -> bool:
        return needed_bytes(smaller, device, tokens=tokens, processes=processes) <= there

    for smaller, how in _smaller(recipe, fits):
        if fits(smaller):
            raise TooLargeError(f"{said}; the nearest recipe that fits has {how} and all else the same")
    raise TooLargeError(f"{said}; no smaller batch, context or number of layers of this width fits, so halve the width")


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Sizes of a model that is fine-tuned: weights that move, layers, and the widths of their states and MLPs."""

    moving: int
    layers: int
    width: int
    mlp_width: int
    vocabulary: int = 0
    """Chances a token, where the next one is learned; a classifier's are few."""


def tuning_bytes(recipe: FinetuneRecipe | InstructRecipe, tuned: Tuned, device: Device) -> int:
    """Return about how many bytes fine-tuning takes beside the model itself, which is loaded: an upper estimate.

    A gradient and two moments for each weight that moves; 20 rows of the width and 6 of the MLP's a token and layer;
    half of one layer's where the base does not move, or where validation texts are read. docs/model-notes.md has
    measurements.
    """
    row = 20 * tuned.width + 6 * tuned.mlp_width
    layers = {"full": tuned.layers, "lora": ADAPTED * tuned.layers, "head": 0.5}[recipe.method]
    kept = int(row * recipe.context * max(recipe.batch * layers, TEXTS_AT_ONCE / 2))
    # Logits, their logarithms and their gradient.
    chances = 3 * tuned.vocabulary * recipe.context * recipe.batch
    return STEP + FLOAT * (3 * tuned.moving + chances + kept // (2 if device.dtype is torch.bfloat16 else 1))


def require_tuning_fits(
    recipe: FinetuneRecipe | InstructRecipe, tuned: Tuned, device: Device, *, free: int | None = None
) -> None:
    """Raise TooLargeError, with what to change, when fine-tuning would need more memory than there is."""
    there = int((free_bytes(device) if free is None else free) * MARGIN)
    need = tuning_bytes(recipe, tuned, device)
    if need <= there:
        return
    said = f"fine-tuning needs about {_size(need)} beside the model and {_size(there)} may be used"
    batch = _largest(
        lambda batch: tuning_bytes(dataclasses.replace(recipe, batch=batch), tuned, device) <= there, recipe.batch - 1
    )
    contexts = [recipe.context >> by for by in range(1, recipe.context.bit_length()) if recipe.context >> by >= 16]
    tried = [(dataclasses.replace(recipe, batch=batch), f"batch={batch}")] if batch else []
    tried += [(dataclasses.replace(recipe, batch=1, context=each), f"batch=1, context={each}") for each in contexts]
    for smaller, how in tried:
        if tuning_bytes(smaller, tuned, device) <= there:
            raise TooLargeError(f"{said}; the nearest recipe that fits has {how} and all else the same")
    lighter = {"full": "lora" if tuned.vocabulary else "head", "lora": "" if tuned.vocabulary else "head"}
    named = lighter.get(recipe.method)
    advice = f"take the method {named}, or a smaller base" if named else "take a smaller base"
    raise TooLargeError(f"{said}; no smaller batch or context of this base fits, so {advice}")


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest count from 1 to `most` that fits, where a larger one never needs less; 0 when none does."""
    return bisect.bisect_left(range(1, most + 1), True, key=lambda count: not fits(count))  # noqa: FBT003  what it seeks


def _smaller(recipe: Recipe, fits: Callable[[Recipe], bool]) -> Iterator[tuple[Recipe, str]]:
    """Smaller recipes, those first that change least what is learned: the same batch in more passes changes nothing.

    Of passes the fewest that fit, of batches the largest: one by one, a batch of a hundred million would take hours.
    """
    least = recipe.accumulate + 1
    spare = _largest(
        lambda fewer: fits(dataclasses.replace(recipe, accumulate=recipe.batch + 1 - fewer)), recipe.batch + 1 - least
    )
    if spare:
        passes = recipe.batch + 1 - spare
        same = f"batch={recipe.batch}, accumulate={passes} (the same batch in more passes: what is learned stays)"
        yield dataclasses.replace(recipe, accumulate=passes), same
    # One pass holds fewer gradients, as many passes as sequences the least of a batch.
    whole = _largest(lambda batch: fits(_of(recipe, batch=batch, accumulate=1)[0]), recipe.batch - 1)
    parts = _largest(lambda batch: fits(_of(recipe, batch=batch, accumulate=batch)[0]), recipe.batch - 1)
    if batch := max(whole, parts):
        yield _of(recipe, batch=batch, accumulate=1 if whole >= parts else batch)
    context = recipe.context // 2
    while context >= 16:
        yield _of(recipe, batch=1, accumulate=1, context=context)
        context //= 2
    short = min(recipe.context, 16)
    for layers in range(recipe.layers - 1, 0, -1):
        yield _of(recipe, batch=1, accumulate=1, context=short, layers=layers)


def _of(recipe: Recipe, **sizes: int) -> tuple[Recipe, str]:
    values: dict[str, Any] = dict(sizes)
    return dataclasses.replace(recipe, **values), ", ".join(f"{name}={size}" for name, size in sizes.items())


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
