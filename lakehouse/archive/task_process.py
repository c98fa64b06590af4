"""The process that forks one for each task on files from outside, as those see it who give the tasks."""

import atexit
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import lakehouse
from lakehouse.archive.task_server import BEGUN, CODE, END, REFUSED
from lakehouse.errors import ServiceUnavailableError

# Where the project lies; the process starts in another folder.
ROOT = Path(lakehouse.__file__).parent.parent
SERVER = ("-P", "-m", "lakehouse.archive.task_server")
# Loading all that a task needs, on a machine with much else to do.
START_SECONDS = 120.0
STOP_SECONDS = 30.0
LATER = "try again when this machine has less to do"
LONGEST_REASON = 1_000
# The process is gone, or another thread has seen that it is.
GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF)
# malloc takes address space for each thread, and Arrow's own allocator a gigabyte at once: neither is memory in use,
# but both count against the limit. The allocators of Polars and Arrow would have threads before anything is forked.
LEAN = {
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENBLAS_NUM_THREADS": "1",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


class TaskServer:
    """Starts the process at the first order and anew whenever it is gone; any thread, and any fork, may give orders."""

    def __init__(self, command: Sequence[str] = SERVER) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._owner = 0
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forked)

    def do(self, task: str, work: Path, orders: int, seconds: float, handles: Sequence[int] = ()) -> int | None:
        """Do what the open file `orders` says, in a process of its own; return its exit code, negative for a signal.

        None when it was out of time, which counts from when the process is there. It is at work in the folder `work`.
        Whatever ends this call ends the process as well; the locks on `handles` are its own until then.

        Raises:
            ServiceUnavailableError: no process can be started, or the one that forks them was ended meanwhile.
        """
        order = json.dumps({"task": task, "work": str(work)}).encode()
        for _ in range(2):  # it may just have gone because nobody asked for anything
            said = self._begin(order, [orders, *handles])
            if said is not None:
                with said:
                    return _end_of(said, seconds)
        raise ServiceUnavailableError(
            "the process that starts those that read files ends at once; "
            "standard error, or the log of this process, says why; mend that and try again"
        )

    def close(self, only: socket.socket | None = None) -> None:
        """End the process and all that it does; the next order starts another one.

        With `only` that is the process at the other end of this socket, and one that was started since goes on.
        """
        with self._lock:
            if only is not None and self._orders is not only:
                return
            orders, process, self._orders, self._process = self._orders, self._process, None, None
        if orders is None or process is None:
            return
        if self._owner == os.getpid():
            with suppress(OSError):  # it is gone
                orders.shutdown(socket.SHUT_RDWR)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        orders.close()

    def _begin(self, order: bytes, handles: Sequence[int]) -> socket.socket | None:
        """Give an order; return where its end will be told, or None when nobody takes it."""
        orders = self._opened()
        said, theirs = socket.socketpair()
        begun = False
        try:
            with theirs:
                socket.send_fds(orders, [order], [theirs.fileno(), *handles])
            said.settimeout(START_SECONDS)
            first = said.recv(len(BEGUN))
            if first == REFUSED:
                raise ServiceUnavailableError(f"no process to read files with: {_text(said)}; {LATER}")
            begun = first == BEGUN
        except TimeoutError as error:
            raise ServiceUnavailableError(
                f"no process that reads files began within {START_SECONDS:g} s; {LATER}"
            ) from error
        except OSError as error:
            if error.errno not in GONE:
                raise ServiceUnavailableError(f"the process that reads files cannot be reached: {error}") from error
        finally:
            if not begun:
                said.close()
        if not begun:
            self.close(only=orders)
        return said if begun else None

    def _forked(self) -> None:
        self._lock = threading.Lock()  # whoever had it is no thread of the fork

    def _opened(self) -> socket.socket:
        with self._lock:
            if self._orders is None:
                self._orders = self._start()
            return self._orders

    def _start(self) -> socket.socket:
        orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of this process's environment, where secrets may be; the same modules as here.
        environment = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **LEAN}
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - this Python and a module of ours
                    [sys.executable, *self._command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                )
        except OSError as error:
            orders.close()
            raise ServiceUnavailableError(f"the process that reads files cannot be started: {error}") from error
        self._owner = os.getpid()
        return orders


def _text(said: socket.socket) -> str:
    return said.recv(LONGEST_REASON).decode(errors="replace")


def _end_of(said: socket.socket, seconds: float) -> int | None:
    """Return the exit code of the process, None when it had to be ended."""
    ended = False
    try:
        said.settimeout(seconds)
        with suppress(TimeoutError):
            code = said.recv(CODE.size)
            ended = True
    finally:
        if not ended:
            with suppress(OSError):  # it ended by itself
                said.settimeout(STOP_SECONDS)
                said.sendall(END)
                said.recv(CODE.size)
    if not ended:
        return None
    if not code:
        raise ServiceUnavailableError("the process that starts those that read files was ended; try again")
    return int(CODE.unpack(code)[0])
