"""Withdraws the planted person and kills itself at every step once: done, but not yet written down.

Run as a program it forks one process after the other, each of which gets one step further, until one gets through.
"""

import importlib.util
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from lakehouse.archive.withdraw import run, steps
from lakehouse.archive.withdraw.journal import Journal
from lakehouse.archive.withdraw.run import withdraw
from lakehouse.archive.withdraw.search import Request

PLANTED = Path(__file__).parents[1] / "withdrawal" / "planted.py"
LIMIT = 200


def planted() -> Any:
    spec = importlib.util.spec_from_file_location("planted", PLANTED)
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted"] = module
    spec.loader.exec_module(module)
    return module


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def first_time(point: str) -> bool:
    """Say whether no process died at this point yet, and note that one does."""
    note = Path(sys.argv[1]) / f"killed {point.replace('/', ' ')}"
    if note.is_file():
        return False
    note.touch()
    return True


def arm_steps() -> None:
    """Let this process die when it has done a step that no other died in, before the journal knows of it."""
    plain = Journal.once

    def once(journal: Journal, step: str, action: Any) -> Any:
        def act() -> Any:
            result = action()
            if first_time(f"step {step}"):
                die()
            return result

        return plain(journal, step, act)

    Journal.once = once  # type: ignore[method-assign]


def arm_ends() -> None:
    """Let this process die before the receipt is kept, and before the plan is deleted."""
    for name in ("keep", "close"):
        plain = getattr(Journal, name)

        def change(journal: Journal, *arguments: Any, name: str = name, plain: Any = plain) -> None:
            if first_time(f"end {name}"):
                die()
            plain(journal, *arguments)

        setattr(Journal, name, change)


def arm_closing() -> None:
    """Let this process die before and after the bytes of a closed withdrawal are given back."""
    plain = steps.finish_closing

    def closing(*arguments: Any) -> None:
        if first_time("before closing"):
            die()
        plain(*arguments)
        if first_time("after closing"):
            die()

    steps.finish_closing = closing
    run.finish_closing = closing


def arm_renames() -> None:
    """Let this process die before and after each rename that brings the rewritten repository to its place."""
    plain = Path.rename

    def rename(path: Path, target: Path) -> Path:
        point = f"rename {path.parent.name} to {Path(target).parent.name}"
        ours = "datasets" in str(path) and ".re" in f"{path}{target}"
        if ours and first_time(f"before {point}"):
            die()
        plain(path, target)
        if ours and first_time(f"after {point}"):
            die()
        return Path(target)

    Path.rename = rename  # type: ignore[method-assign]


def attempt(home: Path, module: Any) -> bool:
    """Withdraw in a child; say whether it was killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for arm in (arm_steps, arm_ends, arm_closing, arm_renames):
                arm()
            withdraw(module.folder_archive(home), Request(module.NEEDLE, reason="asked by letter", by="owner"))
            status = 0
        except Exception:  # noqa: BLE001 - shown here, for nobody else of this process will
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert status == 0, "the withdrawal failed; see its traceback above"
    return False


def main(scratch: Path) -> int:
    kills, module = 0, planted()
    while attempt(scratch / "home", module):
        kills += 1
        assert kills < LIMIT, "no process gets further than the one before"
    sys.stdout.write(json.dumps({"kills": kills}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
