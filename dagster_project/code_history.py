"""Commits of this checkout: whether one that a record names is at hand, and a copy of the code as it was then."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from dagster_project.settings import PROJECT
from lakehouse.errors import NotReproducibleError

DIRTY = "+dirty"
UNKNOWN = "unknown"
NO_GIT = "git is not installed, so commits cannot be looked up"


def missing_code(commit: str, repository: Path = PROJECT) -> str:
    """Return why the code that a record names cannot be checked out here; nothing when it can."""
    if commit == UNKNOWN:
        return "the code ran outside git, so no commit was recorded"
    clean = commit.removesuffix(DIRTY)
    if not re.fullmatch(r"[0-9a-f]{40}", clean):
        return f"{commit!r} is no commit"
    if shutil.which("git") is None:
        return NO_GIT
    if _git(repository, "cat-file", "-e", f"{clean}^{{commit}}") is None:
        return f"this checkout does not hold commit {clean}; fetch it with `git fetch --unshallow` or from your remote"
    if commit != clean:
        return f"files differed from commit {clean} when it ran, and the differences were not recorded"
    return ""


def check_out(commit: str, into: Path, repository: Path = PROJECT) -> Path:
    """Write the code of a commit to a new folder and return it; the repository is only read, unlike by a worktree.

    Raises:
        NotReproducibleError: git cannot read the commit whole.
    """
    body = _git(repository, "archive", "--format=tar", commit)
    if body is None:
        raise NotReproducibleError(f"git cannot read commit {commit} of {repository} whole; run `git fsck` there")
    into.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        archive.extractall(into, filter="data")
    return into


def _git(repository: Path, *words: str) -> bytes | None:
    """Return what git says; None when it fails or there is no git."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, words from here
            ["git", "-C", str(repository), *words],  # noqa: S607 - the user's own git
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
