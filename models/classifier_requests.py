"""What the child process is asked about a classifier, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import RequestError
from models.trials import TrialResult, as_values, from_values


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest:
    """Fine-tune `base` on a Parquet file of text, label, group and split, or find the equal version; then measure it.

    `compare` is the version that is in use, or empty; `origin` goes into the version's record as it is.
    """

    texts: Path
    base: Path
    root: Path
    name: str
    recipe: Mapping[str, Any]
    trials: tuple[Path, ...]
    compare: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    known_tests: Path | None = None
    known_tests_most: int = 0
    threads: int | None = None

    def as_json(self) -> dict[str, object]:
        """JSON values, with paths that mean the same in the child, whose working folder differs."""
        values = {name: str(each.resolve()) if isinstance(each, Path) else each for name, each in vars(self).items()}
        return values | {"trials": [str(each.resolve()) for each in self.trials]}


def read_classify_request(path: Path) -> ClassifyRequest:
    """Read a request; raise RequestError when it is none."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        paths = {name: Path(values[name]) for name in ("texts", "base", "root")}
        known = values.get("known_tests")
        paths |= {} if known is None else {"known_tests": Path(known)}
        return ClassifyRequest(**{**values, **paths, "trials": tuple(Path(each) for each in values["trials"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to classify: {error}") from error


@dataclass(frozen=True, slots=True)
class ClassifierFigure:
    """One figure on one slice of held-out texts, its 95 % interval by a bootstrap over groups where it has one."""

    name: str
    slice: str
    value: float
    low: float | None
    high: float | None
    text_count: int
    group_count: int
    evaluation_snapshot: str


@dataclass(frozen=True, slots=True)
class AccuracyGain:
    """Accuracy of a candidate less that of the version in use on the same texts, with its interval over groups."""

    difference: float
    low: float
    high: float
    text_count: int
    group_count: int

    @property
    def wins(self) -> bool:
        """Whether the candidate is surely better."""
        return self.low > 0

    @property
    def reason(self) -> str:
        """The numbers behind the decision, for people."""
        return (
            f"accuracy {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}] against the version in use on "
            f"{self.text_count} held-out texts of {self.group_count} groups"
        )


@dataclass(frozen=True, kw_only=True)
class ClassifyAnswer:
    """The version, whether it was made now, its figures and tests, and how it stands against the one in use."""

    version: str
    created: bool
    figures: list[ClassifierFigure]
    trials: list[TrialResult]
    gain: AccuracyGain | None

    @property
    def evaluation_snapshot(self) -> str:
        """Hash of the held-out texts."""
        return self.figures[0].evaluation_snapshot

    def figure(self, name: str) -> ClassifierFigure:
        """A figure over all held-out texts."""
        return next(each for each in self.figures if (each.name, each.slice) == (name, "all"))

    def as_json(self) -> dict[str, object]:
        """JSON values; the inverse of `classify_answer`."""
        return {
            "version": self.version,
            "created": self.created,
            "figures": [asdict(each) for each in self.figures],
            "trials": as_values(self.trials),
            "gain": None if self.gain is None else asdict(self.gain),
        }


def classify_answer(values: Mapping[str, Any]) -> ClassifyAnswer:
    """An answer read from JSON values."""
    return ClassifyAnswer(
        version=values["version"],
        created=values["created"],
        figures=[ClassifierFigure(**each) for each in values["figures"]],
        trials=from_values(values["trials"]),
        gain=None if values["gain"] is None else AccuracyGain(**values["gain"]),
    )
