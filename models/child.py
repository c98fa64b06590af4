"""Isolation: each verb runs in its own process, so that a crash, a leak or a lack of memory stays there.

The parent imports this module without torch. `python -m models.child VERB REQUEST.json` is the child.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import CheckpointStore
from models.config import training_key
from models.documents import read_documents, snapshot_hash
from models.errors import BY_NAME, ChildCrashedError, ModelError, RequestError
from models.loading import seeing_no_garbage
from models.progress import Learned, Progress, Taught, TuningStep
from models.requests import (
    RESULT,
    EvaluateRequest,
    EvaluateResult,
    TrainRequest,
    TrainResult,
    evaluate_result,
    write_request,
    write_result,
)

LOG, REQUEST = "child.log", "request.json"
VERBS = ("tokenizer", "tokens", "train", "evaluate", "shrink", "measure", "classify", "instruct")
_LOG_LINES_SHOWN = 12
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Place:
    """The checkout whose code a child runs, and its environment variables; without them those of this process."""

    code: Path = _ROOT
    environment: Mapping[str, str] | None = None


HERE = Place()


def run_train(request: TrainRequest, *, on_progress: Callable[[Progress], None] = lambda _: None) -> TrainResult:
    """Train in a child process; an equal earlier run is returned at once.

    Raises:
        ModelError: as the child raised it; ChildCrashedError when it died without an answer.
    """
    documents = read_documents(request.documents)
    key = training_key(request.recipe, snapshot_hash(documents, splits=("train", "validation")))
    store = CheckpointStore(request.checkpoints)
    existing = store.find(key)
    if existing is not None:
        return _train_result(store, existing, created=False)
    values = _run("train", request, on_line=lambda values: on_progress(Progress(**values)))
    return _train_result(store, values["model_version"], created=True)


def run_evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Evaluate and predict in one child process.

    Raises:
        ModelError: as the child raised it; ChildCrashedError when it died without an answer.
    """
    return evaluate_result(_run("evaluate", request, on_line=lambda _: None))


def _train_result(store: CheckpointStore, version: str, *, created: bool) -> TrainResult:
    return TrainResult(
        model_version=version, folder=store.folder(version), created=created, training=store.training(version)
    )


def _run(
    verb: str, request: TrainRequest | EvaluateRequest, *, on_line: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    request = request.absolute()
    request.work.mkdir(parents=True, exist_ok=True)
    write_request(request.work / REQUEST, request)
    return _answered(verb, request.work, HERE, on_line)


def perform(
    verb: str,
    values: Mapping[str, object],
    work: Path,
    place: Place,
    *,
    on_line: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Ask a verb of the code of a checkout, by a request of JSON values as that code reads it; return its answer.

    Raises:
        ModelError: as the child raised it; ChildCrashedError when it died without an answer.
    """
    work.mkdir(parents=True, exist_ok=True)
    (work / REQUEST).write_text(json.dumps(values), encoding="utf-8")
    return _answered(verb, work.resolve(), place, on_line)


def _answered(verb: str, work: Path, place: Place, on_line: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    result, log = work / RESULT, work / LOG
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "models.child", verb, str(work / REQUEST)]
    with log.open("w", encoding="utf-8") as log_file:
        # The child watches its stdin: when this process dies, however it dies, the pipe closes and the child ends.
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            command,
            cwd=place.code,
            env=None if place.environment is None else dict(place.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
        )
        with process:
            try:
                _forward(process, on_line)
                code = process.wait()
            finally:
                process.kill()
                process.wait()  # after Ctrl-C, leaving Popen waits for a quarter of a second only
    return _answer(verb, code, result=result, log=log)


def _forward(process: subprocess.Popen[str], on_line: Callable[[dict[str, Any]], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            values = json.loads(line)
        except ValueError:
            continue  # a line cut by a kill; the exit status tells what happened
        on_line(values)


def _answer(verb: str, code: int, *, result: Path, log: Path) -> dict[str, Any]:
    if not result.is_file():
        raise ChildCrashedError(
            f"the {verb} process ended {_ending(code)} without a result; its last lines are below, all are in "
            f"{log}\n{_tail(log)}"
        )
    values: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "error" in values:
        raise BY_NAME.get(values["error"], ModelError)(values["message"])
    return values


def _ending(code: int) -> str:
    if code >= 0:
        return f"with exit status {code}"
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"by signal {signal.Signals(-code).name}{hint}"


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES_SHOWN:])


def end_with_parent() -> None:
    """End this process at once when the parent's end of stdin closes."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _print_progress(progress: Progress | Learned | Taught | TuningStep) -> None:
    sys.stdout.write(json.dumps(asdict(progress)) + "\n")
    sys.stdout.flush()


def spin_little() -> None:
    """Have threads that wait for others give their core up soon; read when torch loads.

    Threads that wait by spinning starve each other when other processes want the cores: on two busy cores a step took
    3.7 s of wall time with libgomp's own setting and 0.24 s with this one.
    """
    os.putenv("GOMP_SPINCOUNT", "1000")


def _perform(verb: str, request_path: Path) -> None:
    if verb in ("tokenizer", "tokens"):  # these two need no torch, which takes most of a child's start
        from models import prepare_verbs

        prepare_verbs.run_prepare("tokenizer" if verb == "tokenizer" else "tokens", request_path)
        return
    spin_little()
    # Imported here: the parent, which shares this module, must not load torch.
    with seeing_no_garbage():
        from models import classifier_verbs, form_verbs, instruct_verbs, verbs

    match verb:
        case "train":
            verbs.run_train(request_path, _print_progress)
        case "evaluate":
            verbs.run_evaluate(request_path)
        case "shrink":
            form_verbs.run_shrink(request_path)
        case "measure":
            form_verbs.run_measure(request_path)
        case "classify":
            classifier_verbs.run_classify(request_path, _print_progress)
        case "instruct":
            instruct_verbs.run_instruct(request_path, _print_progress)
        case _:
            raise RequestError(f"unknown verb {verb!r}; use {', '.join(VERBS)}")


def main(arguments: Sequence[str]) -> int:
    """Run one verb in this process; the answer, or the error, goes to result.json beside the request."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_with_parent()
    if len(arguments) != 2:
        sys.stderr.write(f"usage: python -m models.child {'|'.join(VERBS)} REQUEST.json\n")
        return RequestError.exit_code
    request_path = Path(arguments[1])
    try:
        _perform(arguments[0], request_path)
    except ModelError as error:
        logging.getLogger(__name__).error("%s: %s", type(error).__name__, error)
        write_result(request_path.parent / RESULT, {"error": type(error).__name__, "message": str(error)})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
