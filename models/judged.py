"""A classifier measured beside TF-IDF and logistic regression on the same held-out groups, alone and joined."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.accuracy import Interval, accuracy, calibration_error, difference, macro_f1
from models.classify import Tuned
from models.labelled import LabelledText, Split
from models.tfidf import TfidfBaseline, fit_tfidf

SHARES = tuple(at / 20 for at in range(21))
"""Weights of the fine-tuned model, 0 to 1, of which the best on validation texts is taken when the two are joined."""


@dataclass(frozen=True)
class Row:
    """One way to tell the classes, measured on the held-out texts."""

    told_by: str
    accuracy: Interval
    macro_f1: float
    calibration_error: float
    over_baseline: Interval | None

    @property
    def beats_baseline(self) -> bool:
        """Whether it is better than the baseline by more than chance: the whole interval is above nought."""
        return self.over_baseline is not None and self.over_baseline.low > 0


@dataclass(frozen=True)
class Report:
    """What was measured, on how many texts, and at what cost."""

    rows: list[Row]
    counts: dict[str, int]
    baseline_cpu_seconds: float
    tuning_cpu_seconds: float
    milliseconds_per_text: float
    share_of_model: float

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"beats_baseline": {row.told_by: row.beats_baseline for row in self.rows[1:]}}

    def lines(self) -> list[str]:
        """For people, as Markdown."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        lines = [
            f"{counts}. Fine-tuning took {self.tuning_cpu_seconds:.0f} CPU seconds, the baseline "
            f"{self.baseline_cpu_seconds:.0f}; telling a class takes {self.milliseconds_per_text:.2f} ms of CPU time.",
            "",
            "| told by | accuracy, 95 % interval | macro F1 | calibration error | over the baseline | better |",
            "| --- | --- | ---: | ---: | --- | --- |",
        ]
        for row in self.rows:
            over = "" if row.over_baseline is None else str(row.over_baseline)
            better = "" if row.over_baseline is None else "yes" if row.beats_baseline else "no"
            measured = f"{row.accuracy} | {row.macro_f1:.4f} | {row.calibration_error:.4f}"
            lines.append(f"| {row.told_by} | {measured} | {over} | {better} |")
        return [*lines, "", f"Together: {self.share_of_model:.0%} of the log probability is the model's."]


def fit_baseline(split: Split) -> tuple[TfidfBaseline, float]:
    """Fit TF-IDF and logistic regression on the training texts; return it with its CPU seconds."""
    began = time.process_time()
    fitted = fit_tfidf(_texts(split.train), _targets(split.train, split.labels), label_count=len(split.labels))
    return fitted, time.process_time() - began


def judge(tuned: Tuned, split: Split, baseline: TfidfBaseline, *, baseline_cpu_seconds: float) -> Report:
    """Measure the baseline, the model, and the two joined with the share that validation texts prefer."""
    chosen = _texts(split.validation)
    share = _best_share(
        tuned.log_chances(chosen),
        baseline.logits(chosen).log_softmax(dim=1),
        _targets(split.validation, split.labels),
    )
    held = _texts(split.test)
    began = time.process_time()
    model_NL = tuned.log_chances(held)
    milliseconds = 1000 * (time.process_time() - began) / len(held)
    words_NL = baseline.logits(held).log_softmax(dim=1)
    told = {
        "TF-IDF and logistic regression": words_NL,
        f"the model, {tuned.tuning.method}": model_NL,
        "both together": share * model_NL + (1 - share) * words_NL,
    }
    counts = {
        "training texts": len(split.train),
        "validation texts": len(split.validation),
        "held-out texts": len(held),
    }
    counts["held-out groups"] = len({each.group for each in split.test})
    return Report(
        rows=_rows(told, split),
        counts=counts,
        baseline_cpu_seconds=baseline_cpu_seconds,
        tuning_cpu_seconds=tuned.cpu_seconds,
        milliseconds_per_text=milliseconds,
        share_of_model=share,
    )


def _rows(told: dict[str, Tensor], split: Split) -> list[Row]:
    true_N = _targets(split.test, split.labels).numpy()
    groups = [each.group for each in split.test]
    rows, base_N = list[Row](), None
    for name, scores_NL in told.items():
        chances_NL = scores_NL.double().softmax(dim=1).numpy()
        told_N = chances_NL.argmax(axis=1)
        right_N = told_N == true_N
        over = None if base_N is None else difference(right_N, base_N, groups)
        base_N = right_N if base_N is None else base_N
        f1 = macro_f1(told_N, true_N, len(split.labels))
        rows.append(Row(name, accuracy(right_N, groups), f1, calibration_error(chances_NL, true_N), over))
    return rows


def _best_share(model_NL: Tensor, words_NL: Tensor, true_N: Tensor) -> float:
    right = [float(((share * model_NL + (1 - share) * words_NL).argmax(dim=1) == true_N).sum()) for share in SHARES]
    return SHARES[int(np.argmax(right))]


def _texts(side: Sequence[LabelledText]) -> list[str]:
    return [each.text for each in side]


def _targets(side: Sequence[LabelledText], labels: Sequence[str]) -> Tensor:
    places = {label: at for at, label in enumerate(labels)}
    return torch.tensor([places[each.label] for each in side])
