"""What a killed command unpacked goes with the next one; what is somebody's, or no folder of ours, stays."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from lakehouse.archive.held_folders import UNPACKED, unpacked_place
from tests.waiting import wait_until

HOLDS = """\
import sys
from lakehouse.archive.held_folders import unpacked_place
with unpacked_place() as work:
    (work / "names.csv").write_text("ann")
    print(work, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    return folder


def _held(scratch):
    """Return the folders that a process still has a lock on, such as a child that is about to end."""
    held = []
    for path in scratch.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(path)
        finally:
            os.close(handle)
    return held


def test_a_folder_stays_while_its_process_works_and_goes_once_it_was_killed(scratch):
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as holder:
        held = holder.stdout.readline().strip()
        with unpacked_place() as mine:
            assert {str(path) for path in scratch.iterdir()} == {held, str(mine)}
        holder.kill()
    assert [str(path) for path in scratch.iterdir()] == [held]
    with unpacked_place() as mine:
        assert list(scratch.iterdir()) == [mine]
    assert list(scratch.iterdir()) == []


def test_what_only_has_such_a_name_stays(scratch, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "kept.txt").write_text("kept")
    (scratch / f"{UNPACKED}abcdefgh").symlink_to(theirs)
    (scratch / f"{UNPACKED}a_file_0").write_text("kept")
    for name in (f"{UNPACKED}notes", f"{UNPACKED}my notes", "lakehouse-abcdefgh", f"{UNPACKED}ABCDEFGH"):
        (scratch / name).mkdir()
    before = sorted(scratch.iterdir())
    with unpacked_place():
        pass
    assert sorted(scratch.iterdir()) == before
    assert (theirs / "kept.txt").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another account")
def test_another_accounts_folder_stays(scratch):
    other = scratch / f"{UNPACKED}abcdefgh"
    other.mkdir()
    os.chown(other, 12345, 12345)
    with unpacked_place():
        pass
    assert other.is_dir()


def test_what_a_killed_validate_unpacked_goes_with_the_next(dataset, scratch):
    table = dataset / "tables/rooms/rooms.csv"
    table.write_text("room,size\n" + "".join(f"{n},{n}\n" for n in range(300_000)), encoding="utf-8")
    command = [sys.executable, "-m", "dagster_project.cli", "validate"]
    with subprocess.Popen([*command, str(dataset)], stdout=-1) as killed:
        wait_until(lambda: list(scratch.glob("*/*/tables/rooms/rooms.csv")))
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    wait_until(lambda: not _held(scratch))
    assert list(scratch.glob(f"{UNPACKED}*"))
    (scratch / "lakehouse-apart-killed_1").mkdir()
    table.write_text("room,size\n10,50.5\n11,60\n", encoding="utf-8")
    done = subprocess.run([*command, str(dataset)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert list(scratch.iterdir()) == []
