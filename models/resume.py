"""What a killed run of learning needs to go on to the same weights: kept whole on the disk, or not at all.

A run's curve is made of points: dataclasses of numbers, `Progress` where a language model is trained.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from models.durable import read_json, seal, sync, unfinished, verify, write_json
from models.errors import CheckpointError

log = logging.getLogger(__name__)

TENSORS, STATE = "state.safetensors", "state.json"
FILES = (TENSORS, STATE)
KEPT = 2
"""States that stay: the newest, and the one before it in case the newest does not verify."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Point = TypeVar("Point", bound=_Dataclass)


@dataclass(frozen=True, kw_only=True)
class State(Generic[Point]):
    """A run after `step` optimizer steps: weights, optimizers and random numbers; where the loader stands; the curve.

    `made_by` names what the sameness of a resumed run rests on: library, device, arithmetic, threads, tokenizer.
    """

    step: int
    tensors: Mapping[str, Tensor]
    loader: Mapping[str, Any]
    curve: list[Point]
    seconds: float
    made_by: Mapping[str, str | int]


class ResumeStore(Generic[Point]):
    """States of one training run, `step-00000100` and so on, in one folder; other runs' states are dropped."""

    def __init__(self, root: Path, training_key: str, point: type[Point]) -> None:
        self.root, self._name, self._point = root, training_key[:16], point

    @property
    def folder(self) -> Path:
        """Where this run's states lie."""
        return self.root / self._name

    def save(self, state: State[Point]) -> None:
        """Write a state beside the others, bring it to the disk, name it, and only then drop the oldest."""
        from safetensors.torch import save_file

        with unfinished(self.folder) as working:
            save_file(
                {name: each.detach().cpu().contiguous() for name, each in state.tensors.items()}, working / TENSORS
            )
            values = {name: value for name, value in vars(state).items() if name != "tensors"}
            write_json(working / STATE, values | {"curve": [asdict(each) for each in state.curve]})
            seal(working, FILES)
            target = self.folder / f"step-{state.step:08d}"
            if target.exists():  # one that did not verify, or this run would have gone on after it
                shutil.rmtree(target)
            working.rename(target)
            sync(self.folder)
        for old in self._states()[:-KEPT]:
            shutil.rmtree(old)

    def newest(self, *, tidy: bool = True) -> State[Point] | None:
        """Return the newest state whose files are whole, or None; to be `tidy`, states of other runs are deleted."""
        for other in self.root.iterdir() if tidy and self.root.is_dir() else ():
            if other.name != self._name:
                shutil.rmtree(other)
        for folder in reversed(self._states()):
            try:
                return _read(folder, self._point)
            except CheckpointError as error:
                log.warning("state left aside folder=%s: %s", folder, error)
        return None

    def newest_step(self) -> int:
        """Return the step of the newest state, 0 when there is none."""
        states = self._states()
        return int(states[-1].name.removeprefix("step-")) if states else 0

    def clear(self) -> None:
        """Delete all states; the run they belong to is done."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))


def _read(folder: Path, point: type[Point]) -> State[Point]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    verify(folder, FILES)
    values = read_json(folder / STATE)
    try:
        tensors = load_file(folder / TENSORS)
        curve = [point(**each) for each in values.pop("curve")]
        return State(tensors=tensors, curve=curve, **values)
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} holds no state of a run: {error}; delete it to start anew") from error
