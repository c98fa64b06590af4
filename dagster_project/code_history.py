"""Commits of this checkout: whether one that a record names is at hand."""

import re
import subprocess

from dagster_project.settings import PROJECT

DIRTY = "+dirty"
UNKNOWN = "unknown"


def missing_code(commit: str) -> str:
    """Return why the code that a record names cannot be checked out here; nothing when it can."""
    if commit == UNKNOWN:
        return "the code ran outside git, so no commit was recorded"
    clean = commit.removesuffix(DIRTY)
    if not re.fullmatch(r"[0-9a-f]{40}", clean):
        return f"{commit!r} is no commit"
    if not _holds(clean):
        return f"this checkout does not hold commit {clean}; fetch it with `git fetch --unshallow` or from your remote"
    if commit != clean:
        return f"files differed from commit {clean} when it ran, and the differences were not recorded"
    return ""


def _holds(commit: str) -> bool:
    done = subprocess.run(  # noqa: S603 - fixed program and arguments
        ["git", "-C", str(PROJECT), "cat-file", "-e", f"{commit}^{{commit}}"],  # noqa: S607 - the user's own git
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
