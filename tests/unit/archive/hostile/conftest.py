"""One process apart that judges hostile input, so that a hang, a crash or a full memory is seen from outside."""

import json
import select
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from dagster_project.settings import PROJECT, machine_environment

START_SECONDS = 120
DEADLINE_SECONDS = 60
MOST_MEMORY = 1 << 30


@dataclass
class Outcome:
    """What judging one submission came to."""

    exit_code: int | None
    error: str | None
    seconds: float
    grown: int
    children: int
    report: dict | None = None
    forms: dict = field(default_factory=dict)

    @property
    def codes(self):
        return {finding["code"] for finding in self.report["findings"]} if self.report else set()

    def finding(self, code):
        (found,) = [f for f in self.report["findings"] if f["code"] == code]
        return found

    @property
    def words(self):
        return self.error or json.dumps(self.report)


class Worker:
    """The process, and one question to it at a time."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "worker.log"
        with self.log.open("w") as log:
            self.process = self._started(folder, log)
        assert self._line(START_SECONDS) == "ready"

    @staticmethod
    def _started(folder: Path, log: IO[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**machine_environment(), "PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)},
            cwd=folder,
            text=True,
        )

    def judge(self, job: str, seconds: float) -> Outcome:
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self._line(seconds)))

    def _line(self, seconds: float) -> str:
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            self.process.kill()
            pytest.fail(f"no answer in {seconds} s; the worker was killed: {self.log.read_text()[-2000:]}")
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.wait(START_SECONDS)
            pytest.fail(f"the worker died: {self.log.read_text()[-3000:]}")
        return line

    def close(self) -> None:
        with self.process:
            self.process.stdin.close()


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    """Start the process when it is first asked, and again after one that was killed."""
    running = []

    def get() -> Worker:
        if not running or running[-1].process.poll() is not None:
            running.append(Worker(tmp_path_factory.mktemp("worker")))
        return running[-1]

    yield get
    for worker in running:
        worker.close()


@pytest.fixture
def hostile(workers):
    """Judge a path and hold the outcome to what holds for every submission: an answer, in time, in bounded memory."""

    def judge(path, *, seconds=DEADLINE_SECONDS, memory=MOST_MEMORY, landed=False):
        worker = workers()
        outcome = worker.judge(f"landed {path}" if landed else str(path), seconds)
        assert "Traceback" not in outcome.words
        assert outcome.exit_code != 0, "accepted"
        assert outcome.grown < memory, f"{outcome.grown:,} bytes"
        assert outcome.children < memory, f"{outcome.children:,} bytes in a child"
        left = [entry for entry in worker.log.parent.iterdir() if entry != worker.log]
        assert left == [], "nothing of it is left behind"
        return outcome

    return judge
