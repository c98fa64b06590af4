"""Runs git, git-annex and DataLad as child processes in an environment of their own."""

import errno
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.adapters.datalad_files import NO_ROOM
from lakehouse.durable_files import remove_unfinished, replace_file
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError

COMMAND_LIMIT_SECONDS = 3600.0

SCRIPTS = Path(sysconfig.get_path("scripts"))
"""Where the git-annex wheel put its binary."""

# `python -m datalad` starts something else; -P keeps the submitted files off the import path.
DATALAD = (sys.executable, "-P", "-c", "import sys; from datalad.cli.main import main; sys.exit(main(sys.argv))")

# Read instead of the user's and the machine's files, so that a version does not depend on whose machine made it.
# safe.directory: root may work in a folder that a service account owns.
GIT_SETTINGS = """\
[safe]
\tdirectory = *
[core]
\tautocrlf = false
\tquotePath = false
\tfsync = committed
\tprecomposeUnicode = false
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[commit]
\tgpgSign = false
[tag]
\tgpgSign = false
[annex]
\tdotfiles = true
[datalad "repo"]
\tbackend = SHA256E
"""


FULL = os.strerror(errno.ENOSPC).encode()
"""What git, git-annex and DataLad say of a full disk, under LC_ALL=C.UTF-8, which children get."""


@dataclass(frozen=True, slots=True)
class GitChildren:
    """Starts children with `home` as HOME, `identity` (name, email) as author, and `annex_dir` first on PATH.

    With a `moment` commits and tags are dated by it instead of by the clock.
    """

    home: Path
    identity: tuple[str, str]
    annex_dir: Path
    moment: datetime | None = None

    def run(self, command: Sequence[str], *, cwd: Path, lock: int | None = None, feed: bytes | None = None) -> bytes:
        """Run one child and return its output; raise ServiceUnavailableError with the end of what it said."""
        done = self.child(command, cwd=cwd, lock=lock, feed=feed)
        if done.returncode:
            tail = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
            words = ("datalad", *command[len(DATALAD) :]) if tuple(command[: len(DATALAD)]) == DATALAD else command
            shown = " ".join(Path(word).name for word in words[:5])
            if FULL in done.stdout + done.stderr:
                raise ServiceUnavailableError(f"`{shown}` in {cwd.name} failed: {NO_ROOM} ({tail})")
            raise ServiceUnavailableError(f"`{shown}` in {cwd.name} failed (exit {done.returncode}): {tail}")
        return done.stdout

    def child(
        self, command: Sequence[str], *, cwd: Path, lock: int | None, feed: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one child. It inherits the lock: while an orphan still writes, nobody else may."""
        try:
            return subprocess.run(  # noqa: S603 - a list of words, no shell
                command,
                cwd=cwd,
                env=self.environment(),
                input=feed if feed is not None else b"",
                capture_output=True,
                check=False,
                timeout=COMMAND_LIMIT_SECONDS,
                pass_fds=() if lock is None else (lock,),
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceUnavailableError(
                f"{command[0]} took over {COMMAND_LIMIT_SECONDS:.0f} s in {cwd.name}"
            ) from error

    def environment(self) -> dict[str, str]:
        """Return all the variables a child sees; nothing of the caller's own environment is among them."""
        home = self.home
        settings = home / "gitconfig"
        if not settings.is_file() or settings.read_text(encoding="utf-8") != GIT_SETTINGS:
            remove_unfinished(home)
            replace_file(settings, GIT_SETTINGS)
        name, email = self.identity
        path = os.pathsep.join(self._folders())
        date = f"@{int(self.moment.timestamp())} +0000" if self.moment else None
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
        return {
            **dates,
            "PATH": path,
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": str(settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }

    def require_annex(self) -> None:
        """Raise UnknownSettingError when no git-annex can be found; DataLad's own message comes late and is long."""
        if shutil.which("git-annex", path=os.pathsep.join(self._folders())) is None:
            raise UnknownSettingError(
                f"no git-annex in {self.annex_dir.name}/ or beside git; install the package git-annex of this project"
            )

    def _folders(self) -> tuple[str, ...]:
        return (str(self.annex_dir), str(Path(_tool("git")).parent), os.defpath)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UnknownSettingError(f"{name} is not on PATH; install it, dataset versions are git repositories")
    return found
