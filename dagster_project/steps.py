"""The steps of a long command: announced, numbered, timed, and told as a table at the end."""

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from dagster_project.stopping import stopped_by
from models.progress import Paced
from models.progress import Progress as Told

STOP_SECONDS = 15.0


@dataclass(slots=True)
class Steps:
    """Announces, times and remembers the `of` steps of a command; `say` tells other processes where it stands."""

    of: int
    console: Console
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    now: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Run a step; what is put into the list that is yielded is told beside its seconds.

        Raises KeyboardInterrupt where a signal came that nobody has raised.
        """
        if stopped_by():
            raise KeyboardInterrupt
        self.now = f"step {len(self.seconds) + 1} of {self.of}, {name[:1].lower()}{name[1:]}"
        self.say(self.now)
        self.console.print(f"[bold]{len(self.seconds) + 1}/{self.of} {name}[/bold] ...")
        more: list[str] = []
        begun = time.monotonic()
        yield more
        whole = f"{name} ({'; '.join(more)})" if more else name
        self.seconds[whole] = time.monotonic() - begun
        self.console.print(f"  {self.seconds[whole]:.1f} s{''.join(f'; {one}' for one in more)}")

    def tell(self, how_far: str) -> None:
        """Tell other processes how far the step is."""
        self.say(f"{self.now} ({how_far})")


def as_markdown(seconds: Mapping[str, float], command: str, total: float) -> str:
    """Return the steps as the table of docs/benchmarks.md, below a line on the day and the machine."""
    rows = [f"| {name} | {spent:.1f} |" for name, spent in seconds.items()]
    told = f"{_day(datetime.now(UTC).date())}, {_machine()}; `{command}`. Times in seconds."
    return "\n".join([told, "", "| step | seconds |", "|---|--:|", *rows, f"| **`{command}`** | **{total:.1f}** |"])


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    processor = f" ({names[0]})" if names else ""
    return f"{os.cpu_count()} CPUs{processor}, Python {platform.python_version()}"


@dataclass(slots=True)
class TrainingBar:
    """Shows how training goes on: a bar in a terminal, a line now and then in a log; `tell` tells other processes.

    The batch's figure is measured on what the model learns from, against counted chances where the recipe has them, so
    it is lower than, and not to be compared with, what held-out documents give.
    """

    console: Console
    progress: Progress
    tell: Callable[[str], None] = lambda _: None
    task: TaskID | None = None
    validation: float | None = None
    lines: Paced = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Paced(lambda line: self.console.print(f"  {line}", soft_wrap=True))

    def hear(self, told: Told) -> None:
        """Move the bar to a recorded step, or tell of it."""
        self.tell(f"training step {told.step:,} of {told.steps:,}")
        if not self.console.is_terminal:
            self.lines(told)
            return
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task("training", total=told.steps)
        if told.validation_bits_per_byte is not None:
            self.validation = told.validation_bits_per_byte
        self.progress.update(self.task, completed=told.step, description=self.words(told))
        if told.step == told.steps:
            self.progress.stop()

    def words(self, told: Told) -> str:
        """Return the newest figures, each with what it was measured on."""
        held = "" if self.validation is None else f", {self.validation:.2f} on validation documents"
        return f"training, bits per byte: {told.train_bits_per_byte:.2f} on its batch{held}"


def held_out(rows: Sequence[Mapping[str, object]], model_version: str) -> str:
    """Return what a model and its baselines scored on the newest held-out test documents; empty without scores."""
    own = [row for row in rows if row["model_version"] == model_version and row["slice"] == "all"]
    newest = max(own, key=lambda row: str(row["recorded_at"]), default=None)
    if newest is None:
        return ""
    scores = [row for row in own if row["evaluation_snapshot"] == newest["evaluation_snapshot"]]
    told = sorted((float(str(row["bits_per_byte"])), str(row["evaluator"])) for row in scores)
    listed = ", ".join(f"{model_version if name == 'gpt' else name} {bits:.2f}" for bits, name in told)
    return f"bits per byte on {newest['document_count']:,} held-out test documents, lower is better: {listed}"


def kept_back(judgements: Sequence[Mapping[str, object]], since: datetime) -> str:
    """Return which version was judged since then and not put to use, and why; empty where there is none."""
    fresh = [row for row in judgements if str(row["recorded_at"]) >= str(since)]
    newest = max(fresh, key=lambda row: str(row["recorded_at"]), default=None)
    if newest is None or newest["promoted"]:
        return ""
    return f"{newest['model_version']} is not in use: {newest['reason']}"


@dataclass(slots=True)
class Beside:
    """A process that works beside other steps; `seconds` is how long it took, whoever waits for it and when.

    As a context it ends with its block: what is at work then is stopped.
    """

    process: "subprocess.Popen[bytes]"
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    _watch: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._watch = threading.Thread(target=self._wait, daemon=True)
        self._watch.start()

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch.is_alive():
            self.process.terminate()
            self._watch.join(STOP_SECONDS)
            self.process.kill()
            self._watch.join()

    def _wait(self) -> None:
        self.process.wait()
        self.seconds = time.monotonic() - self.begun

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        self._watch.join()
        return int(self.process.returncode)
