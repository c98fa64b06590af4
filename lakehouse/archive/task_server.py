"""Forks a process for each task on files from outside; started as ``python -m lakehouse.archive.task_server FD``.

It loads what tasks need once, which costs more than most tasks do, and reads no file from outside itself. For each
order on the socket FD it forks a process that shuts itself in as `child.py` says, and tells how that one ended on the
socket that came with the order. When the process that gave the orders goes, so does all of this.
"""

import ctypes
import gc
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from lakehouse.archive.child import BROKE_OFF, TASKS, UNPREPARED, Orders, do_orders, without_pandas

BEGUN, REFUSED, END = b"+", b"-", b"x"
"""What is said of a task that has begun, or that the kernel refuses, and why; and to one that must end."""
CODE = struct.Struct("<i")
ORDER_BYTES = 64 << 10
MOST_HANDLES = 32
LOG = "log.txt"
# Nobody asked for anything: what it holds of the memory is worth more than the time to load it again.
IDLE_SECONDS = 120.0
PR_SET_PDEATHSIG = 1
# What a task loads only when it is at work, and always does.
BESIDES = {"judge": ("lakehouse.archive.validate", "lakehouse.archive.rule_packs", "hyperscan")}


def main() -> None:
    """Serve orders until the other end of the socket is gone or asks for nothing any more."""
    without_pandas()
    # Polars has a thread from its start, of which a task has no need.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
    _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    sys.stderr.flush()
    os._exit(0)  # taking all apart that is loaded takes longer than a small task


@dataclass(frozen=True, slots=True)
class _Task:
    """Where the end of a task is told, and the folder that it works in."""

    said: socket.socket
    work: Path

    def tidy(self) -> None:
        """Remove its folder, which may hold people, for a caller that was killed."""
        shutil.rmtree(self.work, ignore_errors=True)


class _Server:
    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._running: dict[int, _Task] = {}
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.settimeout(0)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._poll.register(orders, select.POLLIN)

    def serve(self) -> None:
        """Do what comes until the orders end, or none come and none are being done."""
        while ready := {handle for handle, _ in self._poll.poll(None if self._running else IDLE_SECONDS * 1000)}:
            # In this order: what is closed while reaping gives its number to what comes with the next order.
            for handle in ready - {self._woken.fileno(), self._orders.fileno()}:
                self._kill(handle)
            if self._woken.fileno() in ready:
                self._reap()
            if self._orders.fileno() in ready and not self._fork():
                break
        for pid in self._running:
            _end_group(pid)
        for pid, task in self._running.items():
            os.waitpid(pid, 0)
            task.tidy()

    def _fork(self) -> bool:
        """Begin the task that is ordered; say whether there was an order."""
        body, handles, _, _ = socket.recv_fds(self._orders, ORDER_BYTES, 1 + MOST_HANDLES)
        if not body:
            return False
        order = json.loads(body)
        _load(order["task"])
        said, orders = handles[:2]
        task = _Task(socket.socket(fileno=said), Path(order["work"]))
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # the tasks that there are go on
            with task.said, suppress(OSError):
                task.said.sendall(REFUSED + str(error).encode())
        else:
            if pid == 0:
                self._work(task, orders, server)
            self._began(pid, task)
        for handle in handles[1:]:
            os.close(handle)
        return True

    def _began(self, pid: int, task: _Task) -> None:
        with suppress(PermissionError, ProcessLookupError):  # it is gone
            os.setpgid(pid, pid)
        self._running[pid] = task
        self._poll.register(task.said, select.POLLIN)
        with suppress(OSError):  # the sender is gone, which the next poll shows
            task.said.sendall(BEGUN)

    def _work(self, task: _Task, orders: int, server: int) -> NoReturn:
        """Be the process of a task: in its folder, with its log, and with no way back to the server."""
        code = UNPREPARED
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _end_with(server)
            others = [other.said for other in self._running.values()]
            for end in (self._orders, self._woken, self._wake, task.said, *others):
                end.close()
            os.chdir(task.work)
            log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for standard in (1, 2):
                os.dup2(log, standard)
            os.close(log)
            tempfile.tempdir = str(task.work)
            os.putenv("TMPDIR", str(task.work))  # for libraries that are not Python's
            with os.fdopen(orders, "rb") as file:
                file.seek(0)  # who wrote it and whoever had it before share the place in it
                asked = Orders(**json.load(file))
            code = BROKE_OFF
            code = do_orders(asked)
        except BaseException:  # noqa: BLE001 - whatever it is, nothing follows: the log tells where it happened
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(code)

    def _kill(self, handle: int) -> None:
        """End a task because its sender says so or is gone."""
        self._poll.unregister(handle)
        for pid, task in self._running.items():
            if task.said.fileno() == handle:
                _end_group(pid)

    def _reap(self) -> None:
        """Tell how each process ended that has; until it is reaped its number is nobody else's."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        with suppress(ChildProcessError):
            while done := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                _end_group(done.si_pid)
                _, status = os.waitpid(done.si_pid, 0)
                task = self._running.pop(done.si_pid)
                with suppress(KeyError):
                    self._poll.unregister(task.said)
                with task.said:
                    try:
                        task.said.sendall(CODE.pack(os.waitstatus_to_exitcode(status)))
                    except OSError:  # nobody waits for it any more
                        task.tidy()


def _load(task: str) -> None:
    """Load what a task needs; where that fails, the process of the task meets it again and tells."""
    names = [TASKS[task].partition(":")[0], *BESIDES.get(task, ())] if task in TASKS else []
    if all(name in sys.modules for name in names):
        return
    gc.disable()  # what is loaded stays: looking for garbage meanwhile was a sixth of loading
    for name in names:
        with suppress(Exception):
            import_module(name)
    gc.enable()
    gc.freeze()  # so that a task looking for garbage copies none of it


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _end_with(server: int) -> None:
    """Have the kernel end this process when the server is gone, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        raise ProcessLookupError("the server is gone")


if __name__ == "__main__":
    main()
