"""Tests that share something costly run in one process, whatever the versions of pytest and of its plugins."""

import subprocess
import sys
from pathlib import Path

from together import TOGETHER, TogetherScheduling

from dagster_project.settings import machine_environment

TESTS = Path(__file__).parents[1]
TWELVE_TESTS = """\
import os

import pytest


@pytest.mark.parametrize("number", range(12))
def test_it(number):
    with open("seen.txt", "a") as file:
        file.write(f"{os.getpid()} {__file__}\\n")
"""


def test_the_named_files_are_there():
    assert [name for name in TOGETHER if not (TESTS.parent / name).exists()] == []


def test_files_of_a_named_folder_and_files_that_share_a_lake_go_together_and_others_alone():
    def scope(name):
        return TogetherScheduling._split_scope(None, f"tests/{name}::test_it[a/b::c]")

    assert scope("unit/models/test_lm.py") == scope("unit/models/test_train.py") == "tests/unit/models"
    assert scope("flow/test_accept.py") == scope("flow/test_ingest.py") != scope("flow/test_learn.py")
    assert scope("unit/test_links.py") == "tests/unit/test_links.py::test_it[a/b::c]"


def test_a_named_file_goes_to_one_worker_as_a_whole(tmp_path):
    named = tmp_path / "tests" / "withdrawal" / "test_retract.py"
    named.parent.mkdir(parents=True)
    named.write_text(TWELVE_TESTS)
    (tmp_path / "test_others.py").write_text(TWELVE_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "xdist", "-p", "together"]
    done = subprocess.run(
        [*command, "--import-mode=importlib"],
        cwd=tmp_path,
        env=machine_environment() | {"PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [line.split() for line in (tmp_path / "seen.txt").read_text().splitlines()]
    assert len(seen) == 24
    assert len({process for process, file in seen if file.endswith("test_retract.py")}) == 1
