"""Judging in a child process with limited memory and time: hostile files can kill it, never this process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import lakehouse
from lakehouse import errors
from lakehouse.archive.child import ANSWER, OUT_OF_MEMORY, READING, Orders
from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.levels import printable
from lakehouse.archive.rule_packs import Packs, load_packs
from lakehouse.errors import ServiceUnavailableError, UnreadableSubmissionError, UnsafeArchiveError

TOO_COSTLY, BROKEN_OFF = "SUBMISSION_TOO_COSTLY", "SUBMISSION_BREAKS_CHECKS"
# Where the project lies; a child starts in another folder.
ROOT = Path(lakehouse.__file__).parent.parent
LARGEST_PLACE = 1_000
# malloc takes address space for each thread, and Arrow's own allocator a gigabyte at once: neither is memory in use,
# but both count against the limit.
LEAN = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class JudgingLimits:
    """The most that judging one submission may cost; `answer_bytes` is the size of the report."""

    memory_bytes: int = 4 << 30
    cpu_seconds: int = 3_600
    wall_seconds: float = 3_600.0
    file_bytes: int = 64 << 30
    answer_bytes: int = 256 << 20


DEFAULT_JUDGING_LIMITS = JudgingLimits()


def judge_in_child(
    folder: Path,
    *,
    submission: str,
    content_sha256: str,
    packs: Packs | None = None,
    limits: JudgingLimits = DEFAULT_JUDGING_LIMITS,
) -> Report:
    """Judge a landed folder in a child process; one that costs more than the limits gives a report that refuses it.

    Raises:
        UnreadableSubmissionError: the folder is not there.
        ServiceUnavailableError: the child could not be started.
    """
    packs = packs or load_packs()
    orders = Orders(
        folder=str(folder.resolve()),
        submission=submission,
        content_sha256=content_sha256,
        packs=tuple(str(path.resolve()) for path in packs.folders),
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_bytes=limits.file_bytes,
    )
    with tempfile.TemporaryDirectory(prefix="lakehouse-judging-") as name:
        work = Path(name)
        code = _run(orders, work, limits.wall_seconds)
        answer = _answer(work, limits) if code == 0 else None
        if answer is None:
            return _refused(orders, packs, _finding(code, _place(work), limits))
    if "error" in answer:
        raise getattr(errors, answer["error"], UnreadableSubmissionError)(answer["message"])
    return Report.from_json(answer["report"])


def _run(orders: Orders, work: Path, seconds: float) -> int | None:
    """Return the child's exit code, negative for the signal that ended it; None when it was out of time."""
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(work), "LC_ALL": "C.UTF-8", **LEAN}
    with (work / "log.txt").open("wb") as log:
        try:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "lakehouse.archive.child"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=work,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ServiceUnavailableError(f"the judging process cannot be started: {error}") from error
        with child:
            try:
                child.communicate(json.dumps(asdict(orders)).encode(), timeout=seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                # Whatever ends this call ends the child as well.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
    return child.returncode


def _answer(work: Path, limits: JudgingLimits) -> dict[str, str] | None:
    path = work / ANSWER
    if not path.is_file() or path.stat().st_size > limits.answer_bytes:
        return None
    answer: dict[str, str] = json.loads(path.read_bytes())
    return answer


def _place(work: Path) -> str:
    path = work / READING
    if not path.is_file():
        return "(whole dataset)"
    with path.open("rb") as file:
        return printable(_start(file)) or "(whole dataset)"


def _start(file: IO[bytes]) -> str:
    return file.read(LARGEST_PLACE).decode(errors="replace")


def _finding(code: int | None, place: str, limits: JudgingLimits) -> Finding:
    megabytes = limits.memory_bytes >> 20
    if code is None:
        what = f"more than {limits.wall_seconds:g} s"
    elif code == -signal.SIGXCPU:
        what = f"more than {limits.cpu_seconds} s of processor time"
    elif code == -signal.SIGXFSZ:
        what = f"more than {limits.file_bytes >> 20:,} MB of disk"
    elif code == 0:
        what = f"a report of more than {limits.answer_bytes >> 20:,} MB"
    elif code < 0 or code == OUT_OF_MEMORY:
        what = f"more than {megabytes:,} MB of memory"
    else:
        return _error(
            BROKEN_OFF,
            place,
            f"The checks broke off at {place}: a fault of theirs that this file brings out.",
            "Send the file's maker and the archive's keeper this message; write the file again in a plainer form.",
        )
    return _error(
        TOO_COSTLY,
        place,
        f"Parsing {place} took {what}, so it was given up.",
        "Split the file, or write it again with shorter rows and fewer columns.",
    )


def _error(code: str, place: str, message: str, how_to_fix: str) -> Finding:
    exit_code = UnsafeArchiveError.exit_code
    return Finding(code, "error", place, 1, None, message, how_to_fix, exit_code)


def _refused(orders: Orders, packs: Packs, finding: Finding) -> Report:
    return Report(
        submission=orders.submission,
        content_sha256=orders.content_sha256,
        description=None,
        findings=(finding,),
        fair=(),
        table_rows={},
        document_count=0,
        personal_count=0,
        size_bytes=0,
        rules_version=packs.rules_version,
        validated_at=datetime.now(UTC),
    )
