"""What the child process is asked about a model that is tuned, classifier or one that answers, and its answer."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import RequestError
from models.trials import TrialResult, as_values, from_values


@dataclass(frozen=True, kw_only=True)
class TuneRequest:
    """Tune `base` on a Parquet file of texts with their split, or find the equal version; then measure it.

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


def read_tune_request(path: Path) -> TuneRequest:
    """Read a request; raise RequestError when it is none."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        paths = {name: Path(values[name]) for name in ("texts", "base", "root")}
        known = values.get("known_tests")
        paths |= {} if known is None else {"known_tests": Path(known)}
        return TuneRequest(**{**values, **paths, "trials": tuple(Path(each) for each in values["trials"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to tune: {error}") from error


@dataclass(frozen=True, slots=True)
class TunedFigure:
    """One figure on one slice of held-out texts, its 95 % interval by a bootstrap over groups where it has one."""

    name: str
    slice: str
    value: float
    low: float | None
    high: float | None
    text_count: int
    group_count: int
    evaluation_snapshot: str

    def __str__(self) -> str:
        """For people."""
        interval = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        counted = f"{self.text_count} texts of {self.group_count} groups"
        return f"{self.name} on {self.slice}: {self.value:.4f}{interval} ({counted})"


@dataclass(frozen=True, slots=True)
class TunedGain:
    """What a candidate gains over the version in use on the same texts, with its interval over groups if there are any.

    `what` says which gain: of accuracy, or of nats a response; more is better.
    """

    what: str
    difference: float
    low: float | None
    high: float | None
    text_count: int
    group_count: int

    @property
    def wins(self) -> bool:
        """Whether the candidate is surely better."""
        return self.low is not None and self.low > 0

    @property
    def reason(self) -> str:
        """The numbers behind the decision, for people."""
        interval = "without an interval" if self.low is None else f"[{self.low:+.4f}, {self.high:+.4f}]"
        return (
            f"{self.what} {self.difference:+.4f} {interval} against the version in use on "
            f"{self.text_count} held-out texts of {self.group_count} groups"
        )


@dataclass(frozen=True, kw_only=True)
class TuneAnswer:
    """The version, whether it was made now, its figures and tests, and how it stands against the one in use."""

    version: str
    created: bool
    figures: list[TunedFigure]
    trials: list[TrialResult]
    gain: TunedGain | None

    @property
    def evaluation_snapshot(self) -> str:
        """Hash of the held-out texts."""
        return self.figures[0].evaluation_snapshot

    def figure(self, name: str) -> TunedFigure:
        """A figure over all held-out texts."""
        return next(each for each in self.figures if (each.name, each.slice) == (name, "all"))

    def as_json(self) -> dict[str, object]:
        """JSON values; the inverse of `tune_answer`."""
        return {
            "version": self.version,
            "created": self.created,
            "figures": [asdict(each) for each in self.figures],
            "trials": as_values(self.trials),
            "gain": None if self.gain is None else asdict(self.gain),
        }


def tune_answer(values: Mapping[str, Any]) -> TuneAnswer:
    """An answer read from JSON values."""
    return TuneAnswer(
        version=values["version"],
        created=values["created"],
        figures=[TunedFigure(**each) for each in values["figures"]],
        trials=from_values(values["trials"]),
        gain=None if values["gain"] is None else TunedGain(**values["gain"]),
    )
