"""One engine process as the endpoint sees it, and the nursery that starts them."""

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa

import lakehouse
from lakehouse.endpoint.channel import ASK, BATCH, FAILED, Frame, receive, send
from lakehouse.endpoint.engine import NUMBER, PID, START
from lakehouse.endpoint.faults import BusyError, DeadlineError, RefusedStatementError

log = logging.getLogger(__name__)
POLL_SECONDS = 0.05
PIPE_BYTES = 4 * 1024 * 1024  # a batch; the kernel gives what it is set to give at most
START_SECONDS = 120.0
STOP_SECONDS = 2.0
LONGEST_LINE = 4000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Faults after which an engine is replaced: its memory may be in pieces, or its cage may miss a folder made since.
SPENT = ("OutOfMemory", "MemoryError", "IOExc", "HTTP", "Fatal", "Internal", "PermissionError", "FileNotFoundError")
SPENT_TEXT = ("IO Error", "HTTP Error", "Out of Memory", "FATAL", "INTERNAL")


class EngineDiedError(BusyError):
    """An engine process ended in the middle of a statement: it hit its memory limit, crashed, or was killed."""


class Engine:
    """One engine process. One thread at a time uses it; any may kill it."""

    def __init__(self, pid: int, handle: int, data: socket.socket, control: socket.socket) -> None:
        self.pid = pid
        self.has: dict[str, str] = {}
        self.deadline = float("inf")
        self.late = False
        self.spent = False
        self.idle_since = time.monotonic()
        self.warm_bytes = 0
        self._handle = handle
        self._memory = -1
        self._data = data
        self._control = control
        self._number = 0
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(data, select.POLLIN)

    def begin(self, start: Mapping[str, object]) -> list[str]:
        """Set the engine up; return what its cage holds."""
        send(self._data, ASK, start)
        frame = receive(self._data)
        if frame is None:
            raise EngineDiedError("an SQL engine process did not start; the endpoint's log says why")
        held: list[str] = frame.header["held"]
        return held

    def ask(self, request: Mapping[str, object], body: bytes = b"", *, idle: Callable[[], None]) -> Iterator[Frame]:
        """Send a request and yield its batches, then its answer. `idle` is called while there is nothing to read.

        It may raise: then the request is stopped, and the engine is whole again or dead. Raises the fault that the
        engine met, EngineDiedError when it ended.
        """
        self._number += 1
        done = False
        try:
            with self._living():
                send(self._data, ASK, {**request, "number": self._number}, body)
            while True:
                while not self._poll.poll(POLL_SECONDS * 1000):
                    idle()
                with self._living():
                    frame = receive(self._data)
                if frame is None:
                    raise self._died()
                done = frame.kind != BATCH
                if frame.kind == FAILED:
                    spent = frame.header["fault"].startswith(SPENT) or frame.header["text"].startswith(SPENT_TEXT)
                    self.spent = self.spent or spent
                    raise _fault(frame.header)
                yield frame
                if done:
                    return
                idle()
        finally:
            if not done:
                self._halt()

    def _halt(self) -> None:
        """Stop the running request softly; an engine that does not stop soon is killed."""
        until = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(OSError):
            self._control.sendall(NUMBER.pack(self._number))
            while (left := until - time.monotonic()) > 0 and not self.dead:
                if self._poll.poll(left * 1000):
                    frame = receive(self._data)
                    if frame is None:
                        break
                    if frame.kind != BATCH:
                        return
        self.kill()

    @contextlib.contextmanager
    def _living(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._died() from error

    def _died(self) -> BusyError | DeadlineError:
        self.kill()
        if self.late:
            return DeadlineError(
                "the statement took longer than it may, and its engine was stopped; ask for less at a time"
            )
        return EngineDiedError("the statement needs more memory than this endpoint has; ask for fewer rows or columns")

    @property
    def dead(self) -> bool:
        """Say whether the process was killed or seen to have ended."""
        return self._handle < 0

    def kill(self) -> None:
        """End the process now, whatever it does."""
        with self._lock:
            if self._handle < 0:
                return
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = -1
            if self._memory >= 0:
                os.close(self._memory)
                self._memory = -1

    def close(self) -> None:
        """End the process and let go of its sockets; for the thread that uses it."""
        self.kill()
        self._data.close()
        self._control.close()

    def resident_bytes(self) -> int:
        """Return the memory that the process holds; 0 when it is gone."""
        with self._lock:
            if self._handle < 0:
                return 0
            with contextlib.suppress(OSError):
                if self._memory < 0:  # kept open: it is read after every statement
                    self._memory = os.open(f"/proc/{self.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
                return int(os.pread(self._memory, 128, 0).split()[1]) * PAGE_BYTES
        return 0


def _fault(header: Mapping[str, Any]) -> Exception:
    """Return the exception that an engine met, as it would have been raised here."""
    name, text = header["fault"], header["text"]
    known: dict[str, type[Exception]] = {
        "MemoryError": MemoryError,
        "ArrowInvalid": pa.ArrowInvalid,
        "ArrowNotImplementedError": pa.ArrowNotImplementedError,
        "RefusedStatementError": RefusedStatementError,
    }
    kind: type[Exception] = known.get(name, getattr(duckdb, name, OSError))
    return kind(text)


def _pass_on(said: IO[bytes]) -> None:
    """Log what engines write to their standard error, tracebacks mostly, until the last one has ended."""
    with said:
        while line := said.readline(LONGEST_LINE):
            log.error("an SQL engine said: %s", line.decode(errors="replace").rstrip())


class Nursery:
    """The process that forks engines. It is started at once and asked later; one that died is started anew."""

    def __init__(self, extensions: Sequence[str]) -> None:
        self._extensions = tuple(extensions)
        self._lock = threading.Lock()
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._pipe, theirs = socket.socketpair()
        self._pipe.settimeout(START_SECONDS)
        # Nothing of this process's environment, where secrets may be; the same modules as here.
        environment = {"PYTHONPATH": str(Path(lakehouse.__file__).parents[1]), "LC_ALL": "C.UTF-8"}
        limits = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (this interpreter, this package)
                [sys.executable, "-m", "lakehouse.endpoint.engine", str(theirs.fileno()), *self._extensions],
                stdin=subprocess.DEVNULL,
                # Not this process's own, which may be a file: engines may write to none, and would lose what they say.
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=environment | limits,
                cwd="/",
                start_new_session=True,
            )
        self.heard = threading.Thread(target=_pass_on, args=(self._process.stderr,), name="engines' words", daemon=True)
        self.heard.start()
        self._ready = False

    def fork(self) -> Engine:
        """Return a new engine process. Raises EngineDiedError when none can be started."""
        with self._lock:
            try:
                return self._fork()
            except OSError as error:
                if self._closed:
                    raise EngineDiedError("the SQL endpoint is stopping; try again later") from error
                log.warning("the nursery of SQL engines ended and is started anew")
                self._end()
                self._open()
            try:
                return self._fork()
            except OSError as error:
                raise EngineDiedError("no SQL engine process can be started; the endpoint's log says why") from error

    def _fork(self) -> Engine:
        if not self._ready:
            self._ready = self._pipe.recv(len(START)) == START
        data, their_data = socket.socketpair()
        their_data.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIPE_BYTES)
        control, their_control = socket.socketpair()
        try:
            with their_data, their_control:
                socket.send_fds(self._pipe, [b"f"], [their_data.fileno(), their_control.fileno()])
            answer, handles, _, _ = socket.recv_fds(self._pipe, PID.size, 1)
            if not handles:
                raise OSError("the nursery forked no engine")
        except OSError:
            data.close()
            control.close()
            raise
        return Engine(PID.unpack(answer)[0], handles[0], data, control)

    def close(self) -> None:
        """End the nursery; engines live on until they are closed."""
        self._closed = True
        self._process.kill()
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()
