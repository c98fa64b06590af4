"""One recorded step of training, or step or epoch of fine-tuning, as it is shown, stored and sent between processes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a run stands; bits per byte on the step's batch and, now and then, on validation documents.

    Of a recipe that learns from counted chances, the batch's are the cross-entropy against those.
    """

    step: int
    steps: int
    train_bits_per_byte: float
    validation_bits_per_byte: float | None
    tokens_per_second: float
    seconds_left: float
    utilisation: float | None = None
    """Share of the machine's measured rate of products of matrices that went into the model's own (MFU)."""

    def __str__(self) -> str:
        held = self.validation_bits_per_byte
        measured = "" if held is None else f", validation {held:.3f}"
        used = "" if self.utilisation is None else f", {self.utilisation:.0%} of the matmul rate"
        return (
            f"step {self.step}/{self.steps}: train {self.train_bits_per_byte:.3f}{measured} bits per byte, "
            f"{self.tokens_per_second:,.0f} tokens/s{used}, {self.seconds_left:.0f} s left"
        )


@dataclass(slots=True)
class Paced:
    """Tells of a training in lines, at most one in so many seconds; the first point and the last are always told."""

    tell: Callable[[str], None]
    every_s: float = 10.0
    _told: float | None = None

    def __call__(self, point: Progress) -> None:
        """Hear of a point, and tell of it if it is time."""
        now = time.monotonic()
        if self._told is None or now - self._told >= self.every_s or point.step == point.steps:
            self._told = now
            self.tell(str(point))


@dataclass(frozen=True, slots=True)
class TuningStep:
    """Where a fine-tuning stands: mean loss of the steps since the last line, rates and time left from the whole run.

    Rates count what the run did besides its steps, too: validation after an epoch, and keeping its states.
    """

    step: int
    steps: int
    loss: float
    texts_per_second: float
    tokens_per_second: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"step {self.step:,} of {self.steps:,}: loss {self.loss:.4f}, {self.texts_per_second:,.1f} texts/s, "
            f"{self.tokens_per_second:,.0f} tokens/s, {self.seconds_left:,.0f} s left"
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """One epoch: mean loss in nats a text, and the accuracy on validation texts."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float
    cpu_seconds: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch} of {self.epochs}: loss {self.loss:.4f}, right on validation texts "
            f"{self.validation_accuracy:.1%}, {self.cpu_seconds:.0f} CPU s"
        )


@dataclass(frozen=True, slots=True)
class Taught:
    """One epoch of instruction tuning: mean loss in nats a token of responses, on training and validation rows."""

    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    cpu_seconds: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch} of {self.epochs}: loss {self.loss:.4f}, on validation rows {self.validation_loss:.4f}"
            f", {self.cpu_seconds:.0f} CPU s"
        )


def tuning_line(epoch: type[Learned] | type[Taught], values: Mapping[str, Any]) -> str:
    """What a child process told of a fine-tuning, for people: a step, or an epoch of this kind."""
    return str(TuningStep(**values) if "step" in values else epoch(**values))
