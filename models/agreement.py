"""Whether two runs of training or fine-tuning gave the same: weights, tokenizer, curve, figures, one finding each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import WEIGHTS
from models.classifier_versions import CLASSIFIER
from models.config import file_sha256
from models.durable import read_json
from models.errors import CheckpointError

TOKENIZER = "tokenizer.json"
CPU = "cpu"
ANSWERS = "labels and temperature"

FIGURE_TOLERANCE_CPU = 1e-6
"""Bits per byte, for figures. Weights and curve must be the same to the last bit; sums over documents may be added
in another order."""
FIGURE_TOLERANCE_GPU = 0.01
"""Bits per byte, for curve and figures alike: kernels of a GPU add in an order of their own from run to run."""
SHARE_TOLERANCE_GPU = 0.02
"""Shares of texts and nats a text, for curve and figures of a classifier; a choice, not tried on a GPU."""
TEMPERATURE_TOLERANCE_GPU = 0.05

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was compared."""

    what: str
    agreed: bool
    detail: str

    def __str__(self) -> str:
        """Return the finding as one line for people."""
        return f"{'agrees ' if self.agreed else 'DIFFERS'}  {self.what}: {self.detail}"


def tokenizer_finding(recorded: Path, again: Path) -> Finding:
    """Compare the tokenizers of two checkpoint folders, byte for byte; they are made on the CPU everywhere."""
    return same_file("tokenizer", recorded / TOKENIZER, again / TOKENIZER)


def weights_finding(recorded: Path, again: Path, *, device: str) -> Finding:
    """Compare the weights of two checkpoint folders: byte for byte on the CPU, by shape on a GPU."""
    same = same_file("weights", recorded / WEIGHTS, again / WEIGHTS)
    if same.agreed:
        return same
    one, other = _tensors(recorded), _tensors(again)
    if {name: each.shape for name, each in one.items()} != {name: each.shape for name, each in other.items()}:
        return Finding("weights", agreed=False, detail="the models have other weights or other shapes")
    gaps = {name: float(abs(each - other[name]).max()) for name, each in one.items()}
    worst = sorted((name for name in gaps if gaps[name] > 0), key=lambda name: -gaps[name])
    told = ", ".join(f"{name} by up to {gaps[name]:.3g}" for name in worst[:_SHOWN])
    detail = f"{len(worst)} of {len(gaps)} weights differ: {told}" if worst else f"{same.detail}, no weight differs"
    if device == CPU:
        return Finding("weights", agreed=False, detail=detail)
    return Finding("weights", agreed=True, detail=f"of the same shapes, as a GPU gives them; {detail}")


def curve_finding(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Finding:
    """Compare the losses of every recorded step: exactly on the CPU."""
    tolerance = 0.0 if recorded["device"] == CPU else FIGURE_TOLERANCE_GPU
    one, other = _losses(recorded), _losses(again)
    if one.keys() != other.keys():
        return Finding("curve", agreed=False, detail=f"{len(one)} points were recorded, {len(other)} came now")
    apart = [key for key in sorted(one) if not abs(one[key] - other[key]) <= tolerance]
    if apart:
        step, kind = apart[0]
        told = f"first at step {step}, {kind}: {one[apart[0]]:.6f} then, {other[apart[0]]:.6f} now"
        return Finding("curve", agreed=False, detail=f"{len(apart)} of {len(one)} losses differ, {told}")
    return Finding("curve", agreed=True, detail=f"{len(one)} losses within {tolerance:g} bits per byte")


def epochs_finding(recorded: Mapping[str, Any], again: Mapping[str, Any], held: str = "validation_accuracy") -> Finding:
    """Compare the loss of every epoch of a tuning, and what was `held` against it: exactly on the CPU."""
    tolerance = 0.0 if recorded["device"] == CPU else SHARE_TOLERANCE_GPU
    one, other = recorded["curve"], again["curve"]
    if len(one) != len(other):
        return Finding("curve", agreed=False, detail=f"{len(one)} epochs were recorded, {len(other)} came now")
    apart = [
        f"epoch {then['epoch']}, {name}: {then[name]:.6f} then, {now[name]:.6f} now"
        for then, now in zip(one, other, strict=True)
        for name in ("loss", held)
        if not abs(then[name] - now[name]) <= tolerance
    ]
    if apart:
        return Finding("curve", agreed=False, detail=f"{len(apart)} values differ, first at {apart[0]}")
    return Finding("curve", agreed=True, detail=f"{len(one)} epochs within {tolerance:g}")


def answers_finding(recorded: Path, again: Path, *, device: str) -> Finding:
    """Compare what a classifier says of itself: labels, recipe, base and temperature, byte for byte on the CPU."""
    same = same_file(ANSWERS, recorded / CLASSIFIER, again / CLASSIFIER)
    if same.agreed or device == CPU:
        return same
    one, other = (read_json(folder / CLASSIFIER) for folder in (recorded, again))
    apart = [name for name in one if name != "temperature" and one[name] != other.get(name)]
    if abs(one["temperature"] - other["temperature"]) > TEMPERATURE_TOLERANCE_GPU * one["temperature"]:
        apart.append("temperature")
    detail = f"{', '.join(apart)} differ" if apart else f"the temperature within {TEMPERATURE_TOLERANCE_GPU:.0%}"
    return Finding(ANSWERS, agreed=not apart, detail=detail)


def share_findings(
    recorded: Iterable[Mapping[str, Any]], again: Iterable[Mapping[str, Any]], *, device: str
) -> list[Finding]:
    """Compare figures of a classifier, rows with name, slice and value, on the same held-out texts."""
    tolerance = FIGURE_TOLERANCE_CPU if device == CPU else SHARE_TOLERANCE_GPU
    one, other = ({(row["name"], row["slice"]): row["value"] for row in rows} for rows in (recorded, again))
    return list(_compared(one, other, tolerance, ""))


def figure_findings(
    recorded: Iterable[Mapping[str, Any]], again: Iterable[Mapping[str, Any]], *, device: str
) -> list[Finding]:
    """Compare evaluations, rows with evaluator, slice and bits_per_byte, on the same held-out documents."""
    tolerance = FIGURE_TOLERANCE_CPU if device == CPU else FIGURE_TOLERANCE_GPU
    one, other = _figures(recorded), _figures(again)
    return list(_compared(one, other, tolerance, " bits per byte"))


def _compared(
    one: Mapping[tuple[str, str], float], other: Mapping[tuple[str, str], float], tolerance: float, unit: str
) -> Iterator[Finding]:
    for key in sorted({*one, *other}):
        what = f"{key[0]} on {key[1]}"
        if key not in one or key not in other:
            yield Finding(what, agreed=False, detail=f"only {'recorded' if key in one else 'measured now'}")
            continue
        close = abs(one[key] - other[key]) <= tolerance
        within = f"{'' if close else 'not '}within {tolerance:g}{unit}"
        yield Finding(what, agreed=close, detail=f"{one[key]:.6f} recorded, {other[key]:.6f} now, {within}")


def _figures(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    return {(row["evaluator"], row["slice"]): row["bits_per_byte"] for row in rows}


def _losses(training: Mapping[str, Any]) -> dict[tuple[int, str], float]:
    return {
        (point["step"], kind): point[f"{kind}_bits_per_byte"]
        for point in training["curve"]
        for kind in ("train", "validation")
        if point[f"{kind}_bits_per_byte"] is not None
    }


def same_file(what: str, one: Path, other: Path) -> Finding:
    """Compare two files, byte for byte."""
    before, now = file_sha256(one), file_sha256(other)
    if before == now:
        return Finding(what, agreed=True, detail=f"sha256 {before}")
    return Finding(what, agreed=False, detail=f"sha256 {before} recorded, {now} now")


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} is no safetensors file: {error}; train the model again") from error
