"""Fine-tunes a language model, all of it or low-rank adapters, to tell the class of a text, within a CPU budget.

Shapes: B texts, T tokens, C width, L labels, N texts.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.durable import seal, write_json
from models.errors import CheckpointError, NaNLossError, RecipeError
from models.labelled import LabelledText
from models.lora import add_lora

log = logging.getLogger(__name__)

Method = Literal["full", "lora"]
FILES = ("classifier.safetensors", "classifier.json")


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Every choice of a fine-tuning; learning stops at the end of the epochs or of the CPU seconds."""

    method: Method = "full"
    epochs: int = 3
    cpu_seconds: float = 600.0
    batch: int = 32
    longest: int = 128
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-2
    weight_decay: float = 0.01
    rank: int = 8
    alpha: float = 16.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        low = [name for name, value in asdict(self).items() if isinstance(value, int | float) and value < 0]
        zero = [name for name in ("epochs", "batch", "longest", "rank", "cpu_seconds") if not getattr(self, name) > 0]
        if low or zero or self.method not in ("full", "lora"):
            raise RecipeError(f"method is full or lora, and these must be above nought: {', '.join([*low, *zero])}")


class Classifier(nn.Module):
    """A language model without its output layer, the mean of its last states, and a linear layer over it."""

    def __init__(self, backbone: nn.Module, width: int, label_count: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, label_count)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Logits BL; padding counts for nothing."""
        states_BTC = self.backbone(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        weight_BT1 = mask_BT.unsqueeze(2).to(states_BTC.dtype)
        mean_BC = (states_BTC * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1)
        logits_BL: Tensor = self.head(self.norm(mean_BC))
        return logits_BL


@dataclass(frozen=True)
class Base:
    """A language model to start from and its tokenizer."""

    folder: Path
    backbone: nn.Module
    width: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    longest: int


def open_base(folder: Path) -> Base:
    """Open a checkpoint of this library or of transformers; only safetensors are read and no code of the folder runs.

    Raises:
        CheckpointError: transformers does not open it.
    """
    from transformers import AutoModel, AutoTokenizer

    if not folder.is_dir():
        raise CheckpointError(
            f"no checkpoint folder {folder}; name a model version or a folder that transformers reads"
        )
    try:
        backbone = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"transformers does not open {folder}: {error}; name another checkpoint") from error

    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    longest = int(getattr(backbone.config, "max_position_embeddings", 512))
    return Base(folder, backbone, int(backbone.config.hidden_size), encode, longest)


@dataclass(frozen=True)
class Tuned:
    """A classifier, its classes, and what its fine-tuning took."""

    model: Classifier
    base: Base
    tuning: Tuning
    labels: list[str]
    learned_weights: int
    steps: int
    epochs_done: float
    cpu_seconds: float

    @torch.no_grad()
    def log_chances(self, texts: Sequence[str]) -> Tensor:
        """Log probability NL of each class for each text."""
        self.model.eval()
        tokens = _encoded(self.base, texts, self.tuning.longest)
        found = torch.zeros(len(texts), len(self.labels))
        order = sorted(range(len(texts)), key=lambda at: len(tokens[at]))
        for start in range(0, len(order), self.tuning.batch):
            part = order[start : start + self.tuning.batch]
            found[part] = self.model(*_padded([tokens[at] for at in part])).log_softmax(dim=1)
        return found


def fine_tune(
    base: Base,
    texts: Sequence[LabelledText],
    labels: list[str],
    tuning: Tuning,
    *,
    on_step: Callable[[int, int, float], None] = lambda *_: None,
) -> Tuned:
    """Learn the classes of texts.

    Raises:
        NaNLossError: the loss left the finite numbers.
        RecipeError: the model has no layer for adapters.
    """
    torch.manual_seed(tuning.seed)
    if tuning.method == "lora":
        add_lora(base.backbone, rank=tuning.rank, alpha=tuning.alpha, seed=tuning.seed)
    model = Classifier(base.backbone, base.width, len(labels)).train()
    moving = _optimizer(model, tuning)
    tokens = _encoded(base, [each.text for each in texts], tuning.longest)
    targets_N = torch.tensor([labels.index(each.label) for each in texts])
    steps = tuning.epochs * math.ceil(len(texts) / tuning.batch)
    began, done = time.process_time(), 0
    for part in _batches(tokens, tuning):
        spent = max((time.process_time() - began) / tuning.cpu_seconds, done / steps)
        if spent >= 1:
            break
        for group in moving.param_groups:
            group["lr"] = group["initial_lr"] * min(1.0, (done + 1) / 20) * (1 - spent)
        loss = functional.cross_entropy(model(*_padded([tokens[at] for at in part])), targets_N[part])
        if not math.isfinite(loss.item()):
            raise NaNLossError(
                f"the loss is {loss.item()} at step {done + 1}; nothing was kept, lower the learning rates"
            )
        moving.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        moving.step()
        done += 1
        on_step(done, steps, loss.item())
    learned = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    spent_seconds = time.process_time() - began
    log.info("fine-tuned method=%s steps=%d of=%d cpu_seconds=%.1f", tuning.method, done, steps, spent_seconds)
    epochs = done * tuning.batch / len(texts)
    return Tuned(model.eval(), base, tuning, labels, learned, done, epochs, spent_seconds)


def _optimizer(model: Classifier, tuning: Tuning) -> torch.optim.Optimizer:
    head = [*model.head.parameters(), *model.norm.parameters()]
    body = [weight for weight in model.backbone.parameters() if weight.requires_grad]
    groups = [
        {"params": body, "lr": tuning.learning_rate, "weight_decay": tuning.weight_decay},
        {"params": head, "lr": tuning.head_learning_rate, "weight_decay": 0.0},
    ]
    moving = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    for group in moving.param_groups:
        group["initial_lr"] = group["lr"]
    return moving


def _encoded(base: Base, texts: Sequence[str], longest: int) -> list[list[int]]:
    """First tokens of each text; an empty text is one token, so that its mean has something to be of."""
    length = min(longest, base.longest)
    return [(tokens or [0])[:length] for tokens in base.encode(texts)]


def _batches(tokens: Sequence[Sequence[int]], tuning: Tuning) -> Iterator[list[int]]:
    """Places of texts of like length, in an order fixed by the seed."""
    draw = np.random.default_rng(tuning.seed)
    for _ in range(tuning.epochs):
        shuffled = draw.permutation(len(tokens))
        pools = [shuffled[at : at + 32 * tuning.batch] for at in range(0, len(shuffled), 32 * tuning.batch)]
        alike = [sorted(pool.tolist(), key=lambda at: len(tokens[at])) for pool in pools]
        parts = [pool[at : at + tuning.batch] for pool in alike for at in range(0, len(pool), tuning.batch)]
        for at in draw.permutation(len(parts)):
            yield parts[at]


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    width = max(len(each) for each in tokens)
    tokens_BT = torch.zeros(len(tokens), width, dtype=torch.int64)
    mask_BT = torch.zeros(len(tokens), width, dtype=torch.int64)
    for row, each in enumerate(tokens):
        tokens_BT[row, : len(each)] = torch.tensor(each)
        mask_BT[row, : len(each)] = 1
    return tokens_BT, mask_BT


def save_classifier(tuned: Tuned, folder: Path, report: dict[str, Any]) -> None:
    """Write what was learned (adapters and head, or all weights) with its report, into a new folder.

    Raises:
        CheckpointError: the folder is there already.
    """
    from safetensors.torch import save_file

    if folder.exists():
        raise CheckpointError(f"{folder} is there already; name a folder that is not")
    folder.mkdir(parents=True)
    learned = {name: each for name, each in tuned.model.named_parameters() if each.requires_grad}
    save_file({name: each.detach().contiguous() for name, each in learned.items()}, folder / FILES[0])
    values = {"base": str(tuned.base.folder), "labels": tuned.labels, "tuning": asdict(tuned.tuning), "report": report}
    write_json(folder / FILES[1], values)
    seal(folder, FILES)
