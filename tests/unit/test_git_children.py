"""The settings that git's children see are written whole, and nothing of a killed writer stays beside them."""

import subprocess
import sys
from pathlib import Path

from lakehouse.adapters.git_children import GIT_SETTINGS, GitChildren

KILLED = """
import os, sys
from pathlib import Path
from lakehouse.adapters.git_children import GitChildren
Path.replace = lambda *_: os._exit(9)
GitChildren(Path(sys.argv[1]), ("a", "a@example.org"), Path(sys.argv[1])).environment()
"""


def test_what_a_killed_writer_of_the_settings_left_is_gone_after_the_next(tmp_path):
    home = tmp_path / "home"
    done = subprocess.run([sys.executable, "-c", KILLED, str(home)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    assert [path.name for path in home.iterdir()] != ["gitconfig"]
    GitChildren(home, ("a", "a@example.org"), home).environment()
    assert [path.name for path in home.iterdir()] == ["gitconfig"]
    assert (home / "gitconfig").read_text() == GIT_SETTINGS
