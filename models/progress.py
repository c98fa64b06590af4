"""One recorded step of training, or epoch of fine-tuning, as it is shown, stored and sent between processes."""

from dataclasses import dataclass


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
