"""The gate of smaller forms: size, speed and quality beside the version a form was made from, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.forms import Form
from models.scores import Comparison, better, read_scores

# Two-sided 95 % of the normal distribution.
_DEVIATIONS = 1.96


@dataclass(frozen=True, kw_only=True)
class FormRun:
    """What one process measured of a form, or of a whole version: its scores file, its peak and its speed.

    `tokens_per_cpu_second` and `whole_tokens_per_cpu_second` were taken in turns in one process, one text at a time.
    """

    evaluation_snapshot: str
    scores: Path
    size_bytes: int
    peak_memory_bytes: int
    tokens_per_cpu_second: float
    whole_tokens_per_cpu_second: float


def form_run(values: Mapping[str, Any]) -> FormRun:
    """Read what the child process answered."""
    return FormRun(**{**values, "scores": Path(values["scores"])})


@dataclass(frozen=True, kw_only=True)
class FormVerdict:
    """A form beside the whole version on the same held-out documents; a positive difference is a loss.

    `low` and `high` are the 95 % interval of the paired difference in bits per byte, None over one document.
    """

    evaluation_snapshot: str
    size_bytes: int
    whole_size_bytes: int
    bits_per_byte: float
    whole_bits_per_byte: float
    difference: float
    low: float | None
    high: float | None
    document_count: int
    tokens_per_cpu_second: float
    whole_tokens_per_cpu_second: float
    peak_memory_bytes: int
    whole_peak_memory_bytes: int
    worse_at_most: float
    size_at_most: float
    accepted: bool
    reason: str


def judge_form(form: Form, made: FormRun, whole: FormRun) -> FormVerdict:
    """Decide on a form: refused when it may lose more, or weighs more, than its entry in forms.yaml allows.

    Raises:
        ComparisonError: the two were not measured on the same documents.
    """
    compared = better(read_scores(made.scores), read_scores(whole.scores))
    high = _end(compared, 1)
    faults = []
    if high is None or not high <= form.worse_at_most:
        told = "unknown" if high is None else f"up to {high:+.4f}"
        faults.append(f"it may lose {told} bits per byte and {form.worse_at_most:g} are allowed")
    share = made.size_bytes / whole.size_bytes
    if not share <= form.size_at_most:
        faults.append(f"its file has {share:.0%} of the original's size and {form.size_at_most:.0%} are allowed")
    kept = f"{compared.difference:+.4f} bits per byte, {share:.0%} of the size"
    return FormVerdict(
        evaluation_snapshot=made.evaluation_snapshot,
        size_bytes=made.size_bytes,
        whole_size_bytes=whole.size_bytes,
        bits_per_byte=compared.candidate_bits_per_byte,
        whole_bits_per_byte=compared.current_bits_per_byte,
        difference=compared.difference,
        low=_end(compared, -1),
        high=high,
        document_count=compared.document_count,
        tokens_per_cpu_second=made.tokens_per_cpu_second,
        whole_tokens_per_cpu_second=made.whole_tokens_per_cpu_second,
        peak_memory_bytes=made.peak_memory_bytes,
        whole_peak_memory_bytes=whole.peak_memory_bytes,
        worse_at_most=form.worse_at_most,
        size_at_most=form.size_at_most,
        accepted=not faults,
        reason=f"refused: {'; '.join(faults)}" if faults else f"accepted: {kept}",
    )


def _end(compared: Comparison, sign: int) -> float | None:
    if compared.standard_error is None:
        return None
    return compared.difference + sign * _DEVIATIONS * compared.standard_error
