"""What the child process is asked about a model that answers instructions, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import RequestError

ROLES = ("instruction", "input", "response", "group", "split")
"""Columns of the file of rows."""


@dataclass(frozen=True, slots=True)
class InstructFigure:
    """One figure on held-out rows, its 95 % interval by a bootstrap over groups; a single group has none."""

    name: str
    value: float
    low: float | None
    high: float | None
    row_count: int
    group_count: int
    token_count: int

    def __str__(self) -> str:
        """For people."""
        interval = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        counted = f"{self.token_count} tokens, {self.row_count} rows of {self.group_count} groups"
        return f"{self.name}: {self.value:.4f}{interval} ({counted})"


@dataclass(frozen=True, kw_only=True)
class InstructRequest:
    """Teach `base` the responses of a Parquet file of rows, or find the equal version; then measure it.

    `compare` is the version that was accepted last, or empty; `origin` goes into the version's record as it is.
    """

    rows: Path
    base: Path
    root: Path
    recipe: Mapping[str, Any]
    compare: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None

    def as_json(self) -> dict[str, object]:
        """JSON values, with paths that mean the same in the child, whose working folder differs."""
        return {name: str(each.resolve()) if isinstance(each, Path) else each for name, each in vars(self).items()}


def read_instruct_request(path: Path) -> InstructRequest:
    """Read a request; raise RequestError when it is none."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        paths = {name: Path(values[name]) for name in ("rows", "base", "root")}
        return InstructRequest(**{**values, **paths})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to instruct: {error}") from error


@dataclass(frozen=True, kw_only=True)
class InstructAnswer:
    """The version, whether it was made now, its figures on held-out rows, and the gain over the version before it."""

    version: str
    created: bool
    evaluation_snapshot: str
    figures: list[InstructFigure]
    gain: InstructFigure | None

    def figure(self, name: str) -> InstructFigure:
        """A figure by its name."""
        return next(each for each in self.figures if each.name == name)

    def as_json(self) -> dict[str, object]:
        """JSON values; the inverse of `instruct_answer`."""
        return asdict(self)


def instruct_answer(values: Mapping[str, Any]) -> InstructAnswer:
    """An answer read from JSON values."""
    figures = [InstructFigure(**each) for each in values["figures"]]
    gain = None if values["gain"] is None else InstructFigure(**values["gain"])
    return InstructAnswer(**{**values, "figures": figures, "gain": gain})
