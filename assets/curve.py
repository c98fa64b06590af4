"""Writes the curve of a training to its table while it goes on: some points at a time, each once, in few releases."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from assets.house import commit, read_released
from assets.results import measured_at, write_of
from lakehouse.definition import TableDefinition
from lakehouse.errors import LakehouseError
from lakehouse.ports import Provenance
from lakehouse.tables.gold import TRAINING_PROGRESS, TUNING_PROGRESS
from lakehouse.tables.write_audit_publish import Lakehouse
from models.errors import ModelError
from models.progress import Progress, TuningStep

Point = TypeVar("Point", Progress, TuningStep)

FIRST_SECONDS = 30.0
"""A training that is shorter is written at its publication only."""
LONGEST_SECONDS = 600.0
"""Each pause is twice the one before, up to this: eight hours of training make 51 releases."""


@dataclass(slots=True)
class Curve(Generic[Point]):
    """The points of one training that are not in the table yet; `key` names the training, however often it is begun."""

    house: Lakehouse
    key: Callable[[], str]
    provenance: Provenance
    log: Callable[[str], None]
    table: TableDefinition
    row: Callable[[str, Point], dict[str, object]]
    pause_s: float = FIRST_SECONDS
    _waiting: dict[int, Point] = field(default_factory=dict)
    _name: str = ""
    _written: set[int] = field(default_factory=set)
    _since: float = field(default_factory=lambda: time.monotonic())

    def hear(self, point: Point) -> None:
        """Keep a point; write what is kept when it is time. The last one is left to the publication."""
        self._waiting[point.step] = point
        if time.monotonic() - self._since >= self.pause_s and point.step < point.steps:
            self.write()
            self._since = time.monotonic()
            self.pause_s = min(2 * self.pause_s, LONGEST_SECONDS)

    def write(self) -> None:
        """Write what is kept, each step once. A training goes on while its table cannot be written; that is told."""
        try:
            self._write()
        except LakehouseError as error:
            self.log(f"the curve waits to be written: {type(error).__name__}: {error}")

    def _write(self) -> None:
        if not self._name:
            name = self.key()
            key = self.table.key[0]
            rows = read_released(self.house, self.table, columns=[key, "step"]).to_pylist()
            self._written = {row["step"] for row in rows if row[key] == name}
            self._name = name
        # A run that is gone on with tells its curve from the beginning.
        points = [self._waiting[step] for step in sorted(self._waiting) if step not in self._written]
        if points:
            steps = [each.step for each in points]
            write = write_of(self.table, [self.row(self._name, each) for each in points], self.provenance)
            key = f"curve:{self._name}:{steps[0]}-{steps[-1]}:{len(steps)}"
            commit(self.house, [write], key=key, provenance=self.provenance)
            self._written.update(steps)
        self._waiting.clear()


def training_curve(
    house: Lakehouse,
    key: Callable[[], str],
    provenance: Provenance,
    log: Callable[[str], None],
    pause_s: float = FIRST_SECONDS,
) -> Curve[Progress]:
    """Return what writes the curve of a language model's training."""
    return Curve(house, key, provenance, log, TRAINING_PROGRESS, _row, pause_s)


def tuning_curve(house: Lakehouse, name: str, provenance: Provenance, log: Callable[[str], None]) -> Curve[TuningStep]:
    """Return what writes the steps that a tuning of this name tells."""
    key = f"{name}/{provenance.run_id}"
    return Curve(house, lambda: key, provenance, log, TUNING_PROGRESS, _tuning_row)


@contextmanager
def kept_when_it_fails(curve: Curve[Any]) -> Iterator[None]:
    """Write the last points of a training that ends with an error: they show how it came there."""
    try:
        yield
    except ModelError:
        curve.write()
        raise


def _tuning_row(key: str, point: TuningStep) -> dict[str, object]:
    return {
        "tuning": key,
        "name": key.partition("/")[0],
        "step": point.step,
        "steps": point.steps,
        "loss": point.loss,
        "texts_per_second": point.texts_per_second,
        "tokens_per_second": point.tokens_per_second,
    }


def _row(key: str, point: Progress) -> dict[str, object]:
    return {"training_key": key, "steps": point.steps, **measured_at(asdict(point))}
