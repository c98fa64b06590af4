"""Where `make test` has temporary files: in memory where there is room, in a folder that goes with the command."""

import os
import subprocess
from pathlib import Path

import pytest

SCRATCH = Path(__file__).parents[2] / ".ci" / "scratch"
SHOW = 'printf %s "$TMPDIR"; exit 3'


def run(**given: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name != "TMPDIR"}  # noqa: TID251 - a child's own
    return subprocess.run([SCRATCH, "sh", "-c", SHOW], env=plain | given, capture_output=True, text=True, check=False)


def test_the_command_ends_as_it_would_and_its_folder_goes():
    done = run()
    assert done.returncode == 3
    if not done.stdout:
        pytest.skip("too little memory is free for temporary files, or no program may be started there")
    assert done.stdout.startswith("/dev/shm/lakehouse.")
    assert not Path(done.stdout).exists()


def test_a_folder_that_was_chosen_is_kept(tmp_path):
    assert run(TMPDIR=str(tmp_path)).stdout == str(tmp_path)
    assert tmp_path.exists()
