"""Scores of held-out documents: sums with standard errors, the rule for a better model, and their file."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import ComparisonError

ALL = "all"
EVALUATORS = ("gpt", "unigram", "trigram")

# A worse model would win by chance about once in 44 comparisons; with one standard error, once in 6.
STANDARD_ERRORS_TO_WIN = 2.0

_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("evaluator", pa.string()),
    pa.field("document_id", pa.string()),
    pa.field("dataset", pa.string()),
    pa.field("byte_count", pa.int64()),
    pa.field("bits", pa.float64()),
]
SCORES = pa.schema(_FIELDS)


@dataclass(frozen=True)
class DocumentScore:
    """Bits one evaluator needs for one document."""

    evaluator: str
    document_id: str
    dataset: str
    byte_count: int
    bits: float


@dataclass(frozen=True)
class EvaluationRow:
    """One evaluator on one slice; standard_error is None when there is one document."""

    evaluator: str
    slice: str
    bits_per_byte: float
    standard_error: float | None
    document_count: int
    byte_count: int


@dataclass(frozen=True)
class Comparison:
    """A candidate against the current model on the same documents; a negative difference favours the candidate."""

    wins: bool
    difference: float
    standard_error: float | None
    candidate_bits_per_byte: float
    current_bits_per_byte: float
    document_count: int

    @property
    def reason(self) -> str:
        """The numbers behind the decision, for people."""
        spread = "unknown" if self.standard_error is None else f"{self.standard_error:.4f}"
        return (
            f"candidate {self.candidate_bits_per_byte:.4f}, current {self.current_bits_per_byte:.4f} bits per byte; "
            f"difference {self.difference:+.4f}, standard error {spread} over {self.document_count} documents; "
            f"the candidate must be lower by {STANDARD_ERRORS_TO_WIN:g} standard errors"
        )


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure on one slice, its 95 % interval (None where it has none), and on how many things it rests."""

    measure: str
    slice: str
    value: float
    low: float | None
    high: float | None
    count: int
    measured_on: str


def summarise(scores: Sequence[DocumentScore]) -> list[EvaluationRow]:
    """One row per evaluator and slice: all documents, then each dataset."""
    rows = []
    for evaluator in dict.fromkeys(score.evaluator for score in scores):
        own = [score for score in scores if score.evaluator == evaluator]
        for part in (ALL, *sorted({score.dataset for score in own})):
            chosen = [score for score in own if part in (ALL, score.dataset)]
            ratio, error = _per_byte([each.bits for each in chosen], [each.byte_count for each in chosen])
            size = sum(each.byte_count for each in chosen)
            rows.append(EvaluationRow(evaluator, part, ratio, error, len(chosen), size))
    return rows


def better(candidate: Sequence[DocumentScore], current: Sequence[DocumentScore]) -> Comparison:
    """Compare two models document by document; without a standard error the candidate does not win.

    Raises:
        ComparisonError: the two were not measured on the same documents.
    """
    ours, theirs = _of_model(candidate), _of_model(current)
    if not ours or {key: each.byte_count for key, each in ours.items()} != {
        key: each.byte_count for key, each in theirs.items()
    }:
        raise ComparisonError(
            f"the candidate has {len(ours)} scored documents and the current model {len(theirs)}, not the same ones; "
            "evaluate both on the same held-out documents"
        )
    keys = sorted(ours)
    sizes = [ours[key].byte_count for key in keys]
    difference, error = _per_byte([ours[key].bits - theirs[key].bits for key in keys], sizes)
    return Comparison(
        wins=error is not None and difference < -STANDARD_ERRORS_TO_WIN * error,
        difference=difference,
        standard_error=error,
        candidate_bits_per_byte=sum(each.bits for each in ours.values()) / sum(sizes),
        current_bits_per_byte=sum(each.bits for each in theirs.values()) / sum(sizes),
        document_count=len(keys),
    )


def _of_model(scores: Sequence[DocumentScore]) -> dict[str, DocumentScore]:
    return {score.document_id: score for score in scores if score.evaluator == "gpt"}


def _per_byte(bits: Sequence[float], sizes: Sequence[int]) -> tuple[float, float | None]:
    """Bits over bytes and the standard error of that ratio over documents, Cochran 1977, section 6.3."""
    values, weights = np.array(bits), np.array(sizes, dtype=np.float64)
    ratio = float(values.sum() / weights.sum())
    count = len(values)
    if count < 2:
        return ratio, None
    residuals = values - ratio * weights
    return ratio, math.sqrt(count / (count - 1) * float(residuals @ residuals)) / float(weights.sum())


def write_scores(path: Path, scores: Sequence[DocumentScore]) -> None:
    """Keep per-document scores as Parquet."""
    pq.write_table(
        pa.Table.from_pylist([asdict(score) for score in scores], schema=SCORES), path, write_page_checksum=True
    )


def read_scores(path: Path) -> list[DocumentScore]:
    """Read per-document scores back.

    Raises:
        ComparisonError: the file is missing or is no scores file.
    """
    try:
        rows = pq.read_table(path, schema=SCORES, page_checksum_verification=True).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ComparisonError(f"cannot read scores from {path}: {error}; evaluate the model again") from error
    return [DocumentScore(**row) for row in rows]
