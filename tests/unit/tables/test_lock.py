import logging
import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from lakehouse.errors import TransientError
from lakehouse.tables.lock import QUIET_S, archive_lock

HOLD = """
import sys, time
from pathlib import Path
from lakehouse.tables.lock import archive_lock
with archive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_can_be_taken_again_after_it_is_freed(tmp_path):
    for _ in range(2):
        with archive_lock(tmp_path / "new" / "lock", timeout_s=0):
            pass


def test_a_held_lock_is_a_transient_error_that_names_its_holder(tmp_path):
    path = tmp_path / "lock"
    with (
        archive_lock(path),
        pytest.raises(TransientError, match=f"process {os.getpid()}"),
        archive_lock(path, timeout_s=0.1),
    ):
        pytest.fail("two holders at once")


def test_whoever_may_wait_long_is_told_for_what(tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def wait(timeout_s):
        with archive_lock(tmp_path / "lock", timeout_s=timeout_s):
            pass

    with archive_lock(tmp_path / "lock", doing="saving lessons@1"):
        waiters = [Thread(target=wait, args=(each,)) for each in (QUIET_S, QUIET_S + 1)]
        for waiter in waiters:
            waiter.start()
        end = time.monotonic() + 60
        while not caplog.messages and time.monotonic() < end:
            time.sleep(0.05)
    for waiter in waiters:
        waiter.join(60)
    (said,) = caplog.messages
    assert f"held by process {os.getpid()} (saving lessons@1), at most 61 s" in said


def test_a_waiter_gets_the_lock_when_it_is_freed(tmp_path):
    got = []

    def wait():
        with archive_lock(tmp_path / "lock", timeout_s=60):
            got.append(True)

    with archive_lock(tmp_path / "lock"):
        waiter = Thread(target=wait)
        waiter.start()
        waiter.join(0.2)
        assert not got
    waiter.join(60)
    assert got


def test_a_killed_holder_frees_the_lock(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TransientError, match=str(holder.pid)), archive_lock(path, timeout_s=0):
            pytest.fail("two holders at once")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with archive_lock(path, timeout_s=60):
        pass
